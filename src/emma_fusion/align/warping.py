"""The infrared image on the visible image's grid, and how it fades out at its own edge."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.align.geometry import Matrix, Size
from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.blending import Cover, rise

_FEATHER = 0.04  # of the grid's longer side


def warp(
    image: npt.NDArray[Any], matrix: Matrix, size: Size, mask: FloatArray | None = None
) -> tuple[npt.NDArray[Any], FloatArray]:
    """Interpolate an image linearly on another grid; where that is coarser, smoothed first.

    Args:
        image: (H', W') or (H', W', C), uint8, uint16 or float32.
        matrix: (3, 3), from (x, y) of the grid to (x, y) of the image.
        size: (H, W) of the grid.
        mask: (H', W'), 1 where the image shows something and 0 elsewhere; None for everywhere.

    Returns:
        (H, W) or (H, W, C) of the same dtype, its edge repeated where it does not reach, and
        (H, W) float32, 1 where it reaches and shows something and 0 elsewhere.
    """
    image = soften(image, float(np.sqrt(abs(np.linalg.det(matrix[:2, :2])))))
    wide, flags = size[::-1], cv2.WARP_INVERSE_MAP
    warped: npt.NDArray[Any] = cv2.warpPerspective(
        image, matrix, wide, flags=flags | cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    whole = np.ones(image.shape[:2], np.float32) if mask is None else mask
    covered: FloatArray = cv2.warpPerspective(
        whole, matrix, wide, flags=flags | cv2.INTER_NEAREST
    ).astype(np.float32)
    return warped, covered


def soften(image: npt.NDArray[Any], step: float) -> npt.NDArray[Any]:
    """An image smoothed for a grid whose pixels are so many of its own apart."""
    if step <= 1.05:
        return image
    smooth: npt.NDArray[Any] = cv2.GaussianBlur(image, (0, 0), 0.5 * np.sqrt(step**2 - 1))
    return smooth


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
