"""Where to begin: shift, turn and scale of two small images, all shifts at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    size_of,
    turned,
)
from emma_fusion.align.seen import Seen
from emma_fusion.align.warping import erode, warp
from emma_fusion.values.arrays import FloatArray

_WIDTH = 128  # of the visible image here
_SHARED = 0.5  # the least overlap, as a share of the smaller image
# Cameras mounted side by side see nearly the same: a shift of this share of the width costs as
# much as a correlation that is lower by _COST.
_FAR, _COST = 0.25, 0.1
# How many beginnings, and how many of a wide search or where sizes differ; and how far apart they
# are, as a share of the longer side.
_KEPT, _KEPT_MANY, _APART = 6, 16, 0.03


def search(infrared: Seen, visible: Seen, wide: bool = False) -> list[Matrix]:
    """Find homographies to begin with: one scale (or one for each axis), a turn and a shift.

    Of images of one size, scales 0.95 to 1.05 and turns to 3 degrees are tried; of others, all
    that show the infrared image between half and 1.6 times as wide as the visible one, and the
    infrared stretched to the visible's size. A wide search tries turns to 18 degrees, and scales
    0.9 to 1.1. For each, the correlation of oriented gradients under every shift is a few Fourier
    transforms.

    Args:
        infrared: the plane and where it shows something.
        visible: the same of the other.
        wide: whether to search further, which takes six times as long.

    Returns:
        Visible to infrared pixels, apart from each other, the one that correlates best first.
    """
    sizes = size_of(infrared.plane), size_of(visible.plane)
    small = visible.at_most(_WIDTH)
    v = oriented_gradients(small.plane)
    if small.mask is not None:
        v *= erode(small.mask, 5)[..., None]
    down = rescale(sizes[1], size_of(small.plane))
    found = []
    for start in _starts(*sizes, wide):
        score, (x, y) = _best_shift(infrared, v, start @ np.linalg.inv(down))
        found.append((score, start @ np.linalg.inv(down) @ shift(x, y) @ down))
    found.sort(key=lambda one: -one[0])
    kept: list[Matrix] = []
    most = _KEPT if sizes[0] == sizes[1] and not wide else _KEPT_MANY
    near = _APART * max(sizes[0])
    for _, matrix in found:
        if all(corner_distance(matrix, other, sizes[1]) > near for other in kept):
            kept.append(matrix)
        if len(kept) == most:
            break
    return kept


def _starts(infrared: Size, visible: Size, wide: bool) -> Iterator[Matrix]:
    """The scales and turns that are tried."""
    centre = middle(visible)
    plain = rescale(visible, infrared)
    yield plain
    turns: Sequence[float] = (-3, 0, 3)
    scales: Sequence[float] = (0.95, 1.0, 1.05) if infrared == visible else (0.94, 1.0, 1.06)
    if wide:
        turns, scales = range(-18, 19, 3), (0.9, 0.95, 1.0, 1.05, 1.1)
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
    infrared: Seen, v: FloatArray, to_infrared: Matrix
) -> tuple[float, tuple[int, int]]:
    """The best correlation over all shifts, and that shift (x, y) of the small visible image."""
    size = v.shape[:2]
    # the infrared image around the frame too: the visible's neighbourhood as large as itself
    pad_y, pad_x = size[0] // 2, size[1] // 2
    wide = size[1] + 2 * pad_x, size[0] + 2 * pad_y
    matrix = to_infrared @ shift(-pad_x, -pad_y)
    warped, covered = warp(infrared.plane, matrix, (wide[1], wide[0]), infrared.mask)
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
