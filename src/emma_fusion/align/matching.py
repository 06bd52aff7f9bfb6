"""How well patches of two images' features agree under each small displacement."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.align.geometry import Matrix, Model, Size, displacements
from emma_fusion.values.arrays import FloatArray

# A patch's side and the step to the next, as shares of the longer side.
_PATCH, _STEP = 0.15, 0.075
_COVERED = 0.6  # a patch of which less is covered does not count
# exp(_SHARPNESS (s - largest s)) is how likely a displacement of correlation s is held to be.
_SHARPNESS = 20.0
# Widths of the window around the model's displacement, in shares of the reach, then in pixels.
_WINDOWS, _LAST_WINDOW = (1 / 2, 1 / 3), (2.0, 1.5)
# Of two shears and two perspectives, in shares of half the width; and how much a patch counts.
_SPREADS, _DEPENDENT = (0.01, 0.01, 0.006, 0.006), 30.0
# Of `held_out`: blocks along the longer side, and the fewest patches to fit.
_CELLS, _FEWEST = 4, 8
_MODELS: tuple[Model, ...] = ("translation", "rigid", "similarity", "affine", "homography")


@dataclass(frozen=True, eq=False)
class Surfaces:
    """The correlation of every patch for every displacement up to `reach` pixels each way.

    Attributes:
        centres: (N, 2), (x, y) of the patches in the visible image.
        values: (N, 2 reach + 1, 2 reach + 1) in [-1, 1], by downward and rightward displacement.
        size: of the image.
        possible: how many patches there are where the infrared image is everywhere.
        places: (N,), the number of each patch among these.
        patch: the side of a patch, in pixels.
    """

    centres: Matrix
    values: FloatArray
    size: Size
    possible: int
    places: npt.NDArray[np.int64]
    patch: int

    @property
    def reach(self) -> int:
        """The largest displacement, in pixels."""
        return int(self.values.shape[1]) // 2

    @property
    def pooled(self) -> FloatArray:
        """The mean over the patches."""
        mean: FloatArray = self.values.mean(axis=0)
        return mean


def correlate(
    visible: FloatArray, infrared: FloatArray, covered: FloatArray, reach: int
) -> Surfaces:
    """Correlate patches of the visible image's features with the infrared image's.

    s(d) = sum V(x) . I(x + d) / sqrt(sum |V(x)|^2 sum |I(x + d)|^2), over the pixels x of a patch;
    where the infrared image is not, I is 0.

    Args:
        visible: (H, W, K), K at most 4.
        infrared: (H, W, K), on the same grid as well as is known.
        covered: (H, W), 1 where the infrared image is and 0 elsewhere.
        reach: the largest displacement, in pixels.
    """
    size: Size = (visible.shape[0], visible.shape[1])
    patch = min(*size, max(16, round(_PATCH * max(size))))
    step = max(6, round(_STEP * max(size)))
    wide = np.pad(infrared * covered[..., None], ((reach, reach), (reach, reach), (0, 0)))
    sums = cv2.integral(covered)
    centres, values, places = [], [], []
    tops, lefts = (
        np.linspace(0, side - patch, max(2, round((side - patch) / step) + 1)).round().astype(int)
        for side in size
    )
    for row, y in enumerate(tops):
        for column, x in enumerate(lefts):
            below, right = y + patch, x + patch
            known = sums[below, right] - sums[y, right] - sums[below, x] + sums[y, x]
            if known < _COVERED * patch**2:
                continue
            around = wide[y : below + 2 * reach, x : right + 2 * reach]
            here = visible[y:below, x:right]
            values.append(cv2.matchTemplate(around, here, cv2.TM_CCORR_NORMED))
            centres.append((x + (patch - 1) / 2, y + (patch - 1) / 2))
            places.append(row * len(lefts) + column)
    side = 2 * reach + 1
    return Surfaces(
        np.array(centres, np.float64).reshape(-1, 2),
        np.nan_to_num(np.array(values, np.float32).reshape(-1, side, side)),
        size,
        len(tops) * len(lefts),
        np.array(places, np.int64),
        patch,
    )


def fit(surfaces: Surfaces, model: Model, before: Matrix) -> Matrix:
    """Find the motion of a model under which the patches together correlate best.

    It starts at the best displacement of all patches pooled. Then each patch's surface, seen
    through a window around the model's displacement there, gives a most likely displacement and
    how surely it is known in each direction (along a straight contour it is not); the weighted
    least squares of these is the next motion, and the window narrows.

    Shear and perspective are held towards none: the prior is a normal distribution of `_SPREADS`,
    and each patch's information counts `_DEPENDENT` as much, since patches overlap and parallax
    displaces neighbours alike. Without it, the corners are moved by what only the patches show.

    Args:
        surfaces: of the patches.
        model: what the motion may be.
        before: (8,), the parameters of the motion that was found so far, which the prior is about.

    Returns:
        The parameters of `geometry.motion`.
    """
    reach = surfaces.reach
    best = np.unravel_index(int(surfaces.pooled.argmax()), surfaces.pooled.shape)
    found = np.array([best[1] - reach, best[0] - reach], np.float64)
    likely = _likely(surfaces)
    held = _prior(surfaces)
    for step in _MODELS[: _MODELS.index(model) + 1]:
        design = displacements(surfaces.centres, surfaces.size, step)
        found = np.pad(found, (0, design.shape[2] - len(found)))
        for window in (*(reach * share for share in _WINDOWS), *_LAST_WINDOW):
            found = _step(likely, design, found, max(window, 1.2), held, before)
    return found


def held_out(
    surfaces: Surfaces, model: Model, before: Matrix
) -> tuple[npt.NDArray[np.int64], Matrix]:
    """How well patches correlate where a fit without them and their neighbours puts them.

    The image is cut into blocks, four along its longer side. For each, the model is fitted to all
    patches that share no pixel with the block's, beginning at the fit of all.

    Args:
        surfaces: of the patches.
        model: what is fitted.
        before: see `fit`.

    Returns:
        For every patch that there would be where the infrared image is everywhere: the number of
        its block, or -1 where it is not covered or nothing was left to fit; and the correlation.
    """
    blocks = np.full(surfaces.possible, -1)
    found = np.zeros(surfaces.possible)
    if len(surfaces.values) < _FEWEST:
        return blocks, found
    whole = fit(surfaces, model, before)
    likely, held = _likely(surfaces), _prior(surfaces)
    design = displacements(surfaces.centres, surfaces.size, model)
    apart = np.abs(surfaces.centres[:, None] - surfaces.centres[None]).max(axis=2)
    cells = (surfaces.centres // (max(surfaces.size) / _CELLS)).astype(int)
    block_of = cells[:, 1] * _CELLS + cells[:, 0]
    for block in np.unique(block_of):
        inside = block_of == block
        others = (apart[:, inside] >= surfaces.patch).all(axis=1)
        if others.sum() < _FEWEST:
            continue
        there = whole
        for window in _LAST_WINDOW:
            there = _step(likely[others], design[others], there, window, held, before)
        places = surfaces.places[inside]
        blocks[places] = block
        found[places] = _at(surfaces.values[inside], design[inside] @ there)
    return blocks, found


def _likely(surfaces: Surfaces) -> FloatArray:
    """How likely each displacement is held to be, 1 for each patch's best."""
    values = surfaces.values
    likely: FloatArray = np.exp(_SHARPNESS * (values - values.max(axis=(1, 2), keepdims=True)))
    return likely


