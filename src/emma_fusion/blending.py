"""One image going over into another, without a seam and without a box of other brightness."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# Of the longer side: over how much brightness goes over, and what it is the mean of.
_WIDTH, _MEAN = 0.15, 0.05
# The longer side, in pixels, at which brightness is told from detail.
_COARSE = 128


def blend(outside: FloatArray, inside: FloatArray, cover: FloatArray) -> FloatArray:
    """An image inside of another, whose brightness goes over more slowly than its detail.

    Over a narrow edge a difference in brightness is seen as a box, over a wide one detail is seen
    twice; so each gets the width that suits it (Burt and Adelson, A multiresolution spline, ACM
    Transactions on Graphics 2(4), 1983), here with two bands. Detail goes over as `cover` does;
    the local mean of the difference, over 5% of the longer side, goes over in 15% of it.

    Args:
        outside: (H, W) in [0, 1].
        inside: (H, W) in [0, 1].
        cover: (H, W) in [0, 1], how much of the detail of `inside` is taken at each pixel.

    Returns:
        (H, W) in [0, 1]: `outside` where `cover` is 0, and `inside` where it is 1 and 15% of the
        longer side or more away from where it is 0.

    >>> sky = np.full((40, 100), 0.5, np.float32)
    >>> cover = np.float32(np.arange(100) > 50) * np.ones_like(sky)
    >>> blend(sky, sky + 0.25, cover)[20, [50, 55, 60, 65, 99]].round(2)
    array([0.5 , 0.54, 0.66, 0.75, 0.75], dtype=float32)
    """
    difference = inside - outside
    longer = max(cover.shape)
    factor = min(1.0, _COARSE / longer)
    height, width = (max(2, round(side * factor)) for side in cover.shape)
    covered = (cover > 0).astype(np.float32)
    share, sums = (
        cv2.GaussianBlur(
            cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA),
            (0, 0),
            _MEAN * longer * factor,
        )
        for plane in (covered, difference * covered)
    )
    mean = sums / np.maximum(share, 1e-3)
    spread = cv2.resize(mean, cover.shape[::-1], interpolation=cv2.INTER_LINEAR)
    kept = spread * (1 - rise(covered, _WIDTH * longer))
    blended: FloatArray = np.clip(outside + cover * (difference - kept), 0, 1)
    return blended


def rise(covered: FloatArray, width: float) -> FloatArray:
    """From 0 at the edge of what is covered to 1 at a distance, with slope 0 at both ends.

    It is t^2 (3 - 2 t) of t = distance / width. The frame of the image is no edge.

    Args:
        covered: (H, W), 1 inside and 0 elsewhere.
        width: the distance, in pixels.

    Returns:
        (H, W) float32 in [0, 1].

    >>> rise(np.float32([[0, 1, 1, 1, 1]]), 2)
    array([[0. , 0. , 0.5, 1. , 1. ]], dtype=float32)
    """
    away = cv2.distanceTransform((covered > 0).astype(np.uint8), cv2.DIST_L2, 5)
    # a pixel beside the edge is 1 from it, and still 0
    t = np.clip((away - 1) / np.float32(width), 0, 1)
    risen: FloatArray = t * t * (3 - 2 * t)
    return risen
