"""The bar with an estimate that verbs of many pictures show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[int, int], None]


@contextmanager
def bar(title: str) -> Iterator[Show]:
    """Show a bar on stderr for the length of a block, where stderr is a terminal.

    It is drawn when it is told of progress and not by a thread of its own, whose output would meet
    what `media.rasters` collects from the decoders.

    Args:
        title: Stands before the bar, such as "Scoring".

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
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        auto_refresh=False,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(title, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, refresh=True)

        yield show