def _prior(surfaces: Surfaces) -> Matrix:
    """How strongly each of the eight parameters is held towards none; see `fit`."""
    spreads = np.array(_SPREADS) * surfaces.size[1] / 2
    return np.append(np.full(4, 1e-6), len(surfaces.values) / (_DEPENDENT * spreads**2))


def _at(values: FloatArray, places: Matrix) -> Matrix:
    """Each patch's correlation at its displacement (x, y), interpolated; at most at the reach."""
    last = values.shape[1] - 1
    x, y = np.clip(places + last / 2, 0, last - 1e-6).T
    left, top, patch = x.astype(int), y.astype(int), np.arange(len(values))
    right, down = x - left, y - top
    above = (1 - right) * values[patch, top, left] + right * values[patch, top, left + 1]
    below = (1 - right) * values[patch, top + 1, left] + right * values[patch, top + 1, left + 1]
    found: Matrix = (1 - down) * above + down * below
    return found


def _step(
    likely: FloatArray,
    design: Matrix,
    parameters: Matrix,
    window: float,
    held: Matrix,
    before: Matrix,
) -> Matrix:
    """One least-squares step of `fit`."""
    reach = likely.shape[1] // 2
    steps = np.arange(-reach, reach + 1.0)
    expected = design @ parameters
    around = np.exp(-((steps - expected[..., None]) ** 2) / (2 * window**2))  # (N, 2, S)
    weights = likely * around[:, 1, :, None] * around[:, 0, None, :]
    weights /= weights.sum(axis=(1, 2), keepdims=True) + 1e-12
    # moments of the displacement: the sums over its other coordinate come first
    x, y = weights.sum(axis=1), weights.sum(axis=2)
    mean = np.stack([x @ steps, y @ steps], -1)
    crossed = (
        np.einsum("nyx,y,x->n", weights, steps, steps, optimize=True) - mean[:, 0] * mean[:, 1]
    )
    spread = np.stack([x @ steps**2, y @ steps**2], -1) - mean**2
    covariance = np.empty((len(mean), 2, 2))
    covariance[:, 0, 0], covariance[:, 1, 1] = (spread + 0.1).T
    covariance[:, 0, 1] = covariance[:, 1, 0] = crossed
    precision = np.linalg.inv(covariance)
    # what the window brings is taken off again; what is left may point nowhere, never backwards
    sure, axes = np.linalg.eigh(precision - np.eye(2) / window**2)
    pull = np.einsum("nij,nj->ni", precision, mean) - expected / window**2
    onto = np.einsum("nji,nj->ni", axes, pull) * (sure > 0)
    pull = np.einsum("nij,nj->ni", axes, onto)
    information = (axes * np.maximum(sure, 0)[:, None]) @ axes.transpose(0, 2, 1)
    turned = design.transpose(0, 2, 1)
    normal = (turned @ information @ design).sum(axis=0)
    count = design.shape[2]
    normal += np.diag(held[:count])
    right = (turned @ pull[..., None]).sum(axis=0)[:, 0] - held[:count] * before[:count]
    solved: Matrix = np.linalg.solve(normal, right)
    return solved
