"""Folders of fused images that two programs, or two versions of one, wrote into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from emma_fusion.images.record import read_record


def mixed_makers(images: Iterable[Path]) -> str:
    """Say that fused images were not made together, where their records say so.

    Returns:
        A sentence, or nothing where all have one maker or none has a record.
    """
    makers: Counter[str] = Counter()
    for path in images:
        try:
            record = read_record(path) or {}
        except (OSError, ValueError):
            record = {}
        keys = ("software", "model", "method", "protocol", "contrast")
        makers[" ".join(str(record[key]) for key in keys if key in record) or "no record"] += 1
    if len(makers) < 2:
        return ""
    kinds = ", ".join(f"{count} by {maker}" for maker, count in makers.items())
    return f"the fused images say that they were not made together: {kinds}. Some may be stale."
