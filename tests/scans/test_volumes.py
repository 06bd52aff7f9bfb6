"""Phantoms with blobs at known places: wherever the grids lie, the blobs must meet."""

import gzip
import warnings

import cv2
import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, JPEG2000Lossless, RLELossless, generate_uid

from emma_fusion.errors import UserError
from emma_fusion.scans.dicom import read_series
from emma_fusion.scans.display import display_view, slice_axis
from emma_fusion.scans.grid import register_rigid, resample
from emma_fusion.scans.nifti import encode_nifti, read_nifti
from emma_fusion.scans.open import is_volume, read_volume
from emma_fusion.scans.volume import Volume, apply_affine
from emma_fusion.scans.window import find_window, parse_window
from phantoms import (
    BIRTH,
    BLOBS,
    IDENTITY,
    NAME,
    change,
    draw,
    grid,
    lps,
    meet,
    rotation,
    write_enhanced,
    write_nifti,
    write_series,
    write_spect,
)

ANATOMICAL = (40, 48, 34)
FUNCTIONAL = (26, 28, 22)
GRIDS = {
    "as the anatomical": (grid((3, 3, 3), ANATOMICAL), ANATOMICAL),
    "coarser": (grid((5, 5, 5), FUNCTIONAL), FUNCTIONAL),
    "thick slices": (grid((2.5, 2.5, 7), (44, 52, 15)), (44, 52, 15)),
    "flipped": (grid((-5, -5, 5), FUNCTIONAL), FUNCTIONAL),
    "all flipped": (grid((-5, 5, -5), FUNCTIONAL), FUNCTIONAL),
    "oblique": (grid((5, 5, 5), FUNCTIONAL, rotation((1, 2, 3), 25)), FUNCTIONAL),
    "axes exchanged": (
        grid((5, -5, 5), FUNCTIONAL, np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])),
        FUNCTIONAL,
    ),
    "another place": (grid((5, 5, 5), FUNCTIONAL, None, (7, -9, 4)), FUNCTIONAL),
}
PARTS = {
    "straight": grid((3, 3, 3), ANATOMICAL),
    "oblique": grid((3, -3, 3.5), ANATOMICAL, rotation((3, -1, 2), 18), (2, 1, -3)),
}


def volume(affine, shape, **options):
    return Volume(draw(affine, shape, **options).astype(np.float32), affine)


# --- geometry ------------------------------------------------------------------------------------
@pytest.mark.parametrize("anatomical", PARTS)
@pytest.mark.parametrize("name", GRIDS)
def test_blobs_meet_on_the_anatomical_grid(name, anatomical):
    affine, shape = GRIDS[name]
    on_grid, share = resample(volume(affine, shape), PARTS[anatomical], ANATOMICAL)
    assert on_grid.shape == ANATOMICAL
    assert meet(on_grid, PARTS[anatomical]) < 0.1
    assert 0.5 < share <= 1


def test_the_measure_of_meeting_can_fail():
    affine = PARTS["straight"]
    shifted = affine.copy()
    shifted[:3, 3] += 2.1  # 0.7 voxels along each axis
    assert meet(draw(shifted, ANATOMICAL), affine) > 0.5
    mirrored = draw(affine, ANATOMICAL)[::-1]
    assert meet(mirrored, affine) > 0.5


def test_the_same_grid_gives_the_same_values_and_outside_is_the_smallest_value():
    affine = PARTS["oblique"]
    voxels = volume(affine, ANATOMICAL, body=1)
    again, share = resample(voxels, affine, ANATOMICAL)
    np.testing.assert_allclose(again, voxels.voxels, atol=1e-6)
    assert share == 1
    away = affine.copy()
    away[:3, 3] += affine[:3, 0] * 10
    moved, share = resample(voxels, away, ANATOMICAL)
    np.testing.assert_allclose(moved[:30], voxels.voxels[10:], atol=1e-5)
    assert (moved[31:] == voxels.voxels.min()).all()
    assert share == pytest.approx(30 / 40, abs=0.02)


