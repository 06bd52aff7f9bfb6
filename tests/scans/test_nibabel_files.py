"""Files that nibabel reads, by their bytes: gzip under any name, Analyze pairs, MGH."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.scans.nifti import read_nifti
from emma_fusion.scans.open import is_volume, read_volume
from emma_fusion.scans.window import find_window
from phantoms import grid, write_nifti

SHAPE = (5, 6, 7)
AFFINE = grid((2, -2, 3), SHAPE, None, (4, 1, -2))
VOXELS = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)


def save_analyze(folder, suffix=""):
    image = nib.AnalyzeImage(VOXELS, None)
    image.header.set_zooms((2, 2, 3))
    path = folder / f"a.img{suffix}"
    nib.save(image, path)
    return path


def refusal(path):
    with pytest.raises(UserError) as error:
        read_volume(path)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("version", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["packed.nii", "plain.nii.gz"])
def test_gzip_is_seen_by_the_bytes(tmp_path, name, version):
    image = version(VOXELS, AFFINE)
    image.set_sform(AFFINE, 1)
    data = image.to_bytes()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name == "packed.nii" else data)
    read = read_volume(path)
    np.testing.assert_array_equal(read.voxels, VOXELS)
    np.testing.assert_allclose(read.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize("name", ["a.mgh", "a.mgz"])
def test_mgh(tmp_path, name):
    path = tmp_path / name
    nib.save(nib.MGHImage(VOXELS, AFFINE), path)
    assert is_volume(path)
    read = read_volume(path)
    np.testing.assert_array_equal(read.voxels, VOXELS)
    np.testing.assert_allclose(read.affine, AFFINE, atol=1e-4)
    assert (read.notes, read.window, read.code) == ((), None, 1)


def test_mgh_that_says_no_place_or_claims_too_much(tmp_path):
    path = tmp_path / "a.mgh"
    nib.save(nib.MGHImage(VOXELS, AFFINE), path)
    data = bytearray(path.read_bytes())
    data[28:30] = b"\0\0"
    path.write_bytes(data)
    assert "left and right are unknown" in refusal(path)
    data[4:8] = b"\x7f\xff\xff\xff"
    path.write_bytes(data)
    assert "has not between 1 and" in refusal(path)
    path.write_bytes(b"not a volume")
    assert "is no MGH file" in refusal(path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("half", ["img", "hdr"])
def test_analyze_is_read_as_spm_does_with_a_word(tmp_path, half, suffix):
    save_analyze(tmp_path, suffix)
    path = tmp_path / f"a.{half}{suffix}"
    assert is_volume(path)
    read = read_volume(path)
    np.testing.assert_array_equal(read.voxels, VOXELS)
    wanted = np.diag([-2.0, 2, 3, 1])  # the first voxels on the patient's right
    wanted[:3, 3] = 4, -5, -9  # the middle voxel in the middle
    np.testing.assert_allclose(read.affine, wanted)
    (note,) = read.notes
    assert note.startswith(f"{path} is an Analyze file")


def test_an_analyze_pair_with_the_place_that_spm_wrote(tmp_path):
    nib.save(nib.Spm2AnalyzeImage(VOXELS, AFFINE), tmp_path / "a.img")
    assert (tmp_path / "a.mat").exists()
    read = read_volume(tmp_path / "a.hdr")
    np.testing.assert_allclose(read.affine, AFFINE, atol=1e-6)
    assert read.notes == ()


def test_a_nifti_pair_says_where_it_lies(tmp_path):
    image = nib.Nifti1Pair(VOXELS, AFFINE)
    image.set_sform(AFFINE, 1)
    nib.save(image, tmp_path / "a.img")
    read = read_volume(tmp_path / "a.hdr")
    np.testing.assert_allclose(read.affine, AFFINE, atol=1e-5)
    assert read.notes == ()


def test_half_of_a_pair_is_named(tmp_path):
    path = save_analyze(tmp_path)
    path.with_suffix(".hdr").unlink()
    assert "a.hdr does not lie beside it" in refusal(path)


def test_a_header_that_puts_the_voxels_far_behind_itself_is_refused(tmp_path):
    path = write_nifti(tmp_path / "a.nii", VOXELS, AFFINE)
    data = bytearray(path.read_bytes())
    data[108:112] = np.float32(2e9).tobytes()
    path.write_bytes(gzip.compress(data))
    assert "far behind its header" in refusal(path)


@pytest.mark.parametrize(
    ("window", "used"),
    [
        ((100, 500), True),
        ((-1000, 3000), True),
        ((0, 899), True),
        ((3000, 8000), False),  # all black
        ((-500, -10), False),  # all white
        ((0, 65535), False),  # nearly black
        ((899, 2000), False),  # one value in it
        ((0.2, 0.7), False),  # nothing between black and white
    ],
)
def test_a_window_that_misses_the_values_is_not_used(tmp_path, window, used):
    low, high = window
    path = write_nifti(tmp_path / "a.nii", VOXELS, AFFINE, cal_min=low, cal_max=high)
    read = read_nifti(path)
    if used:
        assert read.window == pytest.approx(window)
        assert read.notes == ()
        return
    assert read.window is None
    (note,) = read.notes
    assert note == (
        f"The window that {path} asks for, {low:g} to {high:g}, misses its values, which run from "
        f"{VOXELS.min()} to {VOXELS.max()}: it is not used."
    )
    assert find_window(read, "auto", "MR")[0] == "percentile:0.1:99.9"


def test_a_mask_and_a_small_hot_spot_keep_their_windows(tmp_path):
    mask = (VOXELS > 400).astype(np.uint8)
    assert read_nifti(
        write_nifti(tmp_path / "m.nii", mask, AFFINE, cal_min=0, cal_max=1)
    ).window == (0, 1)
    spot = np.zeros((40, 40, 40), np.float32)
    spot[20:25, 20:25, 20:25] = np.linspace(1, 20, 125).reshape(5, 5, 5)
    path = write_nifti(tmp_path / "s.nii", spot, np.eye(4), cal_min=0, cal_max=20)
    assert read_nifti(path).window == (0, 20)


def test_what_is_not_finite_counts_in_no_range(tmp_path):
    voxels = VOXELS.astype(np.float32)
    voxels[:3] = np.nan
    read = read_nifti(write_nifti(tmp_path / "a.nii", voxels, AFFINE))
    np.testing.assert_array_equal(read.known, np.isfinite(voxels))
    wanted = np.percentile(VOXELS[3:], [0.1, 99.9])
    np.testing.assert_allclose(find_window(read, "auto", "PET")[1:], wanted, atol=1e-3)


def test_the_cases_of_files(cases):
    cases = cases / "nifti"
    whole = read_volume(cases / "mri.nii.gz")
    for name in ("mri.mgz", "gz_named.nii"):
        read = read_volume(cases / name)
        np.testing.assert_allclose(read.voxels, whole.voxels, rtol=2e-5)
        np.testing.assert_allclose(read.affine, whole.affine, atol=1e-5)
        assert read.notes == ()
    for name in ("ana.img", "ana.hdr"):
        read = read_volume(cases / name)
        np.testing.assert_allclose(read.voxels, whole.voxels, atol=1.01)
        assert len(read.notes) == 1
    stale = read_volume(cases / "mri01_calstale.nii.gz")
    assert "3000 to 8000, misses its values" in stale.notes[0]
    kind, low, high = find_window(stale, "auto", "MR")
    assert kind == "percentile:0.1:99.9"
    assert 0 < low < 0.02 < 0.9 < high <= 1
