"""Two scans on one grid, fused slice by slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.pair import Pair
from emma_fusion.scans.display import display_view
from emma_fusion.scans.volume import Affine
from emma_fusion.values.arrays import FloatArray, from_unit
from emma_fusion.values.overlay import overlay
from emma_fusion.values.palettes import apply_palette


def fuse_slices(
    functional: FloatArray,
    anatomical: FloatArray,
    affine: Affine,
    axis: int,
    fuse: Callable[[Pair], FloatArray],
    *,
    palette: str | None = None,
    dtype: npt.DTypeLike = np.uint8,
    show: Callable[[int, int], None] = lambda done, total: None,
) -> npt.NDArray[Any]:
    """Fuse every slice of two volumes, as images that hang as radiologists hang them.

    Args:
        functional: (X, Y, Z) in [0, 1].
        anatomical: (X, Y, Z) in [0, 1].
        affine: (4, 4) of both, to millimetres in RAS+.
        axis: along which slices are taken, of `display_view`; see `slice_axis`.
        fuse: a pair to its fused luminance, such as `Fuser.fuse_luminance`.
        palette: colours the fused voxels by the functional values; None leaves them grey.
        dtype: of the result, uint8 or uint16.
        show: is told how many slices are done, and of how many.

    Returns:
        (X, Y, Z), or (X, Y, Z, 3) RGB with a palette.
    """
    shape = functional.shape + ((3,) if palette else ())
    fused = np.empty(shape, dtype)
    # slices come first; what is written into these views stands in `fused`
    planes, scans, out = (
        np.moveaxis(display_view(voxels, affine), axis, 0)
        for voxels in (functional, anatomical, fused)
    )
    for k in range(len(planes)):
        plane = np.ascontiguousarray(planes[k].T)  # columns run to the left, or to the back
        pair = Pair(
            plane,
            np.ascontiguousarray(scans[k].T),
            colour=apply_palette(plane, palette) if palette else None,
            dtype=np.dtype(dtype),
        )
        out[k] = np.swapaxes(pair.compose(fuse(pair)), 0, 1)
        show(k + 1, len(planes))
    return fused


def overlay_slices(
    functional: FloatArray, anatomical: FloatArray, palette: str = "hot", opacity: float = 0.5
) -> npt.NDArray[np.uint8]:
    """Lay one volume over another, voxel by voxel; see `overlay`.

    Args:
        functional: (X, Y, Z) in [0, 1].
        anatomical: (X, Y, Z) in [0, 1].
        palette: of the functional values.
        opacity: of the functional scan, 0 to 1.

    Returns:
        (X, Y, Z, 3) uint8 RGB.
    """
    laid = np.empty((*functional.shape, 3), np.uint8)
    for k in range(functional.shape[2]):  # one slice of floats in memory
        plane = overlay(functional[:, :, k], anatomical[:, :, k], palette, opacity)
        laid[:, :, k] = from_unit(plane, np.uint8)
    return laid