def test_a_sheared_grid_is_followed():
    """A tilted gantry: slices parallel, their positions along another line."""
    affine = grid((4, 4, 4), FUNCTIONAL)
    affine[:3, 2] += (0, 1.5, 0)
    affine[:3, 3] -= (0, 1.5 * FUNCTIONAL[2] / 2, 0)
    on_grid, _ = resample(volume(affine, FUNCTIONAL), PARTS["straight"], ANATOMICAL)
    assert meet(on_grid, PARTS["straight"]) < 0.1


def test_thick_slices_show_what_lies_between_their_centres():
    """A bright layer 1 mm thick, between two slices 6 mm apart, must not vanish."""
    voxels = np.zeros((6, 6, 61), np.float32)
    voxels[:, :, 33] = 1
    fine = Volume(voxels, np.eye(4))
    thick, _ = resample(fine, np.diag([1.0, 1, 6, 1]), (6, 6, 11))
    assert thick[3, 3, 5] == pytest.approx(thick[3, 3, 6])
    assert thick[3, 3, 5] > 0.05
    assert thick[3, 3].sum() * 6 == pytest.approx(1, abs=0.1)


def test_registration_finds_where_the_patient_went():
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = rotation((1, 1, 0.5), 8), (-10, 8, 6)
    shape = (30, 36, 26)
    affine = grid((4, -4, 4), shape, rotation((3, -1, 2), 18), (2, 1, -3))
    anatomical = volume(affine, shape, body=0.6)
    functional = volume(
        *GRIDS["coarser"], body=0.3, weights=(2, -0.2, 1.4), moved=moved
    )  # other contrasts, one inverted
    found = register_rigid(functional, anatomical)
    blobs = np.array([blob[:3] for blob in BLOBS])
    apart = np.linalg.norm(apply_affine(found.motion, blobs) - apply_affine(moved, blobs), axis=1)
    assert apart.max() < 2  # half a voxel of 4 mm
    assert found.degrees == pytest.approx(8, abs=1.5)
    assert found.information[1] > found.information[0]
    again = register_rigid(functional, anatomical)
    # Its threads add up in any order: the last digits may differ.
    np.testing.assert_allclose(again.motion, found.motion, atol=1e-6)


def test_registration_leaves_scans_that_lie_right():
    anatomical = volume(PARTS["oblique"], ANATOMICAL, body=0.6)
    found = register_rigid(volume(*GRIDS["coarser"], body=0.3, weights=(2, 1, 1.4)), anatomical)
    blobs = np.array([blob[:3] for blob in BLOBS])
    assert np.abs(apply_affine(found.motion, blobs) - blobs).max() < 1.5  # half a voxel
    assert found.information[1] >= found.information[0]
    same = register_rigid(anatomical, anatomical)
    assert np.abs(apply_affine(same.motion, blobs) - blobs).max() < 0.1


def test_registration_of_what_has_nothing_to_register_is_refused():
    anatomical = volume(PARTS["straight"], ANATOMICAL, body=0.6)
    flat = Volume(np.ones(FUNCTIONAL, np.float32), GRIDS["coarser"][0])
    with pytest.raises(UserError, match="registration"):
        register_rigid(flat, anatomical)


@pytest.mark.parametrize("anatomical", PARTS)
def test_display_shows_the_right_side_on_the_left_and_the_head_above(anatomical):
    affine = PARTS[anatomical]
    voxels = np.stack(np.meshgrid(*map(np.arange, ANATOMICAL), indexing="ij"), -1)
    where = apply_affine(affine, voxels.reshape(-1, 3)).reshape(*ANATOMICAL, 3)
    shown = display_view(where, affine)
    steps = [np.diff(shown[..., axis], axis=axis).mean() for axis in range(3)]
    assert all(step < -2.5 for step in steps)  # to the left, to the back, down
    shown[:] = 0
    assert not where.any()  # a view


def test_planes_of_the_widest_voxels():
    def axis(spacing, plane="auto"):
        return slice_axis(Volume(np.zeros((2, 2, 2), np.float32), grid(spacing, (2, 2, 2))), plane)

    assert axis((1, 1, 5)) == 2
    assert axis((1, 5, -1)) == 1
    assert axis((4, 1, 1)) == 0
    assert axis((1, 1, 1)) == axis((1.02, 1, 1)) == 2
    assert axis((4, 1, 1), "coronal") == 1


