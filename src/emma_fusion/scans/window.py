"""Which values of a scan are shown as black and white."""

from __future__ import annotations

import numpy as np

from emma_fusion.errors import UserError
from emma_fusion.pair import parse_range
from emma_fusion.scans.volume import Volume


def find_window(volume: Volume, rule: str, label: str) -> tuple[str, float, float]:
    """Which values of a volume become black and white, the same for all its slices.

    Args:
        volume: the scan.
        rule: "auto" (the file's own window, else percentiles 0.1 to 99.9), "full" (the smallest
            and largest value), "LOW:HIGH" in the scan's unit, or "percentile:LOW:HIGH".
        label: what to call the volume in an error.

    Returns:
        The rule that applied ("window" for the file's own), and the two values.

    Raises:
        UserError: the rule is not understood, or every voxel has the same value.
    """
    kind, (low, high) = parse_range(rule)
    if kind == "fixed":
        return "fixed", low, high
    if kind == "auto" and volume.window is not None:
        return "window", *volume.window
    if kind != "full":
        shares = (low, high) if kind == "percentile" else (0.1, 99.9)
        low, high = (float(value) for value in np.percentile(volume.voxels, shares))
        if high > low:
            return f"percentile:{shares[0]:g}:{shares[1]:g}", low, high
    low, high = float(volume.voxels.min()), float(volume.voxels.max())
    if high == low:
        raise UserError(f"{label} is empty: all its voxels are {low:g}.")
    return "full", low, high


def parse_window(text: str) -> tuple[float, float]:
    """The values that a window "LEVEL:WIDTH" shows as black and white.

    Raises:
        UserError: it is not two numbers, or the width is not above 0.

    >>> parse_window("40:80")
    (0.0, 80.0)
    """
    try:
        level, width = (float(number) for number in text.split(":"))
    except ValueError:
        level, width = 0.0, 0.0
    if not (np.isfinite([level, width]).all() and width > 0):
        raise UserError(
            f"The window {text!r} is not understood; write LEVEL:WIDTH, such as 40:80, the width "
            "above 0."
        )
    return level - width / 2, level + width / 2
