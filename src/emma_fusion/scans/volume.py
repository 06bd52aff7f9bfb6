"""Volumes: what a scanner measured, on its grid, and where that grid lies in the patient.

Positions are millimetres in RAS+: x grows to the patient's right, y to the front, z to the head.
NIfTI counts so; DICOM counts to the left and to the back, and is turned when it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.values.arrays import FloatArray

Affine = npt.NDArray[np.float64]

# A header that claims more is refused before it is believed.
MAX_VOXELS = 2**29  # 2 GiB as float32
MAX_SLICES = 2**14


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
        known: (X, Y, Z), where the scanner measured something: False for padding and for values
            that are not finite, in whose place the voxels hold the darkest value. None where all
            is known.
        inverted: whether large values are shown dark (DICOM's MONOCHROME1).
        notes: sentences on what was doubtful in the files and how it was taken.
    """

    voxels: FloatArray
    affine: Affine
    window: tuple[float, float] | None = None
    modality: str = ""
    unit: str = ""
    frames: Sequence[Any] = ()
    code: int = 1
    known: npt.NDArray[np.bool_] | None = None
    inverted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> FloatArray:
        """The voxels that are known, in any shape."""
        return self.voxels if self.known is None else self.voxels[self.known]

    @property
    def darkest(self) -> float:
        """The value that is shown darkest: the smallest, or the largest of an inverted scan."""
        values = self.values
        return float(values.max() if self.inverted else values.min())

    @property
    def spacing(self) -> npt.NDArray[np.float64]:
        """Millimetres from voxel to voxel along each axis, (3,)."""
        lengths: npt.NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return lengths


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


def darken_unknown(
    voxels: FloatArray, known: npt.NDArray[np.bool_], inverted: bool, label: str
) -> FloatArray:
    """Voxels with the darkest known value in place of what is unknown.

    Args:
        voxels: (X, Y, Z), whatever is in them where nothing is known.
        known: (X, Y, Z).
        inverted: whether large values are dark.
        label: what to call the volume in an error.

    Raises:
        UserError: nothing is known.
    """
    if known.all():
        return voxels
    if not known.any():
        raise UserError(f"{label} is empty: none of its voxels holds a measured value.")
    darkest = voxels[known].max() if inverted else voxels[known].min()
    return np.where(known, voxels, darkest).astype(np.float32)
