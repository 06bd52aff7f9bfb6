"""Brightness that noise does not move and real change does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.pair import Pair
from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.colour import luminance
from emma_fusion.values.ranges import parse_range
from emma_fusion.video.cuts import CutDetector

_SECONDS = 1.0  # after which noise has mostly been averaged out
# Changes of a source's mean or standard deviation, and of an infrared range as a share of its
# width, that are followed at once.
_SOURCE, _RANGE = 2 / 255, 0.1


class Held:
    """A few numbers over time, smoothed where their causes change little and followed where much.

    Each frame, the numbers s go to the measured x by s + g (x - s), and the causes' c likewise to
    the measured y, with the gain g = min(1, 1 - exp(-dt / 1 s) + (max |y - c| / tolerance)²). So
    noise is averaged over about a second, a change beyond the tolerance is there at once, and one
    in between within a few frames.
    """

    def __init__(self) -> None:
        self._numbers: npt.NDArray[np.float64] | None = None
        self._causes = np.empty(0)
        self._time = Fraction(0)

    def __call__(
        self,
        measured: Sequence[float],
        time: Fraction,
        tolerance: float,
        causes: Sequence[float] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Take in what was measured and say what holds.

        Args:
            measured: As many numbers each time.
            time: In seconds, not before the last one.
            tolerance: In the unit of the causes, above 0.
            causes: Numbers without which nothing has changed; the measured ones themselves where
                None.
        """
        x = np.array(measured, np.float64)
        y = x if causes is None else np.array(causes, np.float64)
        if self._numbers is None:
            self._numbers, self._causes = x, y
        else:
            slow = 1 - math.exp(-float(time - self._time) / _SECONDS)
            change = float(np.abs(y - self._causes).max()) / tolerance
            gain = min(1.0, slow + change**2)
            self._numbers = self._numbers + gain * (x - self._numbers)
            self._causes = self._causes + gain * (y - self._causes)
        self._time = time
        return self._numbers


class SteadyRange:
    """An infrared range, found in each frame by percentiles, that does not jump about.

    Args:
        rule: As `Pair.from_arrays` takes it. "auto" is decided by the first frame and then kept:
            percentiles 0.1 to 99.9 of a uint16 frame that uses less than half its range.
    """

    def __init__(self, rule: str) -> None:
        self._rule, self._held = rule, Held()

    def __call__(self, image: npt.NDArray[Any], time: Fraction) -> str:
        """The rule for this frame: "full", or the values "LOW:HIGH"."""
        kind, shares = parse_range(self._rule)
        if kind == "auto":
            shares, kind = (0.1, 99.9), "full"
            if image.dtype == np.uint16:
                low, high = _percentiles(image, shares)
                kind = "percentile" if 0 < high - low < 65535 / 2 else "full"
            self._rule = "full" if kind == "full" else "percentile:0.1:99.9"
        if kind != "percentile":
            return self._rule
        low, high = _percentiles(image, shares)
        low, high = self._held((low, high), time, max(_RANGE * (high - low), 1e-9))
        return f"{float(low)!r}:{float(high)!r}" if high > low else "full"


class SteadyFuse:
    """A function that fuses pairs, with its flicker taken out.

    A network answers noise with small changes of the whole image's brightness and contrast. Each
    fused luminance f gets the mean m and the standard deviation s that `Held` holds as long as the
    two sources' means and standard deviations do not change: (f - mean f) s / std f + m. At a cut
    nothing is held over.

    Attributes:
        cuts: The times at which there was a cut.

    Args:
        fuse: From a pair to its fused luminance; any method.
        stretch: Spread the luminance between held extremes, as contrast "stretch" does between
            each image's own.
    """

    def __init__(self, fuse: Callable[[Pair], FloatArray], stretch: bool = False) -> None:
        self._fuse, self._stretch = fuse, stretch
        self._is_cut = CutDetector()
        self._brightness, self._extremes = Held(), Held()
        self.cuts: list[Fraction] = []

    def __call__(self, pair: Pair, time: Fraction) -> FloatArray:
        """Fuse the pair of this time.

        Returns:
            (H, W) float32 in [0, 1].
        """
        fused = self._fuse(pair)
        if self._is_cut(pair.infrared, pair.visible):
            self.cuts.append(time)
            self._brightness, self._extremes = Held(), Held()
        sources = [*_mean_and_spread(pair.infrared), *_mean_and_spread(pair.visible)]
        mean, spread = _mean_and_spread(fused)
        held_mean, held_spread = self._brightness((mean, spread), time, _SOURCE, sources)
        gain = held_spread / spread if spread > 0 else 1.0
        steady = np.float32(gain) * fused + np.float32(held_mean - gain * mean)
        if self._stretch:
            ends = float(steady.min()), float(steady.max())
            low, high = self._extremes(ends, time, _SOURCE, sources)
            if high > low:
                steady = (steady - np.float32(low)) / np.float32(high - low)
        clipped: FloatArray = np.clip(steady, 0, 1)
        return clipped


def _mean_and_spread(plane: FloatArray) -> tuple[float, float]:
    return float(plane.mean(dtype=np.float64)), float(plane.std(dtype=np.float64))


def _percentiles(image: npt.NDArray[Any], shares: tuple[float, float]) -> tuple[float, float]:
    plane = luminance(image[..., :3].astype(np.float32)) if image.ndim == 3 else image
    low, high = np.percentile(plane, shares)
    return float(low), float(high)
