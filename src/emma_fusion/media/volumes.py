"""Volumes: what a scanner measured, on its grid, and where that grid lies in the patient.

Positions are millimetres in RAS+: x grows to the patient's right, y to the front, z to the head.
NIfTI counts so; DICOM counts to the left and to the back, and is turned when it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.media.folders import SUFFIXES
from emma_fusion.pair import FloatArray, parse_range

Affine = npt.NDArray[np.float64]
Plane = Literal["auto", "axial", "coronal", "sagittal"]

MAX_VOXELS = 2**29  # 2 GiB as float32; a header that claims more is refused before it is believed
NIFTI_SUFFIXES = (".nii", ".nii.gz")

# Voxel axes that run left, back and down are those of a picture as radiologists hang it: the
# patient's right on the left, the front or the head above.
_DISPLAY = ("L", "P", "I")
_ACROSS = {"sagittal": 0, "coronal": 1, "axial": 2}  # the display axis that slices are taken along


@dataclass(frozen=True, eq=False)
class Volume:
    """A scan.

    Attributes:
        voxels: (X, Y, Z) float32 in the scan's unit.
        affine: (4, 4), from voxel indices (i, j, k, 1) to millimetres in RAS+.
        window: the values that the file asks to be shown as black and white, or None.
        modality: as DICOM names it ("MR", "CT", "PT", "NM"), "" where the file does not say.
        unit: of the voxels ("HU", "BQML"), "" where the file does not say.
        frames: the DICOM frame behind each slice along Z, empty for other files.
        code: NIfTI's number for the space of the affine: 1 the scanner's, 2 another scan's,
            3 Talairach's, 4 the MNI's.
    """

    voxels: FloatArray
    affine: Affine
    window: tuple[float, float] | None = None
    modality: str = ""
    unit: str = ""
    frames: Sequence[Any] = ()
    code: int = 1

    @property
    def spacing(self) -> npt.NDArray[np.float64]:
        """Millimetres from voxel to voxel along each axis, (3,)."""
        lengths: npt.NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths


def is_nifti(path: Path) -> bool:
    """Whether a file is named as NIfTI.

    >>> is_nifti(Path("PET.NII.gz")), is_nifti(Path("PET.png"))
    (True, False)
    """
    return path.name.lower().endswith(NIFTI_SUFFIXES)


def is_volume(path: Path) -> bool:
    """Whether a path is NIfTI by its name, or a DICOM file or a folder with one by its content."""
    if path.is_dir():
        return any(_is_dicom(child) for child in path.iterdir())
    return is_nifti(path) or _is_dicom(path)


def read_volume(path: Path | str) -> Volume:
    """Read a NIfTI file, a DICOM file of many frames, or a folder with one DICOM series.

    Raises:
        UserError: the file is missing or damaged, or its header does not say where the voxels are.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    if is_nifti(path):
        from emma_fusion.media.nifti import read_nifti

        return read_nifti(path)
    if path.suffix.lower() in SUFFIXES:
        raise UserError(f"{path} is a picture: a scan is fused with another scan.")
    from emma_fusion.media.dicom import read_series

    return read_series(path)


def corners(volume: Volume) -> npt.NDArray[np.float64]:
    """The eight outermost voxel centres, (8, 3) in millimetres."""
    indices = np.array(list(product(*((0, size - 1) for size in volume.voxels.shape))), float)
    return apply_affine(volume.affine, indices)


def apply_affine(affine: Affine, points: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Map (N, 3) points.

    >>> apply_affine(np.diag([2.0, 1, 1, 1]), np.array([[1, 1, 1]])).tolist()
    [[2.0, 1.0, 1.0]]
    """
    mapped: npt.NDArray[np.float64] = points @ affine[:3, :3].T + affine[:3, 3]
    return mapped


def find_window(volume: Volume, rule: str, label: str) -> tuple[str, float, float]:
    """Which values of a volume become black and white, the same for all its slices.

    Args:
        volume: the scan.
        rule: "auto" (the file's own window, else percentiles 0.1 to 99.9), "full" (the smallest
            and largest value), "LOW:HIGH" in the scan's unit, or "percentile:LOW:HIGH".
        label: what to call the volume in an error.

    Returns:
        The rule that applied ("window" for the file's own), and the two values.

    Raises:
        UserError: the rule is not understood, or every voxel has the same value.
    """
    kind, (low, high) = parse_range(rule)
    if kind == "fixed":
        return "fixed", low, high
    if kind == "auto" and volume.window is not None:
        return "window", *volume.window
    if kind != "full":
        shares = (low, high) if kind == "percentile" else (0.1, 99.9)
        low, high = (float(value) for value in np.percentile(volume.voxels, shares))
        if high > low:
            return f"percentile:{shares[0]:g}:{shares[1]:g}", low, high
    low, high = float(volume.voxels.min()), float(volume.voxels.max())
    if high == low:
        raise UserError(f"{label} is empty: all its voxels are {low:g}.")
    return "full", low, high


def parse_window(text: str) -> tuple[float, float]:
    """The values that a window "LEVEL:WIDTH" shows as black and white.

    Raises:
        UserError: it is not two numbers, or the width is not above 0.

    >>> parse_window("40:80")
    (0.0, 80.0)
    """
    try:
        level, width = (float(number) for number in text.split(":"))
    except ValueError:
        level, width = 0.0, 0.0
    if not (np.isfinite([level, width]).all() and width > 0):
        raise UserError(
            f"The window {text!r} is not understood; write LEVEL:WIDTH, such as 40:80, the width "
            "above 0."
        )
    return level - width / 2, level + width / 2


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


def slice_axis(volume: Volume, plane: Plane) -> int:
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


def _is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark after its preamble; pictures are not even opened."""
    if path.suffix.lower() in SUFFIXES or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
