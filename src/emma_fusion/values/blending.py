"""One image going over into another, without a seam and without a box of other brightness."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.values.arrays import FloatArray

# Of the longer side: over how much brightness goes over, and what it is the mean of.
_WIDTH, _MEAN = 0.15, 0.05
# The longer side, in pixels, at which brightness is told from detail.
_COARSE = 128


class Cover(npt.NDArray[np.float32]):
    """How much of an image is taken at each pixel, (H, W) in [0, 1]; it cannot be written to.

    An array like any other, which keeps the ramps that `blend` needs of it. What is computed from
    it is none: it has its own values.

    >>> cover = Cover.of(np.ones((2, 3), np.float32))
    >>> cover.shape, cover.flags.writeable
    ((2, 3), False)
    """

    _ramps: _Ramps | None

    @classmethod
    def of(cls, share: FloatArray) -> Cover:
        """Make one of an array, which is not copied and must not be written to any more."""
        cover = share.view(cls)
        cover.flags.writeable = False
        return cover

    def __array_finalize__(self, source: object) -> None:
        """A view or result begins without ramps."""
        self._ramps = None

    @property
    def ramps(self) -> _Ramps:
        """What `blend` needs, computed at the first use."""
        if self._ramps is None:
            self._ramps = _Ramps(self.view(np.ndarray))
        return self._ramps


def blend(outside: FloatArray, inside: FloatArray, cover: FloatArray) -> FloatArray:
    """An image inside of another, whose brightness goes over more slowly than its detail.

    Over a narrow edge a difference in brightness is seen as a box, over a wide one detail is seen
    twice; so each gets the width that suits it (Burt and Adelson, A multiresolution spline, ACM
    Transactions on Graphics 2(4), 1983), here with two bands. Detail goes over as `cover` does;
    the local mean of the difference, over 5% of the longer side, goes over in 15% of it.

    Args:
        outside: (H, W) in [0, 1].
        inside: (H, W) in [0, 1].
        cover: (H, W) in [0, 1], how much of the detail of `inside` is taken at each pixel. Of a
            `Cover`, what follows from it alone is computed once, for all frames of a video.

    Returns:
        (H, W) in [0, 1]: `outside` where `cover` is 0, and `inside` where it is 1 and 15% of the
        longer side or more away from where it is 0.

    >>> sky = np.full((40, 100), 0.5, np.float32)
    >>> cover = np.float32(np.arange(100) > 50) * np.ones_like(sky)
    >>> blend(sky, sky + 0.25, cover)[20, [50, 55, 60, 65, 99]].round(2)
    array([0.5 , 0.54, 0.66, 0.75, 0.75], dtype=float32)
    """
    ramps = cover.ramps if isinstance(cover, Cover) else _Ramps(cover)
    return ramps.blend(outside, inside)


class _Ramps:
    """What blending needs of a cover, and of that alone."""

    def __init__(self, cover: FloatArray) -> None:
        longer = max(cover.shape)
        factor = min(1.0, _COARSE / longer)
        height, width = (max(2, round(side * factor)) for side in cover.shape)
        self._small, self._sigma = (width, height), _MEAN * longer * factor
        self._cover, self._covered = cover, (cover > 0).astype(np.float32)
        self._share = np.maximum(self._local_mean(self._covered), np.float32(1e-3))
        self._kept = 1 - rise(self._covered, _WIDTH * longer)

    def blend(self, outside: FloatArray, inside: FloatArray) -> FloatArray:
        """See the function `blend`."""
        difference = inside - outside
        mean = self._local_mean(difference * self._covered) / self._share
        kept = cv2.resize(mean, self._cover.shape[::-1], interpolation=cv2.INTER_LINEAR)
        difference -= kept * self._kept
        difference *= self._cover
        difference += outside
        blended: FloatArray = np.clip(difference, 0, 1, out=difference)
        return blended

    def _local_mean(self, plane: FloatArray) -> FloatArray:
        small = cv2.resize(plane, self._small, interpolation=cv2.INTER_AREA)
        mean: FloatArray = cv2.GaussianBlur(small, (0, 0), self._sigma).astype(
            np.float32, copy=False
        )
        return mean


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
