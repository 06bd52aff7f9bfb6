"""The additive formula: a sum of both sources that the common metrics reward.

A formula of this project, without any network. It scores as high on EN, SD, SF, AG, SCD and VIF as
learned methods do, and people like it less: it darkens skies and amplifies noise. It stands in
tables as a yardstick for the metrics, and taught the first weights.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from emma_fusion.values.arrays import FloatArray

KEPT_BRIGHTNESS = 0.15
"""What remains of a sum's brightness above the centre."""
PLAIN_SUM = 0.2
"""The share of the plain sum in the bands of detail."""


class Additive(BaseModel):
    """Settings of the formula: the sum of both sources, as bright as an image can be.

    See `add`.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    contrast: float = Field(1.1, gt=0, description="largest factor on the sum")
    spread: float = Field(0.28, gt=0, description="standard deviation that the factor aims at")
    centre: float = Field(0.4, ge=0, le=1, description="mean above which an image is darkened")
    gains: list[float] = Field([1.3, 1.3, 1.1], description="of the detail, finest first")
    noise: float = Field(2.0, ge=0, description="RMS in 1/255 below which detail gets no gain")


DEFAULTS = Additive()


def add(infrared: FloatArray, visible: FloatArray, how: Additive = DEFAULTS) -> FloatArray:
    """The sum of both sources as far as it fits into an image.

    Below the finest bands of a Laplacian pyramid the fused image is k (i + v), k at most
    ``how.contrast`` and so that the standard deviation of k (i + v) is at most ``how.spread``; a
    sum brighter than ``how.centre`` on average is darkened as a whole. In the bands themselves
    the source with more local energy counts more, by the energies to the power of 3/2, and a
    fifth of the plain sum is mixed in. What leaves the range is compressed, not clipped.

    The sum is what both sources can be read back from: it leads by the sum of the correlations
    of differences (SCD), and sensing has the least to invent.

    Args:
        infrared: ``(H, W)`` in [0, 1].
        visible: The same.
        how: The settings.

    Returns:
        ``(H, W)`` float32 in [0, 1].
    """
    levels = len(how.gains)
    infrared_details, infrared_coarse = _bands(infrared, levels)
    visible_details, visible_coarse = _bands(visible, levels)
    spread = float((infrared + visible).std())
    factor = how.contrast if spread == 0 else min(how.contrast, how.spread / spread)
    total = infrared_coarse + visible_coarse
    middle = float(total.mean())
    bright = max(0.0, factor * middle - how.centre)
    result: FloatArray = np.asarray(factor * total - (1 - KEPT_BRIGHTNESS) * bright, np.float32)
    for level in reversed(range(levels)):
        i, v = infrared_details[level], visible_details[level]
        energy_i, energy_v = _energy(i), _energy(v)
        share = energy_i**1.5 / (energy_i**1.5 + energy_v**1.5 + 1e-15)
        chosen = (1 - PLAIN_SUM) * (share * i + (1 - share) * v) + PLAIN_SUM * (i + v)
        # Detail as weak as noise keeps its strength: a gain would only make the noise seen.
        energy = np.maximum(energy_i, energy_v)
        above_noise = energy / (energy + (how.noise / 255) ** 2 + 1e-12)
        gain = (1 + (how.gains[level] - 1) * above_noise) * min(1.0, factor) ** 0.5
        result = np.asarray(_larger(result, i.shape) + gain * chosen, np.float32)
    return _compress(result)


def _bands(plane: FloatArray, levels: int) -> tuple[list[FloatArray], FloatArray]:
    """The Laplacian pyramid of a plane: its detail, finest first, and what remains."""
    details = []
    for _ in range(levels):
        smaller: FloatArray = np.asarray(cv2.pyrDown(plane), np.float32)
        details.append(plane - _larger(smaller, plane.shape))
        plane = smaller
    return details, plane


def _energy(band: FloatArray) -> FloatArray:
    """The local energy of a band of detail."""
    return np.asarray(cv2.GaussianBlur(band**2, (0, 0), 1.5), np.float32)


def _larger(plane: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    return np.asarray(cv2.pyrUp(plane, dstsize=(shape[1], shape[0])), np.float32)


def _compress(x: FloatArray, low: float = 0.02, high: float = 0.15) -> FloatArray:
    """Bends values within ``low`` of 0 and ``high`` of 1, or beyond, so that none is clipped."""
    dark = low - low * np.tanh((low - x) / low)
    light = 1 - high + high * np.tanh((x - 1 + high) / high)
    return np.where(x < low, dark, np.where(x > 1 - high, light, x)).astype(np.float32)


def additive(
    infrared: npt.NDArray[np.float64], visible: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """`add` at its defaults, as a baseline: ``(H, W)`` in [0, 1] twice → the same shape."""
    return add(infrared.astype(np.float32), visible.astype(np.float32)).astype(np.float64)
