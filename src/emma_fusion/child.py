"""Processes that must not outlive the one that began them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading


def live_with_parent() -> None:
    """Ends this process when the one that began it has ended, and leaves Ctrl-C to that one.

    A main process that was killed cannot end its children: they would wait, or work, for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
