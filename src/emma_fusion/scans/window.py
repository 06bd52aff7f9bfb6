"""Which values of a scan are shown as black and white."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emma_fusion.errors import UserError
from emma_fusion.scans.volume import Volume
from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.ranges import parse_range

# A window shows a scan where at least this share of its values lies inside it ...
_INSIDE = 0.002
# ... and where the values fill at least this share of it.
_FILLED = 0.1


def find_window(volume: Volume, rule: str, label: str) -> tuple[str, float, float]:
    """Which values of a volume become black and white, the same for all its slices.

    What is unknown (padding, values that are not finite) counts in no rule. Of an inverted volume
    the lower value becomes white; see `apply_window`.

    Args:
        volume: the scan.
        rule: "auto" (the file's own window, else percentiles 0.1 to 99.9), "full" (the smallest
            and largest value), "LOW:HIGH" in the scan's unit, or "percentile:LOW:HIGH".
        label: what to call the volume in an error.

    Returns:
        The rule that applied ("window" for the file's own), and the two values.

    Raises:
        UserError: the rule is not understood or not for scans, or every voxel has the same value.
    """
    kind, (low, high) = parse_range(rule)
    if kind == "bits":
        raise UserError(
            f"{label} is a scan, and {rule!r} is for images of 16 bit: give the values that become "
            "black and white, as LOW:HIGH in the scan's unit."
        )
    if kind == "fixed":
        return "fixed", low, high
    if kind == "auto" and volume.window is not None:
        return "window", *volume.window
    values = volume.values
    if kind != "full":
        shares = (low, high) if kind == "percentile" else (0.1, 99.9)
        low, high = (float(value) for value in np.percentile(values, shares))
        if high > low:
            return f"percentile:{shares[0]:g}:{shares[1]:g}", low, high
    low, high = float(values.min()), float(values.max())
    if high == low:
        raise UserError(f"{label} is empty: all its voxels are {low:g}.")
    return "full", low, high


def apply_window(volume: Volume, voxels: FloatArray, low: float, high: float) -> FloatArray:
    """Values of a volume as they are shown: low black and high white, or the other way round.

    Args:
        volume: the scan, which says whether it is inverted.
        voxels: its voxels, on whichever grid.
        low: see `find_window`.
        high: the same.

    Returns:
        float32 in [0, 1] of the shape of `voxels`.
    """
    black, white = (high, low) if volume.inverted else (low, high)
    shown = (voxels - np.float32(black)) / np.float32(white - black)
    clipped: FloatArray = np.clip(shown, 0, 1).astype(np.float32)
    return clipped


def drop_stale_window(volume: Volume, label: str) -> Volume:
    """The volume without the window of its file where that would show next to nothing.

    Programs change a scan's values and leave the window of the old ones in the header; what it
    shows then is all black, all white, or a few levels of grey. A window is believed where the
    values fill a tenth of it, and where it holds all of them or at least 0.2%.

    Args:
        volume: the scan.
        label: what to call it in the note.
    """
    if volume.window is None:
        return volume
    (low, high), values = volume.window, volume.values
    lowest, highest = float(values.min()), float(values.max())
    if lowest == highest:  # find_window says what is wrong with it
        return volume
    filled = (min(high, highest) - max(low, lowest)) / (high - low)
    whole = low <= lowest and highest <= high
    inside = 1.0 if whole else float(np.mean((values > low) & (values < high)))
    if filled >= _FILLED and inside >= _INSIDE:
        return volume
    note = (
        f"The window that {label} asks for, {low:g} to {high:g}, misses its values, which run "
        f"from {lowest:g} to {highest:g}: it is not used."
    )
    return replace(volume, window=None, notes=(*volume.notes, note))


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
