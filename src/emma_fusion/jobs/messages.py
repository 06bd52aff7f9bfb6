"""What a job says while it runs, and what it gives when it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

Show = Callable[[int, int], None]


class Messages:
    """Takes what a job has to say, and here keeps it to itself; the command line prints it."""

    def say(self, line: str) -> None:
        """Tell the user a line."""

    def bar(self, title: str, unit: str = "") -> AbstractContextManager[Show]:
        """Show progress for the length of a block.

        Args:
            title: What is done, such as "Fusing".
            unit: What is counted, where its speed is of interest.

        Returns:
            A context with a function to call with how many are done, and of how many.
        """
        return nullcontext(lambda done, total: None)

    def interrupts(self) -> AbstractContextManager[threading.Event]:
        """A context with an event that is set where the user wants a video to end."""
        return nullcontext(threading.Event())


@dataclass(frozen=True)
class Outcome:
    """What became of a request that could be begun.

    Attributes:
        failures: A sentence for each pair that could not be fused.
        interrupted: Whether the user ended it before its time.
    """

    failures: tuple[str, ...] = ()
    interrupted: bool = False
