"""The bar with an estimate that verbs of many images show."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, cast

Show = Callable[[int, int], None]


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
