"""What a run tells while it goes on: progress, a CSV file, TensorBoard.

The CSV files are written by hand: Fabric's `CSVLogger` begins by deleting the file that is there,
so a resumed run would lose its first part, and it has one file for all stages.
"""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column


class Journal:
    """Writes a run's log; does nothing in any process but the first.

    Args:
        folder: The run's folder.
        active: Whether this process writes.
    """

    def __init__(self, folder: Path, active: bool) -> None:
        self.folder = folder
        self.active = active
        self.console = Console(stderr=True, quiet=not active)
        self.progress = Progress(
            TextColumn("{task.description}", table_column=Column(min_width=8, no_wrap=True)),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[terms]}"),
            console=self.console,
            refresh_per_second=2,
        )
        self._task: TaskID | None = None
        self._board: Any = None

    def __enter__(self) -> Journal:
        if self.active:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.folder / "tensorboard"))
            self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.active:
            self.progress.stop()
            self._board.close()

    def say(self, text: str) -> None:
        """Prints a line to stderr."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def begin(self, stage: str, total: int, done: int = 0) -> None:
        """Starts the progress bar of a stage, and forgets rows that a resumed run does again."""
        if self._task is not None:
            self.progress.stop_task(self._task)
        self._task = self.progress.add_task(stage, total=total, completed=done, terms="")
        for path in (self.folder / f"{stage}.csv", self.folder / f"{stage}-validation.csv"):
            if self.active and path.is_file():
                _forget_after(done, path)

    def resize(self, total: int) -> None:
        """Sets how long the progress bar is."""
        if self._task is not None:
            self.progress.update(self._task, total=total)

    def advance(self, done: int, terms: str = "") -> None:
        """Moves the progress bar."""
        if self._task is not None:
            self.progress.update(self._task, completed=done, terms=terms)

    def write(self, stage: str, step: int, values: dict[str, float]) -> None:
        """Adds a row to the stage's CSV file, and to TensorBoard."""
        if not self.active:
            return
        path = self.folder / f"{stage}.csv"
        new = not path.is_file() or path.stat().st_size == 0
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", *values])
            writer.writerow([step, *(f"{value:.6g}" for value in values.values())])
        for name, value in values.items():
            self._board.add_scalar(f"{stage}/{name}", value, step)

    def show(self, stage: str, step: int, image: npt.NDArray[np.uint8]) -> None:
        """Adds a preview image ``(H, W)`` to TensorBoard."""
        if self.active:
            self._board.add_image(f"{stage}/preview", image, step, dataformats="HW")


def _forget_after(step: int, path: Path) -> None:
    """Leaves the rows of a CSV file up to a step; 0 leaves none, nor the header."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    kept = rows[:1] + [row for row in rows[1:] if row[0].isdigit() and int(row[0]) <= step]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(kept if step else [])
