"""Tables of measured values: one row an image, kept so that a run goes on where it stopped."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, field
from pathlib import Path

from emma_fusion.errors import UserError

#: What a row of scores.csv is about. The other columns are metrics.
KEYS = ("dataset", "method", "image", "protocol", "convention")
#: Hash of the files and of the formulas behind the values.
STAMP = "stamp"


@dataclass
class Row:
    """The values of one image, and the stamp of what they were computed from."""

    stamp: str
    values: dict[str, float] = field(default_factory=dict)


class Store:
    """The rows of a scores.csv, or of another table of this form.

    Args:
        path: The file; it need not exist.
        keys: The columns that a row is found by.

    Raises:
        UserError: The file is there and is no such table.
    """

    def __init__(self, path: Path, keys: tuple[str, ...] = KEYS) -> None:
        self.path = path
        self.keys = keys
        self.rows: dict[tuple[str, ...], Row] = {}
        if path.exists():
            self._read()

    def find(self, key: tuple[str, ...], stamp: str, metrics: tuple[str, ...]) -> Row | None:
        """The row of an image, if it was computed from the same and has the metrics."""
        row = self.rows.get(key)
        fresh = row is not None and row.stamp == stamp
        return row if row is not None and fresh and set(metrics) <= row.values.keys() else None

    def put(self, key: tuple[str, ...], row: Row) -> None:
        """Keep a row, with the metrics that an earlier one of the same stamp has besides."""
        before = self.rows.get(key)
        if before is not None and before.stamp == row.stamp:
            row.values = before.values | row.values
        self.rows[key] = row

    def save(self) -> None:
        """Write the file whole, beside it first, so that a stopped run leaves a whole one."""
        metrics = list(dict.fromkeys(name for row in self.rows.values() for name in row.values))
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*self.keys, STAMP, *metrics])
            for key, row in sorted(self.rows.items()):
                values = [repr(row.values[name]) if name in row.values else "" for name in metrics]
                writer.writerow([*key, row.stamp, *values])
        os.replace(temporary, self.path)

    def _read(self) -> None:
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if tuple(reader.fieldnames or ())[: len(self.keys) + 1] != (*self.keys, STAMP):
                    raise ValueError("its columns are others")
                for record in reader:
                    key = tuple(record.pop(name) for name in self.keys)
                    stamp = record.pop(STAMP)
                    if stamp is None:
                        raise ValueError(f"line {reader.line_num} is cut short")
                    self.rows[key] = Row(stamp, {k: float(v) for k, v in record.items() if v})
        except (ValueError, TypeError, AttributeError, csv.Error) as error:
            raise UserError(
                f"{self.path} is not a table that this command wrote ({error}): move it "
                "away, or choose another output folder."
            ) from error
