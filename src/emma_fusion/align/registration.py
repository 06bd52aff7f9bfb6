"""Registration of an infrared image to a visible one, from coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from emma_fusion.align.choice import proven
from emma_fusion.align.geometry import (
    Matrix,
    Model,
    Size,
    apply,
    corner_distance,
    identity_of,
    middle,
    rescale,
    shift,
    size_of,
    turned,
)
from emma_fusion.align.level import Level
from emma_fusion.align.search import search
from emma_fusion.align.seen import Seen, seen
from emma_fusion.errors import UserError
from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.colour import luminance

Wanted = Literal["translation", "rigid", "similarity", "affine", "homography", "auto"]

# The longer side of the visible image on each level, at most, and how far is looked there.
_LEVELS = ((200, 6), (400, 4), (800, 4))
_LARGEST = 800  # what is larger is shrunk to this first
_MODELS: tuple[Model, ...] = get_args(Model)[1:]
# A pair stays as it is if that has this share of what the best model gains over chance, since
# pairs registered by hand are off by a few pixels too.
_CONTENT = 0.8
_JUDGED = 1  # on which level the confidence is found
_LOOKED_AT = 3  # beginnings on that level
_SURE = 0.5  # if fewer patches agree with the best beginning, it is searched further
# Of the patches, to be trusted; more where many turns and scales were tried.
LEAST_CONFIDENCE, LEAST_WIDELY = 0.2, 0.35
# Of the longer side: further, images of one size are hardly displaced.
_FARTHEST = 0.25


@dataclass(frozen=True, eq=False)
class Alignment:
    """What a registration found.

    Attributes:
        matrix: (3, 3), from (x, y) of the visible image to (x, y) of the infrared one.
        model: the kind of transform it is; "identity" where the pair was aligned.
        confidence: share of the patches that agree with it, see `Evidence.share`. Do not use the
            result below `least`. Chance alone gives about 0.05.
        moved: how far the corners of the visible image are taken, on average and in its pixels,
            from where they lie when the infrared image is stretched over it.
        least: the least confidence that is accepted.
        mask: (H', W'), 1 where the infrared image shows something and 0 in the black frame that
            an earlier warp left; None for everywhere.
    """

    matrix: Matrix
    model: Model
    confidence: float
    moved: float
    least: float = LEAST_CONFIDENCE
    mask: FloatArray | None = None

    @property
    def trusted(self) -> bool:
        """Whether the confidence is at least `least`."""
        return self.confidence >= self.least


def register(
    infrared: FloatArray,
    visible: FloatArray,
    wanted: Wanted = "auto",
    begin: Matrix | None = None,
) -> Alignment:
    """Find the transform that brings an infrared image onto a visible one.

    A search begins (`search.search`), a wide one if a narrow one finds nothing that half of the
    patches agree with; of its findings, each refined by a similarity, the one that most patches
    agree with goes on. From coarse to fine, motions of patches are fitted (`matching.fit`): a
    translation, one with a turn, a similarity, one with shear too, and a homography. The simplest
    is taken that none richer is proven against on patches left out (`choice.proven`), or none
    where the pair explains nearly as much as it is. Where `wanted` is not "auto", it alone is
    fitted. Images of one size that would have to move by more than a quarter have no confidence.

    Args:
        infrared: (H', W') float32 in [0, 1].
        visible: (H, W) float32 in [0, 1].
        wanted: what the transform is to be; "auto" for whatever is needed, the identity too.
        begin: (3, 3), from (x, y) of the visible image to (x, y) of the infrared one, where it is
            known nearly; then nothing is searched.

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
    whole = seen(infrared)
    small_i, small_v = whole.at_most(_LARGEST), seen(visible).at_most(_LARGEST)
    small = size_of(small_i.plane), size_of(small_v.plane)
    levels = [Level(small_i, small_v, *level) for level in _LEVELS]
    if begin is None:
        near, wide = _begin(small_i, small_v, levels)
    else:
        begun = rescale(sizes[0], small[0]) @ begin @ rescale(small[1], sizes[1])
        near, wide = levels[0].refine(begun, "similarity", 2), False
    plain = identity_of(small[1], small[0])
    models: tuple[Model, ...] = _MODELS if wanted == "auto" else (wanted,)
    found = {model: _down(levels, _start(near, plain, model, small[1]), model) for model in models}
    model = _choose(plain, found, levels) if wanted == "auto" else wanted
    share = levels[_JUDGED].evidence(found.get(model, plain)).share
    plain = identity_of(sizes[1], sizes[0])
    matrix = plain
    if model != "identity":
        matrix = rescale(small[0], sizes[0]) @ found[model] @ rescale(sizes[1], small[1])
        matrix = matrix / matrix[2, 2]
    moved = corner_distance(matrix, plain, sizes[1])
    searched_widely = wide or (begin is None and sizes[0] != sizes[1])
    least = LEAST_WIDELY if searched_widely else LEAST_CONFIDENCE
    if begin is None and sizes[0] == sizes[1] and moved > _FARTHEST * max(sizes[1]):
        share = 0.0
    return Alignment(matrix, model, share, moved / plain[0, 0], least, whole.mask)


