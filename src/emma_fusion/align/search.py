"""Where to begin: shift, turn and scale of two small images, all shifts at once."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from emma_fusion.align.features import oriented_gradients
from emma_fusion.align.geometry import (
    Matrix,
    Size,
    corner_distance,
    middle,
    rescale,
    shift,
    turned,
)
from emma_fusion.align.warping import erode, shrink, warp
from emma_fusion.pair import FloatArray

_WIDTH = 128  # of the visible image here
_SHARED = 0.5  # the least overlap, as a share of the smaller image
# Cameras mounted side by side see nearly the same: a shift of this share of the width costs as
# much as a correlation that is lower by _COST.
_FAR, _COST = 0.25, 0.1
# How many beginnings, where sizes are the same and where they are not, and how far apart they are,
# as a share of the longer side.
_KEPT, _KEPT_WITH_SIZES, _APART = 6, 16, 0.03


def search(infrared: FloatArray, visible: FloatArray) -> list[Matrix]:
    """Find homographies to begin with: one scale (or one for each axis), a turn and a shift.

    Of images of one size, scales 0.95 to 1.05 and turns to 3 degrees are tried; of others, all
    that show the infrared image between half and 1.6 times as wide as the visible one, and the
    infrared stretched to the visible's size. For each, the correlation of oriented gradients under
    every shift is a few Fourier transforms.

    Args:
        infrared: (H', W') float32.
        visible: (H, W) float32.

    Returns:
        Visible to infrared pixels, apart from each other, the one that correlates best first.
    """
    factor = _WIDTH / max(visible.shape)
    small = max(8, round(visible.shape[0] * factor)), max(8, round(visible.shape[1] * factor))
    v = oriented_gradients(shrink(visible, small))
    down = rescale(_size(visible), small)
    found = []
    for start in _starts(_size(infrared), _size(visible)):
        score, (x, y) = _best_shift(infrared, v, start @ np.linalg.inv(down))
        found.append((score, start @ np.linalg.inv(down) @ shift(x, y) @ down))
    found.sort(key=lambda one: -one[0])
    kept: list[Matrix] = []
    most = _KEPT if infrared.shape == visible.shape else _KEPT_WITH_SIZES
    near = _APART * max(infrared.shape)
    for _, matrix in found:
        if all(corner_distance(matrix, other, _size(visible)) > near for other in kept):
            kept.append(matrix)
        if len(kept) == most:
            break
    return kept


def _size(plane: FloatArray) -> Size:
    return plane.shape[0], plane.shape[1]


def _starts(infrared: Size, visible: Size) -> Iterator[Matrix]:
    """The scales and turns that are tried."""
    centre = middle(visible)
    plain = rescale(visible, infrared)
    yield plain
    if infrared == visible:
        scales, turns = (0.95, 1.0, 1.05), (-3, 0, 3)
    else:
        scales, turns = (0.94, 1.0, 1.06), (-3, 0, 3)
    for scale in scales:
        for turn in turns:
            if (scale, turn) != (1.0, 0):
                yield plain @ turned(turn, scale, centre)
    if infrared == visible:
        return
    whole = shift(*middle(infrared)) @ np.diag([infrared[1] / visible[1]] * 2 + [1.0])
    whole = whole @ shift(-centre[0], -centre[1])  # as wide as each other, pixels square
    for power in range(-6, 10):
        for turn in turns:
            yield whole @ turned(turn, 1.08**power, centre)


def _best_shift(
    infrared: FloatArray, v: FloatArray, to_infrared: Matrix
) -> tuple[float, tuple[int, int]]:
    """The best correlation over all shifts, and that shift (x, y) of the small visible image."""
    size = v.shape[:2]
    # the infrared image around the frame too: the visible's neighbourhood as large as itself
    pad_y, pad_x = size[0] // 2, size[1] // 2
    wide = size[1] + 2 * pad_x, size[0] + 2 * pad_y
    matrix = to_infrared @ shift(-pad_x, -pad_y)
    warped, covered = warp(infrared, matrix, (wide[1], wide[0]))
    covered = erode(covered, 5)
    i = oriented_gradients(warped) * covered[..., None]
    full = [a + b for a, b in zip(i.shape, size, strict=False)]
    shape = [cv2.getOptimalDFTSize(n) for n in full]

    def spectrum(plane: FloatArray) -> np.ndarray:
        return np.fft.rfft2(plane, shape, axes=(0, 1))

    ones = np.ones(size, np.float32)
    f_v, f_i = spectrum(v), spectrum(i)
    both = np.fft.irfft2((f_v.conj() * f_i).sum(axis=-1), shape)
    v_energy = spectrum((v**2).sum(axis=-1)).conj() * spectrum(covered)
    i_energy = spectrum(ones).conj() * spectrum((i**2).sum(axis=-1))
    shared = np.fft.irfft2(spectrum(ones).conj() * spectrum(covered), shape)
    energy = np.fft.irfft2(v_energy, shape) * np.fft.irfft2(i_energy, shape)
    scores = both / np.sqrt(np.maximum(energy, 1e-6))
    most = min(float(covered.sum()), float(ones.sum()))
    # By chance a correlation is the larger the fewer pixels it is of, as 1 / sqrt(their number).
    scores = scores * np.sqrt(np.clip(shared / most, 0, 1))
    scores = np.where(shared >= _SHARED * most, scores, -1)[: 2 * pad_y + 1, : 2 * pad_x + 1]
    far = np.hypot(*np.ogrid[-pad_y : pad_y + 1, -pad_x : pad_x + 1]) / (_FAR * size[1])
    scores = scores - _COST * far**2
    y, x = np.unravel_index(int(scores.argmax()), scores.shape)
    return float(scores[y, x]), (int(x) - pad_x, int(y) - pad_y)