def test_windows():
    seen = Volume(np.float32([[[-1, 0, 1, 99]]]), np.eye(4), window=(0.0, 50.0))
    assert find_window(seen, "auto", "a") == ("window", 0, 50)
    assert find_window(seen, "full", "a") == ("full", -1, 99)
    assert find_window(seen, "-160:240", "a") == ("fixed", -160, 240)
    with pytest.raises(UserError, match="a is a scan, and '12 bits' is for images of 16 bit"):
        find_window(seen, "12 bits", "a")
    bare = Volume(np.arange(1001, dtype=np.float32).reshape(7, 11, 13), np.eye(4))
    assert find_window(bare, "auto", "a") == (
        "percentile:0.1:99.9",
        pytest.approx(1),
        pytest.approx(999),
    )
    with pytest.raises(UserError, match="MRI is empty"):
        find_window(Volume(np.ones((2, 2, 2), np.float32), np.eye(4)), "auto", "MRI")
    assert parse_window("40:80") == (0, 80)
    for wrong in ("40", "40:0", "40:-1", "a:b", "nan:1", "1:2:3"):
        with pytest.raises(UserError, match="LEVEL:WIDTH"):
            parse_window(wrong)


# --- NIfTI ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("name", GRIDS)
def test_nifti_in(tmp_path, name, suffix):
    affine, shape = GRIDS[name]
    voxels = draw(affine, shape)
    path = write_nifti(tmp_path / f"a{suffix}", np.rint(voxels * 900).astype(np.int16), affine)
    read = read_volume(path)
    np.testing.assert_allclose(read.affine, affine, atol=1e-4)
    np.testing.assert_allclose(read.voxels, voxels * 900, atol=0.51)
    assert (read.window, read.modality, read.frames) == (None, "", ())
    assert is_volume(path)


def test_nifti_units_scaling_window_and_what_is_not_a_number(tmp_path):
    affine = grid((2, 2, 2), (5, 6, 7))
    voxels = np.full((5, 6, 7), 3.0, np.float32)
    voxels[0, 0, 0], voxels[1, 1, 1], voxels[2, 2, 2] = np.nan, -8, np.inf
    path = write_nifti(tmp_path / "a.nii", voxels, affine / [[1e3], [1e3], [1e3], [1]])
    with_units = nib.load(path)
    with_units.header.set_xyzt_units("meter")
    with_units.header["cal_max"] = 5
    nib.save(with_units, tmp_path / "b.nii")
    read = read_nifti(tmp_path / "b.nii")
    np.testing.assert_allclose(read.affine, affine, atol=1e-4)
    assert read.window == (0, 5)
    assert read.voxels[0, 0, 0] == read.voxels[2, 2, 2] == -8
    one_time = write_nifti(tmp_path / "c.nii", voxels[..., None], affine)
    assert read_nifti(one_time).voxels.shape == (5, 6, 7)


def test_nifti_that_cannot_be_fused(tmp_path):
    affine, voxels = grid((2, 2, 2), (5, 6, 7)), np.ones((5, 6, 7), np.float32)

    def refused(path, says):
        with pytest.raises(UserError, match=says) as error:
            read_volume(path)
        assert str(path) in str(error.value)

    path = tmp_path / "a.nii"
    refused(path, "does not exist")
    refused(write_nifti(path, voxels, affine, code=0), "left and right are unknown")
    refused(write_nifti(path, np.stack([voxels] * 3, -1), affine), "holds 3 volumes")
    refused(write_nifti(path, voxels[0], affine), "three axes")
    refused(write_nifti(path, voxels.astype(np.complex64), affine), "complex")
    refused(write_nifti(path, voxels * np.nan, affine), "none of its voxels holds a measured")
    write_nifti(path, voxels, affine)
    path.write_bytes(path.read_bytes()[:-50])
    refused(path, "end too early")
    path.write_bytes(b"not a volume")
    refused(path, "not a NIfTI file")
    packed = tmp_path / "b.nii.gz"
    packed.write_bytes(gzip.compress(b"x" * 4000)[:-9])
    refused(packed, "damaged")
    image = nib.Nifti1Image(voxels, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine @ np.diag([1, 1, 1.5, 1]), 1)
    nib.save(image, path)
    refused(path, "contradicts itself")
    image.set_qform(affine @ np.diag([1, 1, 1.5, 1]), 2)  # another space may well be elsewhere
    nib.save(image, path)
    np.testing.assert_allclose(read_volume(path).affine, affine)


