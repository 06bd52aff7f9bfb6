"""The contrast of a fused image: spread over the values that are unused, or as it is."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from emma_fusion.values.arrays import FloatArray

Contrast = Literal["auto", "none", "stretch"]
GENTLE = 1.5
"""The largest gain of contrast "auto": more would bring out the noise of dark or foggy images."""
BULK = (0.5, 99.8)
"""The percentiles that contrast "auto" spreads: a few lamps would hold back all the rest."""
TAILS = 0.04
"""How much of the range contrast "auto" keeps for what is darker or brighter than that."""
SAMPLE = 1_000_000
"""Of how many pixels, evenly taken, these percentiles are at most: large images stay fast."""


def tone_curve(
    plane: FloatArray, valid: npt.NDArray[np.bool_] | None, contrast: Contrast
) -> tuple[list[float], list[float]] | None:
    """Where the values of a plane go: a rising line of straight pieces.

    "stretch" leads the minimum to 0 and the maximum to 1. "auto" spreads what lies between the
    percentiles of `BULK` over all but `TAILS` of the range, by a gain of at most `GENTLE`; what is
    left free below and above keeps its ratio, and the few darker and brighter values share it, by
    the same gain where there is room. So nothing is clipped.

    Args:
        plane: (H, W) in [0, 1].
        valid: (H, W), which pixels have a say; None for all.
        contrast: "auto", "stretch" or "none".

    Returns:
        The values at the ends of the pieces before and after; None where all stay as they are.

    >>> tone_curve(np.float32([[0.25, 0.5, 0.75]]), None, "stretch")
    ([0.25, 0.75], [0.0, 1.0])
    """
    values = plane if valid is None else plane[valid]
    if contrast == "none" or values.size == 0:
        return None
    darkest, brightest = float(values.min()), float(values.max())
    if contrast == "stretch":
        return None if darkest == brightest else ([darkest, brightest], [0.0, 1.0])
    every = math.ceil(values.size / SAMPLE)
    while math.gcd(every, plane.shape[-1]) > 1:  # else it would meet the same columns again
        every += 1
    low, high = np.percentile(values.ravel()[::every], BULK).tolist()
    gain = min((1 - TAILS) / (high - low), GENTLE) if high > low else 1.0
    if gain <= 1:
        return None
    free = 1 - gain * (high - low)
    bottom = free * low / (low + 1 - high)
    top = bottom + gain * (high - low)
    below = max(0.0, bottom - gain * (low - darkest))
    above = min(1.0, top + gain * (brightest - high))
    return [darkest, low, high, brightest], [below, bottom, top, above]


def spread(
    plane: FloatArray, valid: npt.NDArray[np.bool_] | None = None, contrast: Contrast = "auto"
) -> FloatArray:
    """A plane whose values lie otherwise in [0, 1], by its `tone_curve`.

    Args:
        plane: (H, W) in [0, 1].
        valid: (H, W), which pixels have a say; None for all.
        contrast: "auto", "stretch" or "none".
    """
    curve = tone_curve(plane, valid, contrast)
    return plane if curve is None else np.interp(plane, *curve).astype(np.float32)


def stretch(plane: FloatArray, valid: npt.NDArray[np.bool_] | None = None) -> FloatArray:
    """Stretch a plane's minimum to 0 and its maximum to 1; a constant plane stays as it is.

    Args:
        plane: (H, W) in [0, 1].
        valid: (H, W), which pixels have a say; None for all.

    >>> stretch(np.float32([[0.25, 0.5, 0.75]]))
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    return spread(plane, valid, "stretch")
