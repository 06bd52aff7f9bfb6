"""What thermal sensors get wrong, mended: dead pixels and stripes."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.values.arrays import FloatArray

Mend = Literal["none", "dead-pixels", "stripes", "both"]

# Standard deviations of the noise beyond which a pixel is dead, or a step the scene's edge.
_SIGMAS = 6
# Columns that one is compared with, itself among them, and how often.
_STRIPE_WIDTH, _STRIPE_ROUNDS = 9, 3


def mend(image: npt.NDArray[Any], what: Mend) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """Mend a thermal image: dead pixels first, then stripes.

    Args:
        image: (H, W), or (H, W, 3 or 4) whose colours are mended one by one and whose alpha is
            left alone; uint8, uint16 or floats in a unit of their own.
        what: "none", "dead-pixels", "stripes" or "both".

    Returns:
        The image, and the record: how many values were replaced, and the largest offset taken
        off a row or column.
    """
    if what == "none":
        return image, {}
    planes = image[..., None] if image.ndim == 2 else image
    mended, dead, largest = planes.copy(), 0, 0.0
    for channel in range(min(planes.shape[2], 3)):
        plane = planes[..., channel].astype(np.float32)
        if what in ("dead-pixels", "both"):
            plane, found = replace_dead_pixels(plane)
            dead += int(found.sum())
        if what in ("stripes", "both"):
            plane, offset = remove_stripes(plane)
            largest = max(largest, offset)
        if image.dtype.kind == "u":
            plane = np.rint(np.clip(plane, 0, np.iinfo(image.dtype).max))
        mended[..., channel] = plane
    record = {"mended": what, "dead_pixels": dead, "largest_stripe": round(largest, 2)}
    return mended.reshape(image.shape), record


def replace_dead_pixels(plane: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Replace single pixels that stand out of all their neighbours by the neighbours' median.

    A pixel is dead where it lies above the largest or below the smallest of its 8 neighbours by
    more than these differ among each other, and by more than 6 standard deviations of the noise
    (1.4826 times the median distance of a pixel from its neighbours' median) and 1. So edges,
    lines, and targets of two pixels and more stay; dead pixels side by side stay too, and a real
    target of one pixel goes.

    Args:
        plane: (H, W) counts; smaller than 3x3 it is left as it is.

    Returns:
        (H, W), and (H, W) which pixels were replaced.

    >>> plane = np.full((5, 5), 100, np.float32); plane[2, 2] = 0
    >>> float(replace_dead_pixels(plane)[0].min())
    100.0
    """
    height, width = plane.shape
    if min(height, width) < 3:
        return plane, np.zeros(plane.shape, bool)
    around = cv2.copyMakeBorder(plane, 1, 1, 1, 1, cv2.BORDER_REFLECT_101)
    steps = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    neighbours = np.stack([around[y : y + height, x : x + width] for y, x in steps])
    neighbours.sort(axis=0)
    low, high = neighbours[0], neighbours[-1]
    median = (neighbours[3] + neighbours[4]) / 2
    noise = 1.4826 * float(np.median(np.abs(plane - median)))
    margin = np.maximum(high - low, max(_SIGMAS * noise, 1.0))
    dead: npt.NDArray[np.bool_] = (plane > high + margin) | (plane < low - margin)
    return np.where(dead, median, plane), dead


def remove_stripes(plane: FloatArray) -> tuple[FloatArray, float]:
    """Take off the offsets that single rows and columns of a sensor have.

    A column's offset is the median over its pixels of what they differ, on average, from the 8
    nearest in their row; neighbours across an edge, which differ by more than 6 robust standard
    deviations of adjacent columns, do not count. Likewise rows, and all of it three times. An
    edge fainter than that, upright over more than half the height, looks like stripes and is
    softened.

    Args:
        plane: (H, W) counts.

    Returns:
        (H, W), and the largest offset that was taken off.
    """
    totals = [np.zeros(plane.shape[1], np.float32), np.zeros(plane.shape[0], np.float32)]
    for _ in range(_STRIPE_ROUNDS):
        for axis in (0, 1):  # columns, then rows
            offset = _offsets(plane if axis == 0 else plane.T)
            plane = plane - np.expand_dims(offset, axis)
            totals[axis] += offset
    return plane, float(max(np.abs(total).max() for total in totals))


def _offsets(plane: FloatArray) -> FloatArray:
    """The offset of each column, (W,)."""
    width = plane.shape[1]
    if width < 2:
        return np.zeros(width, np.float32)
    edge = _SIGMAS * 1.4826 * float(np.median(np.abs(np.diff(plane, axis=1))))
    half = _STRIPE_WIDTH // 2
    padded = cv2.copyMakeBorder(plane, 0, 0, half, half, cv2.BORDER_REFLECT)
    total, count = np.zeros_like(plane), np.ones_like(plane)  # a pixel counts itself
    for step in range(_STRIPE_WIDTH):
        if step != half:
            apart = plane - padded[:, step : step + width]
            near = np.abs(apart) <= edge
            total += np.where(near, apart, 0)
            count += near
    offset: FloatArray = np.median(total / count, axis=0)
    return offset
