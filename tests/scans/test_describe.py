"""What is said of a scan."""

import json

import numpy as np
import pytest

from emma_fusion.scans.describe import describe, describe_in_words
from emma_fusion.scans.grid import coverage
from emma_fusion.scans.open import read_volume
from emma_fusion.scans.volume import Volume
from phantoms import BIRTH, IDENTITY, change, write_nifti, write_series


def test_a_series_in_words(tmp_path):
    voxels = np.linspace(0, 2, 6 * 8 * 5).reshape(6, 8, 5)
    folder = write_series(tmp_path / "s", voxels, np.diag([-2.0, -2, 3.5, 1]), "PT", Units="BQML")
    facts = describe(read_volume(folder), folder)
    assert (facts["shape"], facts["spacing_mm"]) == ([6, 8, 5], [2, 2, 3.5])
    assert (facts["palette"], facts["known"], facts["notes"]) == ("hot", 1, [])
    low, high = facts["range"]
    assert describe_in_words(facts) == (
        f"{folder}: PT, 6x8x5 voxels of 2x2x3.5 mm, axial, {low:g} becomes black and {high:g} "
        "white in BQML (percentile:0.1:99.9)"
    )
    for path in folder.iterdir():
        change(path, PhotometricInterpretation="MONOCHROME1")
    inverted = describe_in_words(describe(read_volume(folder), folder))
    assert f"{high:g} becomes black and {low:g} white" in inverted
    said = json.dumps(facts)
    assert not any(secret in said for secret in ("Secret", IDENTITY, BIRTH))


def test_what_was_doubtful_is_among_the_facts(tmp_path):
    voxels = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    voxels[0] = np.nan
    path = write_nifti(tmp_path / "a.nii", voxels, np.eye(4), cal_min=500, cal_max=900)
    facts = describe(read_volume(path), path)
    assert facts["known"] == pytest.approx(2 / 3, abs=1e-4)
    assert facts["values"] == [20, 59]
    assert "misses its values" in facts["notes"][0]


def test_how_much_of_one_lies_within_the_other():
    first = Volume(np.zeros((12, 12, 12), np.float32), np.eye(4))
    assert coverage(first, first) == 1
    affine = np.eye(4)
    affine[0, 3] = 6
    half = Volume(first.voxels, affine)
    assert coverage(half, first) == pytest.approx(0.5)
    affine = affine.copy()
    affine[0, 3] = 60
    assert coverage(Volume(first.voxels, affine), first) == 0