def _begin(infrared: Seen, visible: Seen, levels: list[Level]) -> tuple[Matrix, bool]:
    """Where to begin, and whether it took a wide search to find it."""
    near, agreeing = _nearest(search(infrared, visible), levels)
    if agreeing >= _SURE:
        return near, False
    far, more = _nearest(search(infrared, visible, wide=True), levels)
    return (far, True) if more > max(agreeing, LEAST_WIDELY) else (near, False)


def _nearest(starts: list[Matrix], levels: list[Level]) -> tuple[Matrix, float]:
    """Of some beginnings, refined, the one that most patches agree with; and their share."""
    first, second = levels[0], levels[_JUDGED]
    refined = [first.refine(start, "similarity", 2) for start in starts]
    seen_there = [first.evidence(matrix).agreeing for matrix in refined]
    # Few pixels agree by chance now and then: the best few are looked at in more.
    order = sorted(range(len(starts)), key=lambda one: -seen_there[one])[:_LOOKED_AT]
    closer = [second.refine(refined[one], "similarity", 2) for one in order]
    shares = [second.evidence(matrix).share for matrix in closer]
    best = max(range(len(closer)), key=shares.__getitem__)
    return closer[best], shares[best]


def _choose(plain: Matrix, found: dict[Model, Matrix], levels: list[Level]) -> Model:
    """The identity where it explains most of what the best does; else what is proven."""
    judged = levels[_JUDGED]
    still = judged.evidence(plain)
    moved = [judged.evidence(matrix) for matrix in found.values()]
    chance = min(one.chance for one in (still, *moved))
    most = max(one.correlation for one in (still, *moved)) - chance
    if still.correlation - chance >= _CONTENT * most:
        return "identity"
    return proven(found, levels[-1])


def _start(near: Matrix, plain: Matrix, model: Model, size: Size) -> Matrix:
    """Where a model's own fit begins."""
    if model in ("translation", "rigid"):
        return plain @ _held(np.linalg.inv(plain) @ near, model, size)
    return near


def _held(matrix: Matrix, model: Model, size: Size) -> Matrix:
    """The shift, or the shift and turn, that takes an image's centre where a similarity does."""
    centre = middle(size)
    x, y = apply(matrix, np.array([centre]))[0] - centre
    turn = np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])) if model == "rigid" else 0.0
    return shift(x, y) @ turned(turn, 1.0, centre)


def _down(levels: list[Level], matrix: Matrix, model: Model) -> Matrix:
    """A transform refined on level after level, twice on the last."""
    for level in (*levels, levels[-1]):
        matrix = level.refine(matrix, model)
    return matrix


def plane_of(image: npt.NDArray[Any]) -> FloatArray:
    """The luminance of an image that is to be registered, scaled to [0, 1] by its own range."""
    values = image.astype(np.float32)
    plane = luminance(values[..., :3]) if values.ndim == 3 else values
    low, high = (float(p) for p in np.percentile(plane, (0.1, 99.9)))
    scaled: FloatArray = np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
    return scaled
