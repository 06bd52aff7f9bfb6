"""Brightness that noise does not move and real change does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.pair import FloatArray, luminance, parse_range

_SECONDS = 1.0  # after which noise has mostly been averaged out
# Changes of a fused frame's mean and standard deviation, and of an infrared range as a share of
# its width, that are followed at once.
_BRIGHTNESS, _RANGE = 2 / 255, 0.1


class Held:
    """A few numbers over time, smoothed where they change little and followed where much.

    Each frame, every number s goes to the measured x by s + g (x - s) with the gain
    g = min(1, 1 - exp(-dt / 1 s) + ((x - s) / tolerance)²). So noise well below the tolerance is
    averaged over about a second, a change beyond it is there at once, and one in between within a
    few frames.
    """

    def __init__(self) -> None:
        self._state: npt.NDArray[np.float64] | None = None
        self._time = Fraction(0)

    def __call__(
        self, measured: Sequence[float], time: Fraction, tolerance: float
    ) -> npt.NDArray[np.float64]:
        """Take in what was measured and say what holds.

        Args:
            measured: As many numbers each time.
            time: In seconds, not before the last one.
            tolerance: In the unit of the numbers, above 0.
        """
        x = np.array(measured, np.float64)
        if self._state is None:
            self._state = x
        else:
            slow = 1 - math.exp(-float(time - self._time) / _SECONDS)
            gain = np.minimum(1, slow + ((x - self._state) / tolerance) ** 2)
            self._state = self._state + gain * (x - self._state)
        self._time = time
        return self._state


class SteadyRange:
    """An infrared range, found in each frame by percentiles, that does not jump about.

    Args:
        rule: As `Pair.from_arrays` takes it. "auto" is decided by the first frame and then kept:
            percentiles 0.1 to 99.9 of a uint16 frame that uses less than half its range.
    """

    def __init__(self, rule: str) -> None:
        self._rule, self._held = rule, Held()

    def __call__(self, picture: npt.NDArray[Any], time: Fraction) -> str:
        """The rule for this frame: "full", or the values "LOW:HIGH"."""
        kind, shares = parse_range(self._rule)
        if kind == "auto":
            shares, kind = (0.1, 99.9), "full"
            if picture.dtype == np.uint16:
                low, high = _percentiles(picture, shares)
                kind = "percentile" if 0 < high - low < 65535 / 2 else "full"
            self._rule = "full" if kind == "full" else "percentile:0.1:99.9"
        if kind != "percentile":
            return self._rule
        low, high = _percentiles(picture, shares)
        low, high = self._held((low, high), time, max(_RANGE * (high - low), 1e-9))
        return f"{float(low)!r}:{float(high)!r}" if high > low else "full"


class SteadyFuse:
    """A function that fuses pairs, with its flicker taken out.

    A network answers noise with small changes of the whole picture's brightness and contrast. Each
    fused luminance f gets the mean m and the standard deviation s that `Held` holds:
    (f - mean f) s / std f + m.

    Args:
        fuse: From a pair to its fused luminance; any method.
        stretch: Spread the luminance between held extremes, as contrast "stretch" does between
            each picture's own.
    """

    def __init__(self, fuse: Callable[[Any], FloatArray], stretch: bool = False) -> None:
        self._fuse, self._stretch = fuse, stretch
        self._brightness, self._extremes = Held(), Held()

    def __call__(self, pair: Any, time: Fraction) -> FloatArray:
        """Fuse the pair of this time.

        Returns:
            (H, W) float32 in [0, 1].
        """
        fused = self._fuse(pair)
        mean, spread = float(fused.mean(dtype=np.float64)), float(fused.std(dtype=np.float64))
        held_mean, held_spread = self._brightness((mean, spread), time, _BRIGHTNESS)
        gain = held_spread / spread if spread > 0 else 1.0
        steady = np.float32(gain) * fused + np.float32(held_mean - gain * mean)
        if self._stretch:
            ends = float(steady.min()), float(steady.max())
            low, high = self._extremes(ends, time, 10 * _BRIGHTNESS)
            if high > low:
                steady = (steady - np.float32(low)) / np.float32(high - low)
        clipped: FloatArray = np.clip(steady, 0, 1)
        return clipped


def _percentiles(picture: npt.NDArray[Any], shares: tuple[float, float]) -> tuple[float, float]:
    plane = luminance(picture[..., :3].astype(np.float32)) if picture.ndim == 3 else picture
    low, high = np.percentile(plane, shares)
    return float(low), float(high)
