"""The infrared image on the visible image's grid, and how it fades out at its own edge."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.align.geometry import Matrix, Size
from emma_fusion.blending import Cover, rise
from emma_fusion.pair import FloatArray

_FEATHER = 0.04  # of the grid's longer side


def warp(
    image: npt.NDArray[Any], matrix: Matrix, size: Size
) -> tuple[npt.NDArray[Any], FloatArray]:
    """Interpolate an image linearly on another grid; where that is coarser, smoothed first.

    Args:
        image: (H', W') or (H', W', C), uint8, uint16 or float32.
        matrix: (3, 3), from (x, y) of the grid to (x, y) of the image.
        size: (H, W) of the grid.

    Returns:
        (H, W) or (H, W, C) of the same dtype, its edge repeated where it does not reach, and
        (H, W) float32, 1 where it reaches and 0 elsewhere.
    """
    return _interpolate(image, matrix, size), _reach((image.shape[0], image.shape[1]), matrix, size)


class Placement:
    """Where images of one size lie on another grid: the same for all frames of a rig's video.

    Attributes:
        covered: (H, W), 1 where the images reach and 0 elsewhere.
        cover: see `feather`.

    Args:
        matrix: (3, 3), from (x, y) of the grid to (x, y) of the images.
        source: (H', W') of the images.
        size: (H, W) of the grid.
    """

    def __init__(self, matrix: Matrix, source: Size, size: Size) -> None:
        self._matrix, self._size = matrix, size
        self.covered = _reach(source, matrix, size)
        self.cover = feather(self.covered)

    def __call__(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An image on the grid; see `warp`."""
        return _interpolate(image, self._matrix, self._size)


def _interpolate(image: npt.NDArray[Any], matrix: Matrix, size: Size) -> npt.NDArray[Any]:
    step = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    if step > 1.05:
        image = cv2.GaussianBlur(image, (0, 0), 0.5 * np.sqrt(step**2 - 1))
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    warped: npt.NDArray[Any] = cv2.warpPerspective(
        image, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return warped


def _reach(source: Size, matrix: Matrix, size: Size) -> FloatArray:
    whole, flags = np.ones(source, np.float32), cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
    covered: FloatArray = cv2.warpPerspective(whole, matrix, size[::-1], flags=flags).astype(
        np.float32, copy=False
    )
    return covered


def shrink(plane: FloatArray, size: Size) -> FloatArray:
    """A plane in a smaller size, each pixel the mean of those it covers."""
    small: FloatArray = cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA).astype(
        np.float32, copy=False
    )
    return small


def erode(covered: FloatArray, width: int) -> FloatArray:
    """What is covered without half this width along its edge; the image's frame is no edge."""
    kernel = np.ones((width, width), np.uint8)
    inside: FloatArray = cv2.erode(covered, kernel, borderValue=1.0).astype(np.float32, copy=False)
    return inside


def feather(covered: FloatArray) -> Cover | None:
    """How much of the fused luminance is taken at each pixel; the rest is the visible's.

    It rises (see `blending.rise`) over 4% of the longer side.

    Args:
        covered: (H, W), 1 where the infrared image is and 0 elsewhere.

    Returns:
        (H, W) float32 in [0, 1], or None where everything is covered.
    """
    if (covered > 0).all():
        return None
    return Cover.of(rise(covered, max(4.0, _FEATHER * max(covered.shape))))
