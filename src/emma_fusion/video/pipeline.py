"""The steps of a video at the same time: while one frame is fused the next is read."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """Go through items in a thread of its own, some ahead of who uses them.

    An exception there is raised here, in its place. When the user stops, so does the thread,
    after the item that it is at.

    Args:
        items: What to go through; used by that thread alone.
        depth: How many may wait.

    >>> list(ahead(x * x for x in range(4)))
    [0, 1, 4, 9]
    """
    waiting: queue.Queue[tuple[list[T], BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: list[T], error: BaseException | None = None) -> None:
        while not stopped.is_set():
            try:
                waiting.put((item, error), timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put([item])
                if stopped.is_set():
                    break
            put([])
        except BaseException as error:  # raised again where the items are used
            put([], error)
        finally:
            close = getattr(items, "close", None)
            if close is not None:  # a generator may have a thread of its own to end
                close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if not item:
                return
            yield item[0]
    finally:
        stopped.set()
        thread.join()