@pytest.mark.parametrize("name", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "rgb", "sheared"])
def test_nifti_out_as_other_readers_see_it(tmp_path, name, kind):
    affine = PARTS["oblique"].copy()
    if kind == "sheared":
        affine[:3, 2] += (0, 1.5, 0)
    shape = (5, 6, 7, 3) if kind == "rgb" else (5, 6, 7)
    dtype = np.uint16 if kind == "uint16" else np.uint8
    voxels = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    path = tmp_path / f"f{name}"
    path.write_bytes(encode_nifti(path, voxels, affine, note="emma-fusion"))
    image = nib.load(path)
    np.testing.assert_allclose(image.affine, affine, atol=1e-4)
    data = np.asarray(image.dataobj)
    if kind == "rgb":
        data = np.stack([data[channel] for channel in "RGB"], -1)
    np.testing.assert_array_equal(data, voxels)
    assert image.header["descrip"].item() == b"emma-fusion"
    if kind == "sheared":
        return  # ITK has no sheared grids
    seen = sitk.ReadImage(str(path))
    for index in ((0, 0, 0), (4, 5, 6)):
        wanted = lps(affine) @ [*index, 1]
        np.testing.assert_allclose(seen.TransformIndexToPhysicalPoint(index), wanted[:3], atol=1e-3)


# --- DICOM ---------------------------------------------------------------------------------------
SERIES = {
    "straight": grid((2, 2, 5), (30, 40, 12)),
    "flipped": grid((-2, -2.5, 5), (30, 40, 12)),
    "oblique": grid((2, -2.5, 5), (30, 40, 12), rotation((1, 2, 3), 30)),
    "sagittal": grid((2, 2, 5), (30, 40, 12), np.array([[0, 0, 1.0], [1, 0, 0], [0, -1, 0]])),
}


