"""Which kind of transform a pair proves: no more parameters than patches left out bear out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from emma_fusion.align.geometry import Matrix, Model
from emma_fusion.align.level import Level
from emma_fusion.align.matching import held_out

# A richer model must raise the correlation of patches left out by this share, and by so many of
# its standard errors over the blocks. Shear and perspective must raise it by more, because a
# little of them moves the corners, where few patches are, by pixels.
_GAIN: dict[Model, float] = {"rigid": 0.05, "similarity": 0.05, "affine": 0.15, "homography": 0.15}
_ERRORS = 2.0
_BLOCKS = 4  # with fewer that both models cover, nothing is proven


def proven(found: Mapping[Model, Matrix], level: Level) -> Model:
    """The simplest model that no richer one is proven against.

    Each model is fitted without a block of patches and its neighbours, and predicts where these
    match; so for every block (`matching.held_out`). What it predicts correlates well or badly,
    and the fit's own patches have no say in it. A richer model takes a simpler one's place where
    it correlates better by `_GAIN` and by `_ERRORS` standard errors. Parallax displaces neighbours
    alike, so that not patches but blocks are counted as independent.

    Args:
        found: the best transform of each model, the simplest first.
        level: where patches are matched.
    """
    held = {}
    for model, matrix in found.items():
        surfaces = level.surfaces(matrix)
        held[model] = held_out(surfaces, model, level.motion_of(matrix))
    chosen, *richer = found
    for model in richer:
        if gain(held[chosen], held[model]) > _GAIN[model]:
            chosen = model
    return chosen


def gain(
    simple: tuple[npt.NDArray[np.int64], Matrix], rich: tuple[npt.NDArray[np.int64], Matrix]
) -> float:
    """How much better a richer model correlates on patches left out, as a share.

    Args:
        simple: of the simpler model, the block of each patch, below 0 where there is none; and
            the correlation where it was predicted.
        rich: the same of the richer.

    Returns:
        The share, or 0 where it is within `_ERRORS` standard errors, or too few blocks tell.
    """
    both = (simple[0] >= 0) & (rich[0] >= 0)
    blocks, before, after = simple[0][both], simple[1][both], rich[1][both]
    numbers = np.unique(blocks)
    count = len(numbers)
    if count < _BLOCKS:
        return 0.0
    better = after - before
    mean = float(better.mean())
    apart = np.array([(better[blocks == one] - mean).sum() for one in numbers])
    error = float(np.sqrt(count / (count - 1) * (apart**2).sum())) / len(better)
    if mean <= _ERRORS * error:
        return 0.0
    return mean / max(float(before.mean()), 1e-3)
