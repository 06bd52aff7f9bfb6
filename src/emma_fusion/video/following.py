"""An alignment that is found in a video itself and follows slow drift, but no jitter."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.align.aligner import Aligned, check, place
from emma_fusion.align.geometry import Matrix, apply, corners, size_of
from emma_fusion.align.grid import Grid
from emma_fusion.align.registration import Alignment, Wanted, plane_of, register
from emma_fusion.values.arrays import FloatArray
from emma_fusion.video.cuts import CutDetector

Find = Callable[[FloatArray, FloatArray, Wanted], Alignment]

_EVERY = 4.0  # seconds between two registrations
_KEPT = 5  # registrations, of which the median counts: two wrong ones of five change nothing
_SECONDS = 4.0  # in which about two thirds of a drift are followed
# Pixels of the infrared image: a registration is not surer than the first, and no eye sees the
# second.
_DEAD, _STEP = 0.5, 0.1


class FollowedAlignment:
    """Aligns a video's frames by a transform that is found in them and moves slowly.

    The first frame is registered, then one every four seconds and one after each cut. What counts
    is the median of the last five that can be trusted. As long as it is within half a pixel of the
    transform in use, nothing moves; beyond, the transform goes there over some seconds, in steps of
    a tenth of a pixel. After a cut the new transform holds at once.

    Attributes:
        looks: How many frames were registered.
        unsure: How many of these could not be trusted and were left out.

    Args:
        wanted: "translation", "rigid", "similarity", "affine", "homography" or "auto".
        find: What registers two luminance planes; see `register`.
    """

    def __init__(self, wanted: Wanted = "auto", find: Find = register) -> None:
        self._wanted, self._how, self._find = wanted, str(wanted), find
        self._is_cut = CutDetector()
        self._found: deque[Matrix] = deque(maxlen=_KEPT)  # each where the grid's corners go
        self._held: Matrix | None = None
        self._moving = False
        self._last, self._looked = Fraction(0), Fraction(0)
        self._facts: dict[str, Any] = {}
        self._used: tuple[Matrix, Matrix, Grid] | None = None
        self.looks = self.unsure = 0

    def __call__(
        self,
        infrared: npt.NDArray[Any],
        visible: npt.NDArray[Any],
        labels: tuple[str, str] = ("infrared", "visible"),
        *,
        time: Fraction,
    ) -> Aligned:
        """Bring a frame's infrared image onto the grid of its visible one.

        Args:
            infrared: (H', W') or (H', W', 3 or 4); of one size in all frames.
            visible: (H, W) or (H, W, 3 or 4); the same.
            labels: What to call the two in errors.
            time: In seconds, not before the last one.

        Raises:
            UserError: The first frame could not be aligned with confidence.
        """
        planes = plane_of(infrared), plane_of(visible)
        cut = self._is_cut(*planes)
        if self._held is None or cut or time - self._looked >= _EVERY:
            self._look(planes, cut, labels)
            self._looked = time
        self._follow(float(time - self._last))
        self._last = time
        matrix, placement = self._in_use(size_of(infrared), size_of(visible))
        return place(infrared, matrix, size_of(visible), self._facts, placement)

    def _look(
        self, planes: tuple[FloatArray, FloatArray], cut: bool, labels: tuple[str, str]
    ) -> None:
        """Register a frame."""
        found = self._find(*planes, self._wanted)
        self.looks += 1
        if self._held is None:
            check(found, labels)
            if found.model != "identity":  # the others are to be of the same kind
                self._wanted = found.model
            self._facts = {
                "by": self._how,
                "model": found.model,
                "confidence": round(found.confidence, 3),
                "followed": True,
            }
        if not found.trusted:
            self.unsure += 1
            return
        place_of_corners = apply(found.matrix, corners(size_of(planes[1])))
        if cut:
            self._found.clear()
        self._found.append(place_of_corners)
        if cut or self._held is None:
            self._held = place_of_corners

    def _follow(self, seconds: float) -> None:
        """Go towards what was found."""
        assert self._held is not None
        away = np.median(self._found, axis=0) - self._held
        farthest = float(np.linalg.norm(away, axis=1).max())
        self._moving = farthest > (_STEP if self._moving else _DEAD)
        if self._moving:
            self._held = self._held + (1 - math.exp(-seconds / _SECONDS)) * away

    def _in_use(self, source: tuple[int, int], size: tuple[int, int]) -> tuple[Matrix, Grid]:
        """The transform for this frame: the last one, until it is visibly off."""
        assert self._held is not None
        if self._used is not None:
            places, matrix, placement = self._used
            if float(np.linalg.norm(places - self._held, axis=1).max()) < _STEP:
                return matrix, placement
        start, end = (points.astype(np.float32) for points in (corners(size), self._held))
        matrix = cv2.getPerspectiveTransform(start, end).astype(np.float64)
        if np.allclose(self._held, corners(size), atol=1e-6):
            matrix = np.eye(3)  # and not nearly so
        self._used = self._held, matrix, Grid.of_matrix(matrix, size, source)
        return self._used[1:]
