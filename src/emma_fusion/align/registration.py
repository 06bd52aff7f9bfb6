"""Registration of an infrared image to a visible one, from coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from emma_fusion.align.features import oriented_gradients
from emma_fusion.align.geometry import (
    Matrix,
    Model,
    Size,
    apply,
    corner_distance,
    identity_of,
    middle,
    motion,
    parameters_of,
    rescale,
    shift,
    turned,
)
from emma_fusion.align.matching import Surfaces, correlate, fit
from emma_fusion.align.search import search
from emma_fusion.align.warping import erode, shrink, warp
from emma_fusion.errors import UserError
from emma_fusion.pair import FloatArray, luminance

Wanted = Literal["translation", "rigid", "similarity", "affine", "homography", "auto"]

# The longer side of the visible image on each level, at most, and how far is looked there.
_LEVELS = ((200, 6), (400, 4), (800, 4))
_LARGEST = 800  # what is larger is shrunk to this first
# The simplest model that has this share of what the best one gains over chance is taken. The
# identity is content with less, since pairs registered by hand are off by a few pixels too.
_ENOUGH: dict[Model, float] = {
    "identity": 0.8,
    "translation": 0.87,
    "rigid": 0.9,
    "similarity": 0.93,
    "affine": 0.96,
    "homography": 1.0,
}
# If fewer patches agree, they do not determine a shear or a perspective.
_DETAILED = 0.42
# Of the confidence: on which level, how far around, and what still counts as the same place.
_JUDGED, _AROUND, _SAME = 1, 8, 2.0
# Of the patches: to be trusted; more where sizes differ and many scales were tried.
LEAST_CONFIDENCE, LEAST_WITH_SIZES = 0.2, 0.35
# Of the longer side: further, images of one size are hardly displaced.
_FARTHEST = 0.2


@dataclass(frozen=True)
class Evidence:
    """How two images agree where a transform puts them, and a little beside.

    Attributes:
        correlation: mean over patches, in [-1, 1], at the transform.
        chance: the same, displaced by 3 to 8 pixels of an image 400 pixels wide.
        agreeing: how many patches have their own best displacement, of up to 8 pixels each way,
            within 2 pixels.
        share: of the patches, how many these are; where less than half of the visible image
            is covered, of half of all.
    """

    correlation: float
    chance: float
    agreeing: int
    share: float


@dataclass(frozen=True, eq=False)
class Alignment:
    """What a registration found.

    Attributes:
        matrix: (3, 3), from (x, y) of the visible image to (x, y) of the infrared one.
        model: the kind of transform it is; "identity" where the pair was aligned.
        confidence: share of the patches that agree with it, see `Evidence.share`; below
            `least` it is not to be used. Chance alone gives about 0.05.
        moved: how far the corners of the visible image are taken, on average and in its pixels,
            from where they lie when the infrared image is stretched over it.
        least: the confidence that it takes.
    """

    matrix: Matrix
    model: Model
    confidence: float
    moved: float
    least: float = LEAST_CONFIDENCE

    @property
    def trusted(self) -> bool:
        """Whether the confidence is at least `least`."""
        return self.confidence >= self.least


class _Level:
    """Both images in a smaller size."""

    def __init__(self, infrared: FloatArray, visible: FloatArray, longer: int, reach: int) -> None:
        full: Size = (visible.shape[0], visible.shape[1])
        factor = min(1.0, longer / max(full))
        self.size: Size = (max(8, round(full[0] * factor)), max(8, round(full[1] * factor)))
        self._reach, self._infrared = reach, infrared
        self._up, self._down = rescale(self.size, full), rescale(full, self.size)
        self._features = oriented_gradients(shrink(visible, self.size))

    def surfaces(self, matrix: Matrix, reach: int) -> Surfaces:
        """The correlation of patches around where a transform puts them."""
        warped, covered = warp(self._infrared, matrix @ self._up, self.size)
        inside = erode(covered, 7)
        return correlate(self._features, oriented_gradients(warped), inside, reach)

    def refine(self, matrix: Matrix, model: Model, rounds: int = 1) -> Matrix:
        """A better transform, by motions of a model."""
        for _ in range(rounds):
            surfaces = self.surfaces(matrix, self._reach)
            if not len(surfaces.values):
                break
            plain = identity_of(self.size, size_of(self._infrared))
            before = parameters_of(np.linalg.inv(plain) @ matrix @ self._up, self.size)
            step = motion(fit(surfaces, model, before), self.size)
            matrix = matrix @ self._up @ step @ self._down
            matrix = matrix / matrix[2, 2]
        return matrix


def evidence(level: _Level, matrix: Matrix) -> Evidence:
    """How the images agree under a transform; see `Evidence`."""
    surfaces = level.surfaces(matrix, _AROUND)
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


def register(infrared: FloatArray, visible: FloatArray, wanted: Wanted = "auto") -> Alignment:
    """Find the transform that brings an infrared image onto a visible one.

    A search begins (`search.search`); of its findings, each refined by a similarity, the one that
    most patches agree with goes on. From coarse to fine, motions of patches are fitted
    (`matching.fit`): a translation, one with a turn, a similarity, one with shear too, and a
    homography. The simplest is taken that has nearly all of the correlation that the best one gains
    over chance (`_ENOUGH`). Where `wanted` is not "auto", it alone is fitted. Images of one size
    that would have to move by more than a fifth have no confidence.

    Args:
        infrared: (H', W') float32 in [0, 1].
        visible: (H, W) float32 in [0, 1].
        wanted: what the transform is to be; "auto" for whatever is needed, the identity too.

    Returns:
        What was found; look whether it is `trusted`.

    Raises:
        UserError: `wanted` is unknown, or an image is smaller than 32 pixels.
    """
    if wanted not in get_args(Wanted):
        raise UserError(f"There is no alignment {wanted!r}: use {', '.join(get_args(Wanted))}.")
    sizes = size_of(infrared), size_of(visible)
    if min(*sizes[0], *sizes[1]) < 32:
        raise UserError("Images smaller than 32x32 pixels show too little to be aligned.")
    small_i, small_v = _at_most(infrared), _at_most(visible)
    small = size_of(small_i), size_of(small_v)
    found, seen = _candidates(small_i, small_v, wanted)
    model = _simplest(seen) if wanted == "auto" else wanted
    plain = identity_of(sizes[1], sizes[0])
    matrix = plain
    if model != "identity":
        matrix = rescale(small[0], sizes[0]) @ found[model] @ rescale(sizes[1], small[1])
        matrix = matrix / matrix[2, 2]
    moved = corner_distance(matrix, plain, sizes[1])
    share = seen[model].share
    least = LEAST_CONFIDENCE if sizes[0] == sizes[1] else LEAST_WITH_SIZES
    if sizes[0] == sizes[1] and moved > _FARTHEST * max(sizes[1]):
        share = 0.0
    return Alignment(matrix, model, share, moved / plain[0, 0], least)


def _at_most(plane: FloatArray) -> FloatArray:
    """A plane no larger than is looked at."""
    height, width = plane.shape
    factor = _LARGEST / max(height, width)
    if factor >= 1:
        return plane
    return shrink(plane, (max(8, round(height * factor)), max(8, round(width * factor))))


def _candidates(
    infrared: FloatArray, visible: FloatArray, wanted: Wanted
) -> tuple[dict[Model, Matrix], dict[Model, Evidence]]:
    """The best transform of each model, the simplest first, and what speaks for it."""
    size = size_of(visible)
    plain = identity_of(size, size_of(infrared))
    levels = [_Level(infrared, visible, *level) for level in _LEVELS]
    nears = [levels[0].refine(start, "similarity", 2) for start in search(infrared, visible)]
    near = max(nears, key=lambda one: evidence(levels[0], one).agreeing)
    found: dict[Model, Matrix] = {} if wanted != "auto" else {"identity": plain}
    models: tuple[Model, ...] = get_args(Model)[1:] if wanted == "auto" else (wanted,)
    for model in models:
        start = near
        if model in ("translation", "rigid"):
            start = plain @ _held(np.linalg.inv(plain) @ near, model, size)
        found[model] = _down(levels, start, model)
    seen = {model: evidence(levels[_JUDGED], matrix) for model, matrix in found.items()}
    return found, seen


def _held(matrix: Matrix, model: Model, size: Size) -> Matrix:
    """The shift, or the shift and turn, that takes an image's centre where a similarity does."""
    centre = middle(size)
    x, y = apply(matrix, np.array([centre]))[0] - centre
    turn = np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])) if model == "rigid" else 0.0
    return shift(x, y) @ turned(turn, 1.0, centre)


def _down(levels: list[_Level], matrix: Matrix, model: Model) -> Matrix:
    """A transform refined on level after level, twice on the last."""
    for level in (*levels, levels[-1]):
        matrix = level.refine(matrix, model)
    return matrix


def _simplest(seen: dict[Model, Evidence]) -> Model:
    """The first model that explains nearly as much as the best."""
    seen = {
        model: one for model, one in seen.items() if model != "homography" or one.share >= _DETAILED
    }
    chance = min(one.chance for one in seen.values())
    most = max(one.correlation for one in seen.values()) - chance
    for model, one in seen.items():
        if one.correlation - chance >= _ENOUGH[model] * most:
            return model
    return max(seen, key=lambda model: seen[model].correlation)


def plane_of(image: npt.NDArray[Any]) -> FloatArray:
    """The luminance of an image that is to be registered, scaled to [0, 1] by its own range."""
    values = image.astype(np.float32)
    plane = luminance(values[..., :3]) if values.ndim == 3 else values
    low, high = (float(p) for p in np.percentile(plane, (0.1, 99.9)))
    scaled: FloatArray = np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
    return scaled


def size_of(image: npt.NDArray[Any]) -> Size:
    """(height, width)."""
    return image.shape[0], image.shape[1]
