"""Scoring in several processes, or in this one."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from emma_fusion.child import live_with_parent


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def workers(number: int) -> Iterator[Executor]:
    """Give an executor of so many processes; of one, it is this process.

    The processes do not come from a fork of this one: a fork would share PyTorch's threads in
    whatever state they are. When the block is left by an exception, what waits is not begun.
    """
    if number == 1:
        yield Here()
        return
    method = "spawn" if sys.platform == "win32" else "forkserver"
    context = multiprocessing.get_context(method)
    if method == "forkserver":  # imports PyTorch once and not in every process
        context.set_forkserver_preload(["emma_fusion.bench.scoring"])
    pool = ProcessPoolExecutor(number, mp_context=context, initializer=_begin)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown(wait=True)


class Here(Executor):
    """An executor that does everything at once, in this process."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call the function; its result or exception is in the future."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _begin() -> None:
    """One thread a process; Ctrl-C is for the main process, without which none of these lives."""
    import cv2
    import torch

    live_with_parent()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
