"""Folders of scans: NIfTI files beside each other, or a folder with a DICOM series for each."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from emma_fusion.errors import UserError
from emma_fusion.images.folders import SUFFIXES
from emma_fusion.scans.dicom_file import looks_like_dicom, quiet, read_dataset, text
from emma_fusion.scans.nibabel_file import PAIRS
from emma_fusion.scans.open import is_volume_file
from emma_fusion.scans.series import walk

_LOOKED_AT = 100  # files of a folder among which one is to be DICOM


def list_volumes(folder: Path) -> dict[str, Path]:
    """List the scans of a folder of scans by name.

    They are its NIfTI, MGH and Analyze files, and the folders in it that hold DICOM files. A
    folder that is one scan itself has none: one with DICOM files directly in it, and one whose
    folders hold one series between them.

    Args:
        folder: any folder.

    Returns:
        The scans by their names without suffix, in the order of the names; empty where the folder
        is one scan, or holds none.

    Raises:
        UserError: two scans share a name.

    >>> list_volumes(Path("no such folder"))
    {}
    """
    if not folder.is_dir():
        return {}
    children = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in children if path.is_file() and is_volume_file(path)]
    found = _by_name(files, folder)
    if not found and any(_is_dicom(path) for path in children):
        return {}
    series = {path: _series_of(path) for path in children if path.is_dir()}
    series = {path: uid for path, uid in series.items() if uid is not None}
    if found or len(set(series.values())) > 1:
        return _by_name([*files, *series], folder)
    return {}


def volume_name(path: Path) -> str:
    """A scan's name without the suffixes of its format.

    >>> volume_name(Path("PET/sub-01.1.nii.gz"))
    'sub-01.1'
    """
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return inner.stem if is_volume_file(path) else path.name


def _by_name(paths: list[Path], folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(paths):
        name = volume_name(path)
        other = found.setdefault(name, path)
        pair = {name.lower() for name in (*path.suffixes[-2:], *other.suffixes[-2:])}
        if other is not path and not pair >= PAIRS.keys():
            raise UserError(
                f"{folder} holds two scans named {name}, {other.name} and {path.name}: move one."
            )
    return dict(sorted(found.items()))


def _series_of(folder: Path) -> str | None:
    """The series of the first DICOM file of a folder, None where there is no such file."""
    for path in islice(walk(folder), _LOOKED_AT):
        if _is_dicom(path):
            with quiet():
                return text(read_dataset(path, pixels=False), "SeriesInstanceUID")
    return None


def _is_dicom(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in SUFFIXES and looks_like_dicom(path)
