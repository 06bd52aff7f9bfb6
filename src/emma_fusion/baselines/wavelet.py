"""Fusion of stationary (shift-invariant) wavelet transforms."""

import numpy as np
import pywt
from numpy.typing import NDArray

from emma_fusion.baselines.selection import stronger

WAVELET = "sym4"
LEVELS = 4


def stationary_wavelet(
    infrared: NDArray[np.float64], visible: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Take the stronger wavelet coefficient at each scale and direction, and the mean of the rest.

    The undecimated transform (Rockinger 1997) is used since the decimated one leaves
    blocks and ringing where the choice changes from one source to the other.

    Args:
        infrared: (H, W) in [0, 1].
        visible: (H, W) in [0, 1].

    Returns:
        (H, W); may leave [0, 1] a little beside strong edges.
    """
    height, width = infrared.shape
    # PyWavelets' transform is periodic: mirrored margins keep one border from
    # reaching the opposite one, and bring each side to a multiple of 2 ** LEVELS.
    step = 2**LEVELS
    margins = [(step, step + -side % step) for side in (height, width)]
    rest_a, *bands_a = _transform(np.pad(infrared, margins, "symmetric"))
    rest_b, *bands_b = _transform(np.pad(visible, margins, "symmetric"))
    bands = [
        tuple(stronger(a, b) for a, b in zip(level_a, level_b, strict=True))
        for level_a, level_b in zip(bands_a, bands_b, strict=True)
    ]
    fused: NDArray[np.float64] = pywt.iswt2([0.5 * (rest_a + rest_b), *bands], WAVELET, norm=True)
    return fused[step : step + height, step : step + width]


def _transform(plane: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    coefficients: list[NDArray[np.float64]] = pywt.swt2(
        plane, WAVELET, LEVELS, trim_approx=True, norm=True
    )
    return coefficients