@pytest.mark.parametrize("name", SERIES)
def test_series_in_as_other_readers_see_it(tmp_path, name):
    affine = SERIES[name]
    voxels = draw(affine, (30, 40, 12), body=0.5)
    folder = write_series(tmp_path / "s", voxels, affine)
    read = read_volume(folder)
    # slices may be counted from either end: compare where the values lie, not their order
    back = np.linalg.inv(affine) @ read.affine
    flipped = back[2, 2] < 0
    np.testing.assert_allclose(np.abs(back[:3, :3]), np.eye(3), atol=1e-6)
    seen = read.voxels[:, :, ::-1] if flipped else read.voxels
    np.testing.assert_allclose(seen, voxels, atol=0.00051)
    assert read.modality == "MR"
    assert len(read.frames) == 12
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    for index in ((3, 5, 2), (20, 30, 9)):
        place = np.array(image.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
        ours = np.rint(np.linalg.inv(read.affine) @ [*place, 1])[:3].astype(int)
        assert read.voxels[tuple(ours)] == pytest.approx(image.GetPixel(index), abs=1e-5)


def test_the_same_patient_as_nifti_and_as_dicom_meets(tmp_path):
    for name, affine in SERIES.items():
        shape = (30, 40, 12)
        folder = write_series(tmp_path / name, draw(affine, shape), affine)
        on_grid, _ = resample(read_volume(folder), PARTS["straight"], ANATOMICAL)
        anatomical = write_nifti(
            tmp_path / f"{name}.nii", draw(PARTS["straight"], ANATOMICAL), PARTS["straight"]
        )
        assert meet(read_volume(anatomical).voxels, read_volume(anatomical).affine) < 0.05
        inside = resample(Volume(np.ones(shape, np.float32), affine), PARTS["straight"], ANATOMICAL)
        assert inside[1] < 1
        covered = read_volume(anatomical).voxels
        # where the series lies, its values are those of the other file
        both = on_grid > 0.2
        assert np.corrcoef(on_grid[both], covered[both])[0, 1] > 0.98


def test_enhanced_and_nuclear_files_of_many_frames(tmp_path):
    affine = SERIES["oblique"]
    voxels = draw(affine, (30, 40, 12), body=0.5)
    for path in (
        write_enhanced(tmp_path / "e.dcm", voxels, affine),
        write_spect(tmp_path / "n.dcm", voxels, affine),
    ):
        assert is_volume(path)
        read = read_volume(path)
        scale = 1 if path.name == "e.dcm" else 1000
        if np.linalg.det(affine[:3, :3]) * np.linalg.det(read.affine[:3, :3]) < 0:
            np.testing.assert_allclose(read.voxels[:, :, ::-1], voxels * scale, atol=0.6)
        else:
            np.testing.assert_allclose(read.voxels, voxels * scale, atol=0.6)


def test_a_tilted_gantry_is_read_as_sheared(tmp_path):
    affine = SERIES["straight"].copy()
    affine[:3, 2] += (0, 1.5, 0)
    read = read_volume(write_series(tmp_path / "s", draw(affine, (30, 40, 12)), affine))
    np.testing.assert_allclose(
        np.abs(np.linalg.inv(affine) @ read.affine)[:3, :3], np.eye(3), atol=1e-6
    )


@pytest.mark.parametrize(
    ("tags", "window"),
    [
        ({"WindowCenter": "40", "WindowWidth": "81"}, (-0.5, 79.5)),
        ({"WindowCenter": ["40", "9"], "WindowWidth": ["81", "3"]}, (-0.5, 79.5)),
        ({"WindowCenter": "40", "WindowWidth": "80", "VOILUTFunction": "LINEAR_EXACT"}, (0, 80)),
        ({"WindowCenter": "40", "WindowWidth": "0"}, None),
        ({"WindowCenter": "40"}, None),
        ({}, None),
    ],
)
def test_windows_of_series(tmp_path, tags, window):
    folder = write_series(tmp_path / "s", np.ones((4, 5, 2)), np.eye(4), **tags)
    assert read_volume(folder).window == window


def test_windows_that_differ_are_spanned_and_black_and_white_exchanged(tmp_path):
    affine = np.diag([-1.0, -1, 1, 1])
    folder = write_series(tmp_path / "s", np.ones((4, 5, 3)), affine, WindowWidth="11")
    for path, level in zip(sorted(folder.iterdir()), ("5.5", "9.5", "7.5"), strict=True):
        change(path, WindowCenter=level)
    assert read_volume(folder).window == (0, 14)
    for path in folder.iterdir():
        change(path, PhotometricInterpretation="MONOCHROME1")
    turned = read_volume(folder)
    assert turned.inverted
    assert turned.window == (0, 14)
    assert (turned.voxels == 1).all()


def test_slope_and_unit_of_each_slice(tmp_path):
    affine = np.diag([-1.0, -1, 1, 1])
    folder = write_series(tmp_path / "s", np.ones((4, 5, 3)), affine, "PT", Units="BQML")
    for k, path in enumerate(sorted(folder.iterdir())):
        change(path, RescaleSlope=f"{0.001 * (k + 1)}", InstanceNumber=1)
    read = read_volume(folder)
    assert sorted(read.voxels[0, 0].round(4).tolist()) == [1, 2, 3]
    assert (read.unit, read.modality) == ("BQML", "PT")


def damage_series(folder, what):
    first, *_, last = files = sorted(folder.iterdir())
    match what:
        case "missing slice":
            files = sorted(files, key=lambda p: float(sitk.ReadImage(str(p)).GetOrigin()[2]))
            files[2].unlink()
        case "repeated slice":
            (folder / "again").write_bytes(last.read_bytes())
            change(folder / "again", SOPInstanceUID=generate_uid())
        case "two series":
            (folder / "other").write_bytes(last.read_bytes())
            change(folder / "other", SeriesInstanceUID=generate_uid())
        case "not parallel":
            change(last, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
        case "no position":
            change(last, ImagePositionPatient=None)
        case "no orientation":
            change(first, ImageOrientationPatient=None)
        case "no spacing":
            change(last, PixelSpacing=None)
        case "spacing of zero":
            change(last, PixelSpacing=[0, 1])
        case "other spacing":
            change(last, PixelSpacing=[3, 3])
        case "other size":
            change(last, Rows=7)
        case "other frame of reference":
            change(last, FrameOfReferenceUID=generate_uid())
        case "orientation of nonsense":
            for file in files:
                change(file, ImageOrientationPatient=[1, 0, 0, 1, 0, 0])
        case "cut pixels":
            change(last, PixelData=b"12")
        case "no pixels":
            change(last, PixelData=None)
        case "cut header":
            last.write_bytes(last.read_bytes()[:400])
        case "colours":
            for file in files:
                change(file, SamplesPerPixel=3, PhotometricInterpretation="RGB")
        case "video":
            dataset = pydicom.dcmread(last)
            dataset.PixelData = encapsulate([b"video"])
            dataset.file_meta.TransferSyntaxUID = MPEG2MPML
            dataset.save_as(last)
        case "one slice":
            for file in files[1:]:
                file.unlink()
            change(first, SliceThickness=None)
        case "nothing":
            for file in files:
                file.write_text("a text")


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("missing slice", "a slice is missing"),
        ("repeated slice", "several slices at one place"),
        ("two series", "holds 2 series"),
        ("not parallel", "not parallel"),
        ("no position", "no ImagePositionPatient"),
        ("no orientation", "no ImageOrientationPatient"),
        ("no spacing", "no PixelSpacing"),
        ("spacing of zero", "not above 0"),
        ("other spacing", "another PixelSpacing"),
        ("other size", "another number of pixels"),
        ("other frame of reference", "frame of reference"),
        ("orientation of nonsense", "no pair of directions"),
        ("cut pixels", "could not be decoded"),
        ("no pixels", "no pixels"),
        ("cut header", "cut short|ends too early"),
        ("colours", "holds colours"),
        ("video", "compressed as MPEG2.*could not be decoded"),
        ("one slice", "how thick"),
        ("nothing", "no DICOM images"),
    ],
)
def test_series_that_cannot_be_fused_get_one_sentence(tmp_path, what, says):
    affine = np.diag([-2.0, -2, 3, 1])
    folder = write_series(tmp_path / "s", np.ones((6, 8, 6)), affine)
    damage_series(folder, what)
    with pytest.raises(UserError, match=says) as error:
        read_series(folder)
    text = str(error.value)
    assert not any(secret in text for secret in ("Secret", IDENTITY, BIRTH))
    assert text.count("\n") == 0


