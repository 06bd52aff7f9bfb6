"""A scan's axes as radiologists hang them, and the planes that its slices are taken in."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from emma_fusion.scans.volume import Affine, Volume

AnatomicalPlane = Literal["auto", "axial", "coronal", "sagittal"]

# Voxel axes that run left, back and down are those of an image as radiologists hang it: the
# patient's right on the left, the front or the head above.
_DISPLAY = ("L", "P", "I")
_ACROSS = {"sagittal": 0, "coronal": 1, "axial": 2}  # the display axis that slices are taken along


def display_view(voxels: npt.NDArray[Any], affine: Affine) -> npt.NDArray[Any]:
    """The same voxels, axes turned and flipped to those nearest left, back and down.

    Args:
        voxels: (X, Y, Z) or (X, Y, Z, 3).
        affine: (4, 4) of the voxels.

    Returns:
        A view, not a copy: what is written into it stands in `voxels`.
    """
    axes, flips = _display_axes(affine)
    turned = np.transpose(voxels, [*axes, *range(3, voxels.ndim)])
    return turned[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]


def slice_axis(volume: Volume, plane: AnatomicalPlane) -> int:
    """The axis of `display_view` along which slices of a plane follow each other.

    Of an oblique volume it is the axis nearest to that plane's normal. "auto" is the plane in
    which the scan was taken as far as its grid shows it: across the axis whose voxels lie furthest
    apart, and axial where none is 5% wider than the others.
    """
    if plane != "auto":
        return _ACROSS[plane]
    spacing = volume.spacing[_display_axes(volume.affine)[0]]
    widest = int(np.argmax(spacing))
    others = np.delete(spacing, widest)
    return widest if spacing[widest] > 1.05 * others.max() else _ACROSS["axial"]


def name_plane(axis: int) -> str:
    """The plane whose slices follow each other along an axis of `display_view`.

    >>> name_plane(2)
    'axial'
    """
    return next(name for name, across in _ACROSS.items() if across == axis)


def _display_axes(affine: Affine) -> tuple[list[int], list[bool]]:
    """For each display axis, which voxel axis it is and whether that runs the other way."""
    import nibabel as nib

    orientation = nib.orientations.io_orientation(affine)
    target = nib.orientations.axcodes2ornt(_DISPLAY)
    change = nib.orientations.ornt_transform(orientation, target)
    axes = [int(np.flatnonzero(change[:, 0] == axis)[0]) for axis in range(3)]
    return axes, [bool(change[axis, 1] < 0) for axis in axes]
