"""How well patches of two pictures' features agree under each small displacement."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from emma_fusion.media.alignment.geometry import Matrix, Model, Size, displacements
from emma_fusion.pair import FloatArray

# Patches across the wider side, before they overlap; and how many times they do, each way.
_ACROSS, _OVERLAP = 40, 5
# A patch with less than this share of the best-covered one's overlap does not count.
_COVERED = 0.4
# exp(_SHARPNESS (s - largest s)) is how likely a displacement of correlation s is held to be.
_SHARPNESS = 20.0
# Widths of the window around the model's displacement, in shares of the reach, then in pixels.
_WINDOWS, _LAST_WINDOW = (1 / 2, 1 / 3, 1 / 4), (2.0, 1.5, 1.5)


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
        return self.values.shape[1] // 2

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
    v = visible[top : top + height, left : left + width]
    border = ((reach, reach), (reach, reach))
    i = np.pad(infrared * covered[..., None], (*border, (0, 0)))[top:, left:]
    known = np.pad(covered, border)[top:, left:]

    def over_patches(products: FloatArray) -> FloatArray:
        means = cv2.resize(products, (columns, rows), interpolation=cv2.INTER_AREA)
        pooled: FloatArray = cv2.blur(means, (_OVERLAP, _OVERLAP), borderType=cv2.BORDER_CONSTANT)
        return pooled

    v_energy, i_energy = (np.einsum("yxk,yxk->yx", f, f) for f in (v, i))
    steps = 2 * reach + 1
    values = np.zeros((rows, columns, steps, steps), np.float32)
    for y in range(steps):
        for x in range(steps):
            here = slice(y, y + height), slice(x, x + width)
            energy = over_patches(v_energy * known[here]) * over_patches(i_energy[here])
            both = over_patches(np.einsum("yxk,yxk->yx", v, i[here]))
            values[..., y, x] = both / np.sqrt(energy + 1e-9)
    cover = over_patches(known[reach : reach + height, reach : reach + width])
    places = np.meshgrid(
        left + (np.arange(columns) + 0.5) * cell - 0.5, top + (np.arange(rows) + 0.5) * cell - 0.5
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
    steps = np.arange(-reach, reach + 1)
    grid = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2).astype(np.float64)
    values = surfaces.values.reshape(len(surfaces.values), -1).astype(np.float64)
    likely = np.exp(_SHARPNESS * (values - values.max(axis=1, keepdims=True)))
    found = grid[surfaces.pooled.argmax()]
    for step in ("translation", "similarity", "affine", "homography"):
        design = displacements(surfaces.centres, surfaces.size, step)  # type: ignore[arg-type]
        found = np.pad(found, (0, design.shape[2] - len(found)))
        for window in (*(reach * share for share in _WINDOWS), *_LAST_WINDOW):
            found = _step(likely, grid, design, found, max(window, 1.2))
        if step == model:
            break
    return found


def _step(
    likely: Matrix, grid: Matrix, design: Matrix, parameters: Matrix, window: float
) -> Matrix:
    """One least-squares step of `fit`."""
    expected = design @ parameters
    apart = ((grid - expected[:, None]) ** 2).sum(axis=-1)
    weights = likely * np.exp(-apart / (2 * window**2))
    weights /= weights.sum(axis=1, keepdims=True) + 1e-12
    mean = weights @ grid
    off = grid - mean[:, None]
    covariance = np.einsum("nd,ndi,ndj->nij", weights, off, off) + 0.1 * np.eye(2)
    precision = np.linalg.inv(covariance)
    # what the window brings is taken off again; what is left may point nowhere, never backwards
    sure, axes = np.linalg.eigh(precision - np.eye(2) / window**2)
    pull = np.einsum("nij,nj->ni", precision, mean) - expected / window**2
    pull = np.einsum("nij,nj,nkj,nk->ni", axes, sure > 0, axes, pull)
    information = np.einsum("nij,nj,nkj->nik", axes, np.maximum(sure, 0), axes)
    normal = np.einsum("nia,nij,njb->ab", design, information, design)
    normal += np.diag([1e-6, 1e-6] + [1e-3] * (design.shape[2] - 2))
    solved: Matrix = np.linalg.solve(normal, np.einsum("nia,ni->a", design, pull))
    return solved
