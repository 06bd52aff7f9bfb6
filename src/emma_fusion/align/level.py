"""Both images of a pair in a smaller size, and how they agree there under a transform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_fusion.align.features import oriented_gradients
from emma_fusion.align.geometry import (
    Matrix,
    Model,
    Size,
    identity_of,
    motion,
    parameters_of,
    rescale,
    size_of,
)
from emma_fusion.align.matching import Surfaces, correlate, fit
from emma_fusion.align.seen import Seen
from emma_fusion.align.warping import erode, shrink, warp
from emma_fusion.values.arrays import FloatArray

# Of the confidence: how far around is looked, and what still counts as the same place.
_AROUND, _SAME = 8, 2.0


@dataclass(frozen=True)
class Evidence:
    """How two images agree where a transform puts them, and a little beside.

    Attributes:
        correlation: mean over patches, in [-1, 1], at the transform.
        chance: the same, displaced by 3 to 8 pixels of the level's.
        agreeing: how many patches have their own best displacement, of up to 8 pixels each way,
            within 2 pixels.
        share: of the patches, how many these are; where less than half of the visible image
            is covered, of half of all.
    """

    correlation: float
    chance: float
    agreeing: int
    share: float


class Level:
    """Both images in a smaller size.

    Args:
        infrared: the plane and where it shows something.
        visible: the same of the other; the level's size is that of this, shrunk.
        longer: the longer side of the level, at most.
        reach: how far is looked around, in the level's pixels.
    """

    def __init__(self, infrared: Seen, visible: Seen, longer: int, reach: int) -> None:
        full = size_of(visible.plane)
        factor = min(1.0, longer / max(full))
        self.size: Size = (max(8, round(full[0] * factor)), max(8, round(full[1] * factor)))
        self._reach, self._infrared = reach, infrared
        self._up, self._down = rescale(self.size, full), rescale(full, self.size)
        features = oriented_gradients(shrink(visible.plane, self.size))
        if visible.mask is not None:
            shown = (shrink(visible.mask, self.size) > 0.5).astype(np.float32)
            features *= erode(shown, 7)[..., None]
        self._features: FloatArray = features

    def surfaces(self, matrix: Matrix, reach: int | None = None) -> Surfaces:
        """The correlation of patches around where a transform puts them."""
        warped, covered = warp(
            self._infrared.plane, matrix @ self._up, self.size, self._infrared.mask
        )
        inside = erode(covered, 7)
        return correlate(self._features, oriented_gradients(warped), inside, reach or self._reach)

    def motion_of(self, matrix: Matrix) -> Matrix:
        """The parameters of how a transform differs from the infrared image stretched over."""
        plain = identity_of(self.size, size_of(self._infrared.plane))
        return parameters_of(np.linalg.inv(plain) @ matrix @ self._up, self.size)

    def refine(self, matrix: Matrix, model: Model, rounds: int = 1) -> Matrix:
        """A better transform, by motions of a model."""
        for _ in range(rounds):
            surfaces = self.surfaces(matrix)
            if not len(surfaces.values):
                break
            step = motion(fit(surfaces, model, self.motion_of(matrix)), self.size)
            matrix = matrix @ self._up @ step @ self._down
            matrix = matrix / matrix[2, 2]
        return matrix

    def evidence(self, matrix: Matrix) -> Evidence:
        """How the images agree under a transform; see `Evidence`."""
        surfaces = self.surfaces(matrix, _AROUND)
        if not len(surfaces.values):
            return Evidence(0.0, 0.0, 0, 0.0)
        steps = np.arange(-_AROUND, _AROUND + 1)
        away = np.hypot(steps[:, None], steps[None])
        pooled = surfaces.pooled
        patches = surfaces.values.reshape(len(surfaces.values), -1)
        agreeing = int((away.ravel()[patches.argmax(axis=1)] <= _SAME).sum())
        return Evidence(
            float(pooled[_AROUND, _AROUND]),
            float(pooled[away > 3].mean()),
            agreeing,
            agreeing / max(len(patches), surfaces.possible / 2),
        )
