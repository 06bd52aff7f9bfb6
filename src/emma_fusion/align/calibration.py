"""One transform from many pairs of a fixed rig."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.align.geometry import (
    Matrix,
    Size,
    apply,
    corner_distance,
    corners,
    identity_of,
    size_of,
)
from emma_fusion.align.registration import Wanted, plane_of, register
from emma_fusion.align.rig import Rig
from emma_fusion.errors import UserError

Image = npt.NDArray[Any]


def calibrate(
    pairs: Iterable[tuple[Image, Image]], model: Wanted = "homography"
) -> tuple[Rig, int]:
    """Find the transform between two cameras that are mounted together.

    Each pair is registered, and pairs without confidence are left out. The rig takes each
    corner of the visible image to the median of where they take it, which no minority of wrong
    registrations moves far.

    Args:
        pairs: infrared and visible images, all of the same two sizes; read one after the other.
        model: what each pair is registered with.

    Returns:
        The rig, and how many pairs were left out.

    Raises:
        UserError: sizes differ, no pair could be registered, or those that could contradict each
            other.
    """
    found: list[Matrix] = []
    sizes: tuple[Size, Size] | None = None
    left_out = 0
    for number, (infrared, visible) in enumerate(pairs, 1):
        now = size_of(infrared), size_of(visible)
        if sizes not in (None, now):
            raise UserError(
                f"Pair {number} has other sizes than the first: a calibration is for images of "
                "one infrared and one visible size."
            )
        sizes = now
        alignment = register(plane_of(infrared), plane_of(visible), model)
        if alignment.trusted:
            found.append(alignment.matrix)
        else:
            left_out += 1
    if sizes is None or not found:
        raise UserError(
            f"None of {left_out} pairs could be aligned with confidence: calibrate with images "
            "that show contours in both, such as houses by day."
        )
    matrix = _median(found, sizes[1])
    apart = [corner_distance(one, matrix, sizes[1]) for one in found]
    residual = float(np.median(apart))
    if len(found) > 2 and residual > 0.05 * max(sizes[0]):
        raise UserError(
            f"The pairs contradict each other: half of them are more than {residual:.0f} pixels "
            "from their median. A calibration is for two cameras that do not move against each "
            "other or zoom."
        )
    start = identity_of(sizes[1], sizes[0])
    kind = "identity" if np.allclose(matrix, start) else model
    return Rig(matrix, kind, *sizes, pairs=len(found), residual=residual), left_out


def _median(matrices: list[Matrix], size: Size) -> Matrix:
    """The homography that takes the corners to the medians of where these take them."""
    places = corners(size)
    medians = np.median([apply(matrix, places) for matrix in matrices], axis=0)
    found = cv2.getPerspectiveTransform(places.astype(np.float32), medians.astype(np.float32))
    return np.asarray(found, np.float64)
