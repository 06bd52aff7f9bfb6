"""Reading, fusing and writing at once: each is done while the others go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Item = TypeVar("Item")
Result = TypeVar("Result")

WAITING = 2  # results that may wait to be written


def overlapped(
    jobs: Iterable[Job],
    read: Callable[[Job], Item],
    work: Callable[[Job, Item], Result],
    write: Callable[[Job, Result], None],
    heavy: Callable[[Item], bool] = lambda item: False,
) -> Iterator[tuple[Job, Exception | None]]:
    """Read, work on and write every job, each of the three in a thread, in the order of the jobs.

    How many are in memory does not depend on how many there are: one that is read, one that is
    worked on, and `WAITING` that are to be written. On Ctrl-C (or where the caller stops) no job
    is begun any more, and what was worked on already is written.

    Args:
        jobs: What is to be done.
        read: Makes an item of a job.
        work: Makes a result of it, in the thread of the caller: networks have threads of their own.
        write: Puts it away.
        heavy: Whether an item is so large that no other is to be read before it is written.

    Yields:
        Each job when it is done, in order, and the exception that it failed by, or None.
    """
    todo = iter(jobs)
    writing: deque[tuple[Job, Future[None]]] = deque()
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:

        def read_next() -> tuple[Job, Future[Item]] | None:
            for job in todo:
                return job, reader.submit(read, job)
            return None

        following = read_next()
        while following:
            job, reading = following
            following = None
            written: Future[None] = Future()
            alone = False
            try:
                item = reading.result()
                del reading
                alone = heavy(item)
                following = None if alone else read_next()
                result = work(job, item)
                del item
                written = writer.submit(write, job, result)
                del result
            except Exception as error:
                written.set_exception(error)
            writing.append((job, written))
            while len(writing) > (0 if alone else WAITING):
                yield _done(*writing.popleft())
            following = following or read_next()
        while writing:
            yield _done(*writing.popleft())


def _done(job: Job, written: Future[None]) -> tuple[Job, Exception | None]:
    """A job, and what it failed by, when it is written."""
    try:
        written.result()
    except Exception as error:
        return job, error
    return job, None
