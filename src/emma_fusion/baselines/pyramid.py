"""Fusion of Laplacian pyramids."""

import cv2
import numpy as np
from numpy.typing import NDArray

from emma_fusion.baselines.selection import stronger

LEVELS = 5


def laplacian_pyramid(
    infrared: NDArray[np.float64], visible: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Take the stronger band-pass coefficient at each scale, and the mean of what remains.

    Burt and Kolczynski, Enhanced image capture through fusion, ICCV 1993. The pyramid has
    at most five band-pass levels and stops before a side falls below two pixels.

    Args:
        infrared: (H, W) in [0, 1].
        visible: (H, W) in [0, 1].

    Returns:
        (H, W); may leave [0, 1] a little beside strong edges.
    """
    bands_a, rest_a = _decompose(infrared)
    bands_b, rest_b = _decompose(visible)
    fused = 0.5 * (rest_a + rest_b)
    for a, b in zip(reversed(bands_a), reversed(bands_b), strict=True):
        fused = _expand(fused, a.shape) + stronger(a, b)
    return fused


def _decompose(plane: NDArray[np.float64]) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    bands = []
    for _ in range(min(LEVELS, int(np.log2(min(plane.shape))))):
        smaller = np.asarray(cv2.pyrDown(plane), np.float64)
        bands.append(plane - _expand(smaller, plane.shape))
        plane = smaller
    return bands, plane


def _expand(plane: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.asarray(cv2.pyrUp(plane, dstsize=(shape[1], shape[0])), np.float64)
