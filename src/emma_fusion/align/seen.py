"""What of an image shows something: all but the black frame that an earlier warp left in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from emma_fusion.align.geometry import Size, size_of
from emma_fusion.align.warping import shrink
from emma_fusion.values.arrays import FloatArray

# A frame is darker than this, as a share of the image's range (JPEG blurs it a little), and covers
# this share of the image at least. What it leaves is convex, as a warped image is and the world
# below a dark sky hardly ever: but for this share, and so many pixels along its outline.
_BLACK, _LEAST, _DENTS, _STEPS = 0.04, 0.003, 0.01, 1.0


@dataclass(frozen=True, eq=False)
class Seen:
    """A plane and where it shows something.

    Attributes:
        plane: (H, W) float32 in [0, 1].
        mask: (H, W) float32, 1 where it does and 0 in the frame; None for everywhere.
    """

    plane: FloatArray
    mask: FloatArray | None

    def at_most(self, longer: int) -> Seen:
        """The same no larger than so many pixels."""
        height, width = size_of(self.plane)
        factor = longer / max(height, width)
        if factor >= 1:
            return self
        size: Size = (max(8, round(height * factor)), max(8, round(width * factor)))
        mask = self.mask
        if mask is not None:
            mask = (shrink(mask, size) > 0.5).astype(np.float32)
        return Seen(shrink(self.plane, size), mask)


def seen(plane: FloatArray) -> Seen:
    """Find the black frame of an image, if it has one.

    It is what is black without interruption from the image's border inwards, where the rest is
    convex. A dark sky above houses is therefore not taken for it.

    Args:
        plane: (H, W) float32 in [0, 1].
    """
    dark = np.pad((plane <= _BLACK).astype(np.uint8), 1, constant_values=1)
    # One dark pixel all around joins the parts of a frame in the corners.
    _, labels = cv2.connectedComponents(dark, connectivity=4)
    frame = (labels == labels[0, 0])[1:-1, 1:-1]
    # What is thinner than this is a contour's shadow or noise along the border.
    frame = cv2.morphologyEx(frame.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    if frame.mean() < _LEAST or frame.all():
        return Seen(plane, None)
    rest = (~frame).astype(np.uint8)
    outline = cv2.convexHull(cv2.findNonZero(rest))
    hull = cv2.fillConvexPoly(np.zeros_like(rest), outline, 1)
    missing = int(hull.sum()) - int(rest.sum())
    if missing > _DENTS * hull.sum() + _STEPS * cv2.arcLength(outline, True):
        return Seen(plane, None)
    return Seen(plane, rest.astype(np.float32))
