"""What a verb shows while it works: lines on stderr, a bar with an estimate, Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TextIO, cast

from emma_fusion.jobs.messages import Messages, Show


class Terminal(Messages):
    """Says on stderr what a job has to say."""

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, file=sys.stderr)

    def bar(self, title: str, unit: str = "") -> AbstractContextManager[Show]:
        """Show a bar; see `bar`."""
        return bar(title, unit)

    @contextmanager
    def interrupts(self) -> Iterator[threading.Event]:
        """In this block, Ctrl-C sets the event; a second Ctrl-C is as it always is."""
        stopped = threading.Event()
        if threading.current_thread() is not threading.main_thread():
            yield stopped
            return
        before = signal.getsignal(signal.SIGINT)

        def stop(number: int, frame: Any) -> None:
            stopped.set()
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, stop)
        try:
            yield stopped
        finally:
            signal.signal(signal.SIGINT, before)


@contextmanager
def bar(title: str, unit: str = "") -> Iterator[Show]:
    """Show a bar on stderr for the length of a block, where stderr is a terminal.

    It is drawn when it is told of progress, on a descriptor of its own: what is written to stderr
    while another thread decodes an image is collected by `images.raster`.

    Args:
        title: Stands before the bar, such as "Scoring".
        unit: Of what is counted, to show how many of them are done in a second.

    Yields:
        A function to call with how many are done, and of how many.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    with (
        _own(cast(TextIO, console.file)) as file,
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[speed]}"),
            console=Console(file=file),
            auto_refresh=False,
            disable=not console.is_terminal,
        ) as progress,
    ):
        task = progress.add_task(title, total=None, speed="")
        begin = time.monotonic()

        def show(done: int, total: int) -> None:
            speed = f"{done / max(time.monotonic() - begin, 1e-9):.1f} {unit}/s" if unit else ""
            progress.update(task, completed=done, total=total, speed=speed, refresh=True)

        yield show


@contextmanager
def _own(stream: TextIO) -> Iterator[TextIO]:
    """The stream with a descriptor of its own, where it has one at all."""
    try:
        number = os.dup(stream.fileno())
    except (AttributeError, OSError):  # such as a notebook's
        yield stream
        return
    with open(number, "w", encoding=stream.encoding, buffering=1) as file:
        yield file
