"""Scans told from other files, and opened by the reader for their format."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from emma_fusion.errors import UserError
from emma_fusion.images.folders import SUFFIXES
from emma_fusion.scans.dicom import read_series
from emma_fusion.scans.dicom_file import looks_like_dicom
from emma_fusion.scans.nibabel_file import is_mgh, partner
from emma_fusion.scans.nifti import read_nifti
from emma_fusion.scans.series import walk
from emma_fusion.scans.volume import Volume

NIFTI_SUFFIXES = (".nii", ".nii.gz")
_LOOKED_AT = 1000  # files of a folder among which one is to be DICOM


def is_nifti(path: Path) -> bool:
    """Whether a file is named as NIfTI.

    >>> is_nifti(Path("PET.NII.gz")), is_nifti(Path("PET.png"))
    (True, False)
    """
    return path.name.lower().endswith(NIFTI_SUFFIXES)


def is_volume_file(path: Path) -> bool:
    """Whether a file is NIfTI, MGH or half of an Analyze pair by its name.

    >>> is_volume_file(Path("brain.mgz")), is_volume_file(Path("brain.hdr"))
    (True, True)
    """
    return is_nifti(path) or is_mgh(path) or partner(path) is not None


def is_volume(path: Path) -> bool:
    """Whether a path is a scan: a file by its name or content, or a folder with DICOM files.

    A folder with images in it is none, whatever lies in the folders below.
    """
    if not path.is_dir():
        return is_volume_file(path) or _is_dicom(path)
    if any(child.suffix.lower() in SUFFIXES for child in path.iterdir() if child.is_file()):
        return any(_is_dicom(child) for child in path.iterdir())
    return any(_is_dicom(file) for file in islice(walk(path), _LOOKED_AT))


def read_volume(path: Path | str) -> Volume:
    """Read a NIfTI, Analyze or MGH file, a DICOM file, or a folder with one DICOM series.

    Raises:
        UserError: the file is missing or damaged, or its header does not say where the voxels are.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    if path.suffix.lower() in SUFFIXES:
        raise UserError(f"{path} is an image: a scan is fused with another scan.")
    other = partner(path)
    if is_nifti(path) or is_mgh(path) or (other is not None and other.exists()):
        return read_nifti(path)
    if other is not None and not _is_dicom(path):  # one half alone: there it is said
        return read_nifti(path)
    return read_series(path)


def _is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its content; images are not even opened."""
    return path.suffix.lower() not in SUFFIXES and path.is_file() and looks_like_dicom(path)
