"""Scans told from other files, and opened by the reader for their format."""

from __future__ import annotations

from pathlib import Path

from emma_fusion.errors import UserError
from emma_fusion.images.folders import SUFFIXES
from emma_fusion.scans.dicom import read_series
from emma_fusion.scans.nifti import read_nifti
from emma_fusion.scans.volume import Volume

NIFTI_SUFFIXES = (".nii", ".nii.gz")


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
        return read_nifti(path)
    if path.suffix.lower() in SUFFIXES:
        raise UserError(f"{path} is an image: a scan is fused with another scan.")
    return read_series(path)


def _is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark after its preamble; images are not even opened."""
    if path.suffix.lower() in SUFFIXES or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
