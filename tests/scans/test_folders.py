"""Folders of scans told from folders that are one scan."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.scans.folders import list_volumes
from phantoms import write_nifti, write_series

VOXELS = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
AFFINE = np.diag([-2.0, -2, 3, 1])


def test_files_and_series_side_by_side(tmp_path):
    for name in ("b.nii.gz", "a.1.nii"):
        write_nifti(tmp_path / name, VOXELS, AFFINE)
    nib.save(nib.AnalyzeImage(VOXELS, None), tmp_path / "c.img")
    write_series(tmp_path / "d.old" / "deep", VOXELS / 100, AFFINE)
    (tmp_path / "notes.txt").write_text("a text")
    (tmp_path / "empty").mkdir()
    assert list_volumes(tmp_path) == {
        "a.1": tmp_path / "a.1.nii",
        "b": tmp_path / "b.nii.gz",
        "c": tmp_path / "c.hdr",
        "d.old": tmp_path / "d.old",
    }


def test_one_series_is_no_folder_of_scans(tmp_path):
    series = write_series(tmp_path / "s", VOXELS / 100, AFFINE)
    assert list_volumes(series) == {}
    for number, path in enumerate(sorted(series.iterdir())):
        part = series / f"S{number % 2}"
        part.mkdir(exist_ok=True)
        path.rename(part / path.name)
    assert list_volumes(series) == {}
    write_series(series / "S2", VOXELS / 100, AFFINE)
    assert list(list_volumes(series)) == ["S0", "S1", "S2"]


def test_no_scans(tmp_path):
    assert list_volumes(tmp_path / "none") == {}
    assert list_volumes(tmp_path) == {}
    (tmp_path / "a.png").write_bytes(b"\x08\x00")
    assert list_volumes(tmp_path) == {}
    assert list_volumes(Path(tmp_path / "a.png")) == {}


def test_two_scans_of_one_name(tmp_path):
    for name in ("a.nii", "a.nii.gz"):
        write_nifti(tmp_path / name, VOXELS, AFFINE)
    with pytest.raises(UserError, match=r"holds two scans named a, a\.nii and a\.nii\.gz"):
        list_volumes(tmp_path)