@pytest.mark.parametrize("kind", ["run lengths", "jpeg 2000"])
def test_compressed_pixels(tmp_path, kind):
    affine = np.diag([-2.0, -2, 3, 1])
    voxels = np.random.default_rng(0).integers(0, 4000, (64, 72, 3)) / 1000
    folder = write_series(tmp_path / "s", voxels, affine)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        if kind == "run lengths":
            dataset.compress(RLELossless)
        else:
            stored = dataset.pixel_array.astype(np.uint16)
            flags = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
            boxes = cv2.imencode(".jp2", stored, flags)[1].tobytes()
            dataset.PixelData = encapsulate([boxes[boxes.index(b"\xff\x4f\xff\x51") :]])
            dataset["PixelData"].is_undefined_length = True
            dataset.PixelRepresentation = 0
            dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        dataset.save_as(path)
    read = read_volume(folder)
    seen = read.voxels if read.affine[2, 2] > 0 else read.voxels[:, :, ::-1]
    np.testing.assert_allclose(seen, voxels, atol=1e-5)


def test_what_pydicom_would_quote_is_not_said(tmp_path):
    """Invalid values of patient tags are in pydicom's warnings."""
    affine = np.diag([-2.0, -2, 3, 1])
    folder = write_series(tmp_path / "s", np.ones((6, 8, 3)), affine)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(BIRTH.encode(), b"Secret!!"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_volume(folder)
    assert NAME not in repr(read.affine)
