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

from emma_fusion.pair import FloatArray

Affine = npt.NDArray[np.float64]

MAX_VOXELS = 2**29  # 2 GiB as float32; a header that claims more is refused before it is believed


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
