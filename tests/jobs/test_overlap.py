import gc
import threading
import weakref

import pytest

from emma_fusion.jobs.overlap import WAITING, overlapped

ALIVE = weakref.WeakSet()


class Item:
    """What is read; it knows how many of its kind there are."""

    def __init__(self, job):
        self.job = job
        ALIVE.add(self)


def test_every_job_is_done_in_order():
    done = []
    outcomes = overlapped(range(20), str, lambda job, item: item * 2, lambda *job: done.append(job))
    assert list(outcomes) == [(job, None) for job in range(20)]
    assert done == [(job, str(job) * 2) for job in range(20)]


def test_no_jobs():
    assert list(overlapped([], str, max, print)) == []


def test_reading_and_writing_go_on_during_the_work():
    """The work on a job ends only after the next was read and the one before written."""
    read, written = ([threading.Event() for _ in range(5)] for _ in range(2))

    def work(job, item):
        assert job == 4 or read[job + 1].wait(10)
        assert job == 0 or written[job - 1].wait(10)

    outcomes = overlapped(
        range(5), lambda job: read[job].set(), work, lambda job, _: written[job].set()
    )
    assert [error for _, error in outcomes] == [None] * 5


@pytest.mark.parametrize("step", ["read", "work", "write"])
def test_a_failure_costs_no_other_job(step):
    done = []

    def fails(name):
        def function(job, *_):
            if name == step and job == 2:
                raise ValueError(name)
            if name == "write":
                done.append(job)
            return job

        return function

    outcomes = dict(overlapped(range(6), fails("read"), fails("work"), fails("write")))
    assert [job for job, error in outcomes.items() if error] == [2]
    assert str(outcomes[2]) == step
    assert done == [0, 1, 3, 4, 5]
    assert list(outcomes) == list(range(6))


def test_a_slow_writer_does_not_let_results_pile_up():
    most = 0
    may_write = threading.Semaphore(0)

    def work(job, item):
        nonlocal most
        most = max(most, len(ALIVE))
        may_write.release()
        return item

    outcomes = overlapped(range(300), Item, work, lambda job, item: may_write.acquire())
    assert sum(error is None for _, error in outcomes) == 300
    assert most <= WAITING + 4  # waiting, written, worked on, read, and read by the thread
    gc.collect()
    assert len(ALIVE) == 0


def test_nothing_is_read_before_a_heavy_item_is_written():
    log = []

    def read(job):
        log.append(("read", job))
        return job

    def write(job, _):
        log.append(("write", job))

    list(overlapped(range(4), read, lambda job, item: item, write, lambda item: item == 1))
    assert log.index(("write", 1)) < log.index(("read", 2))


def test_an_interruption_begins_nothing_and_finishes_what_was_worked_on():
    begun, written = [], []

    def work(job, item):
        if job == 3:
            raise KeyboardInterrupt
        return item

    with pytest.raises(KeyboardInterrupt):
        list(overlapped(range(100), begun.append, work, lambda job, _: written.append(job)))
    assert begun == [0, 1, 2, 3, 4]
    assert written == [0, 1, 2]


def test_a_caller_that_stops_early():
    begun = []
    for job, _ in overlapped(range(100), begun.append, lambda job, _: job, lambda *_: None):
        if job == 1:
            break
    assert len(begun) <= 1 + WAITING + 3
