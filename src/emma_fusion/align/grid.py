"""Where the pixels of the visible image's grid lie in the infrared one: computed once a rig."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.align.geometry import Matrix, Size
from emma_fusion.align.rig import Rig
from emma_fusion.align.warping import feather, soften
from emma_fusion.values.arrays import FloatArray


class Grid:
    """A grid of pixels that lie anywhere in an image, which is interpolated there.

    Args:
        places: (H, W, 2), (x, y) in the image of each pixel of the grid.
        source: the size of the image.
        mask: (H', W'), 1 where the image shows something and 0 elsewhere; None for everywhere.
    """

    def __init__(self, places: npt.NDArray[Any], source: Size, mask: FloatArray | None = None):
        self.size: Size = (places.shape[0], places.shape[1])
        x, y = (np.ascontiguousarray(places[..., k], np.float32) for k in (0, 1))
        # OpenCV's fixed form of the places, of a 32nd of a pixel, is twice as fast.
        self._whole, self._parts = cv2.convertMaps(x, y, cv2.CV_16SC2)
        inside = (x >= -0.5) & (x <= source[1] - 0.5) & (y >= -0.5) & (y <= source[0] - 0.5)
        if mask is not None:
            shown = cv2.remap(mask, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            inside &= shown > 0.999
        self.covered: FloatArray = inside.astype(np.float32)
        self._step = _step(x, y)

    @classmethod
    def of_matrix(
        cls, matrix: Matrix, size: Size, source: Size, mask: FloatArray | None = None
    ) -> Grid:
        """The grid of a homography from its pixels to the image's."""
        rows, columns = np.arange(size[0], dtype=np.float64), np.arange(size[1], dtype=np.float64)
        a = matrix[:, 0, None, None] * columns + matrix[:, 1, None, None] * rows[:, None]
        x, y, w = a + matrix[:, 2, None, None]
        return cls(np.stack([x / w, y / w], -1), source, mask)

    @classmethod
    def of_rig(cls, rig: Rig) -> Grid:
        """The grid of a rig's visible images, with what its lenses do."""
        if rig.lenses is None:
            return cls.of_matrix(rig.matrix, rig.visible, rig.infrared)
        y, x = np.mgrid[: rig.visible[0], : rig.visible[1]].reshape(2, -1)
        places = rig.seen(np.stack([x, y], -1).astype(np.float64))
        return cls(places.reshape(*rig.visible, 2), rig.infrared)

    @cached_property
    def cover(self) -> FloatArray | None:
        """How much of the fused luminance is taken at each pixel; see `warping.feather`."""
        return feather(self.covered)

    def __call__(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An image on the grid, its edge repeated where it does not reach."""
        found: npt.NDArray[Any] = cv2.remap(
            soften(image, self._step),
            self._whole,
            self._parts,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return found


def _step(x: FloatArray, y: FloatArray) -> float:
    """How many pixels of the image a pixel of the grid is wide, in the middle."""
    row, column = x.shape[0] // 2, x.shape[1] // 2
    if min(x.shape) < 2:
        return 1.0
    right, down = (
        np.array([plane[place] - plane[row - 1, column - 1] for plane in (x, y)])
        for place in ((row - 1, column), (row, column - 1))
    )
    return float(np.sqrt(abs(right[0] * down[1] - right[1] * down[0])))
