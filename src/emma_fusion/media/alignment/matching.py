"""How well patches of two pictures' features agree under each small displacement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from emma_fusion.media.alignment.geometry import Matrix, Model, Size, displacements
from emma_fusion.pair import FloatArray

# Cells across the wider side; how many make a patch, each way; and how many it is to the next.
_ACROSS, _PATCH, _STRIDE = 40, 5, 2
# A patch with less than this share of the best-covered one's overlap does not count.
_COVERED = 0.4
# exp(_SHARPNESS (s - largest s)) is how likely a displacement of correlation s is held to be.
_SHARPNESS = 20.0
# Widths of the window around the model's displacement, in shares of the reach, then in pixels.
_WINDOWS, _LAST_WINDOW = (1 / 2, 1 / 3), (2.0, 1.5)
_MODELS: tuple[Model, ...] = ("translation", "similarity", "affine", "homography")


@dataclass(frozen=True, eq=False)
class Surfaces:
    """The correlation of every patch for every displacement up to `reach` pixels each way.

    Attributes:
        centres: (N, 2), (x, y) of the patches in the visible picture.
        values: (N, 2 reach + 1, 2 reach + 1) in [-1, 1], by downward and rightward displacement.
        size: of the picture.
    """

    centres: Matrix
    values: FloatArray
    size: Size

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
    """Correlate patches of the visible picture's features with the infrared picture's.

    s(d) = sum V(x) . I(x + d) / sqrt(sum |V(x)|^2 sum |I(x + d)|^2), over those pixels x of the
    patch for which I is known at x + d.

    Args:
        visible: (H, W, K).
        infrared: (H, W, K), on the same grid as well as is known.
        covered: (H, W), 1 where the infrared picture is and 0 elsewhere.
        reach: the largest displacement, in pixels.
    """
    cell = max(4, max(visible.shape[:2]) // _ACROSS)
    rows, columns = visible.shape[0] // cell, visible.shape[1] // cell
    height, width = rows * cell, columns * cell
    top, left = (visible.shape[0] - height) // 2, (visible.shape[1] - width) // 2
    rows_of, columns_of = slice(top, top + height), slice(left, left + width)
    # channels first: sums over them then run along whole rows
    v = np.ascontiguousarray(np.moveaxis(visible[rows_of, columns_of], -1, 0))
    border = ((reach, reach), (reach, reach))
    i = np.moveaxis(infrared * covered[..., None], -1, 0)
    i = np.ascontiguousarray(np.pad(i, ((0, 0), *border))[:, top:, left:])
    known = np.pad(covered, border)[top:, left:]

    def over_patches(products: FloatArray) -> FloatArray:
        means = cv2.resize(products, (columns, rows), interpolation=cv2.INTER_AREA)
        pooled: Any = cv2.blur(means, (_PATCH, _PATCH), borderType=cv2.BORDER_CONSTANT)
        sparse: FloatArray = pooled[::_STRIDE, ::_STRIDE]
        return sparse

    v_energy, i_energy = ((f * f).sum(axis=0) for f in (v, i))
    steps = 2 * reach + 1
    values = np.zeros((-(-rows // _STRIDE), -(-columns // _STRIDE), steps, steps), np.float32)
    for y in range(steps):
        for x in range(steps):
            here = slice(y, y + height), slice(x, x + width)
            energy = over_patches(v_energy * known[here]) * over_patches(i_energy[here])
            both = over_patches(np.einsum("kyx,kyx->yx", v, i[(slice(None), *here)]))
            values[..., y, x] = both / np.sqrt(energy + 1e-9)
    cover = over_patches(known[reach : reach + height, reach : reach + width])
    places = np.meshgrid(
        left + (np.arange(0, columns, _STRIDE) + 0.5) * cell - 0.5,
        top + (np.arange(0, rows, _STRIDE) + 0.5) * cell - 0.5,
    )
    kept = cover > _COVERED * max(float(cover.max()), 1e-9)
    return Surfaces(np.stack(places, -1)[kept], values[kept], (visible.shape[0], visible.shape[1]))


def fit(surfaces: Surfaces, model: Model) -> Matrix:
    """Find the motion of a model under which the patches together correlate best.

    It starts at the best displacement of all patches pooled. Then each patch's surface, seen
    through a window around the model's displacement there, gives a most likely displacement and
    how surely it is known in each direction (along a straight contour it is not); the weighted
    least squares of these is the next motion, and the window narrows.

    Returns:
        The parameters of `geometry.motion`.
    """
    reach = surfaces.reach
    best = np.unravel_index(int(surfaces.pooled.argmax()), surfaces.pooled.shape)
    found = np.array([best[1] - reach, best[0] - reach], np.float64)
    values = surfaces.values
    likely = np.exp(_SHARPNESS * (values - values.max(axis=(1, 2), keepdims=True)))
    for step in _MODELS[: _MODELS.index(model) + 1]:
        design = displacements(surfaces.centres, surfaces.size, step)
        found = np.pad(found, (0, design.shape[2] - len(found)))
        for window in (*(reach * share for share in _WINDOWS), *_LAST_WINDOW):
            found = _step(likely, design, found, max(window, 1.2))
    return found


def _step(likely: FloatArray, design: Matrix, parameters: Matrix, window: float) -> Matrix:
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
    normal += np.diag([1e-6, 1e-6] + [1e-3] * (design.shape[2] - 2))
    solved: Matrix = np.linalg.solve(normal, (turned @ pull[..., None]).sum(axis=0)[:, 0])
    return solved
