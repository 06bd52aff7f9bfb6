"""Series as they lie on disks: cut, without preamble, in subfolders, with padding."""

import zlib

import numpy as np
import pydicom
import pytest
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from emma_fusion.errors import UserError
from emma_fusion.scans import dicom_file
from emma_fusion.scans.dicom import read_series
from emma_fusion.scans.open import is_volume
from emma_fusion.scans.secondary_capture import SecondaryCapture
from emma_fusion.scans.window import apply_window, find_window
from phantoms import BIRTH, IDENTITY, change, write_series

AFFINE = np.diag([-2.0, -2, 3, 1])  # columns, rows and slices as they are stored
SHAPE = (6, 8, 5)
VOXELS = np.random.default_rng(0).integers(0, 900, SHAPE) / 1000


@pytest.fixture
def series(tmp_path):
    return write_series(tmp_path / "series", VOXELS, AFFINE)


def last_slice(folder):
    """The file of the slice nearest to the head, whose loss leaves the spacing even."""
    return max(
        folder.iterdir(),
        key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2]),
    )


def after_meta(path):
    """Where the dataset begins, behind the preamble and the group of file meta information."""
    return 144 + int(read_file_meta_info(path).FileMetaInformationGroupLength)


def refusal(folder):
    with pytest.raises(UserError) as error:
        read_series(folder)
    said = str(error.value)
    assert not any(secret in said for secret in ("Secret", IDENTITY, BIRTH))
    return said


# --- files that are no slice, or hide that they are one -------------------------------------------
def test_an_empty_file_among_the_slices_is_named(series):
    path = last_slice(series)
    path.write_bytes(b"")
    assert f"{path} is empty" in refusal(series)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.8, 0.95])
@pytest.mark.parametrize("mark", [True, False])
def test_a_cut_file_is_named(series, share, mark):
    path = last_slice(series)
    data = path.read_bytes() if mark else path.read_bytes()[132:]
    path.write_bytes(data[: int(share * len(data))])
    assert str(path) in refusal(series)


def test_a_file_of_another_format_named_as_a_slice_is_named(series):
    for path in list(series.iterdir()):
        path.rename(path.with_suffix(".dcm"))
    path = last_slice(series)
    path.write_bytes(b"<html>quota exceeded</html>")
    assert f"{path} is damaged" in refusal(series)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("which", ["one", "all"])
def test_files_without_preamble_are_read(series, implicit, which):
    paths = list(series.iterdir()) if which == "all" else [last_slice(series)]
    for path in paths:
        dataset = pydicom.dcmread(path)
        del dataset.file_meta
        dataset.preamble = None
        dataset.save_as(path, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[:2] == b"\x08\x00"
    assert is_volume(series)
    read = read_series(series)
    np.testing.assert_allclose(read.voxels, VOXELS, atol=1e-6)
    assert read.notes == ()


def test_files_with_preamble_that_do_not_name_their_syntax_are_read(series):
    for path in series.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path)
        data, start = path.read_bytes(), after_meta(path)
        path.write_bytes(data[:132] + data[start:])
    np.testing.assert_allclose(read_series(series).voxels, VOXELS, atol=1e-6)


def test_what_is_no_dicom_is_left_out_with_a_word(series):
    (series / "LICENSE").write_text("a text")
    (series / "viewer.exe").write_bytes(b"MZ")
    (series / "DICOMDIR").write_text("an index")
    (series / ".hidden").write_text("")
    read = read_series(series)
    assert read.voxels.shape == SHAPE
    assert read.notes == (f"What is no DICOM file in {series} is left out: LICENSE, viewer.exe.",)
    for number in range(5):
        (series / f"note{number}.txt").write_text("a text")
    (note,) = read_series(series).notes
    assert note.endswith("LICENSE, note0.txt, note1.txt and 4 more.")


def test_a_tag_that_cannot_be_read_is_as_one_that_is_not_there(series):
    for path in series.iterdir():
        data = path.read_bytes()
        for tag in (b"\x02\x00\x02\x00UI", b"\x08\x00\x60\x00CS"):  # class, and modality
            assert tag in data
            data = data.replace(tag, tag[:4] + b"U\x17")
        path.write_bytes(data)
    read = read_series(series)
    assert (read.modality, read.voxels.shape) == ("", SHAPE)
    assert len(SecondaryCapture(read.frames).encode(np.zeros(SHAPE, np.uint8), "")) == SHAPE[2]


# --- folders --------------------------------------------------------------------------------------
def test_a_series_in_subfolders_is_one_volume(series, tmp_path):
    for number, path in enumerate(sorted(series.iterdir())):
        folder = tmp_path / "study" / f"S{number % 2}" / "deep"
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    assert is_volume(tmp_path / "study")
    read = read_series(tmp_path / "study")
    np.testing.assert_allclose(read.voxels, VOXELS, atol=1e-6)
    assert read.notes == ()


def test_half_of_a_series_in_a_subfolder_is_not_forgotten(series):
    (series / "more").mkdir()
    path = min(series.glob("IM*"))
    path.rename(series / "more" / path.name)
    assert read_series(series).voxels.shape == SHAPE


def test_another_series_below_is_left_out_with_a_word_and_two_below_are_refused(series, tmp_path):
    write_series(series / "old", VOXELS, AFFINE, "CT")
    read = read_series(series)
    assert (read.modality, read.voxels.shape) == ("MR", SHAPE)
    assert read.notes == (f"Folders in {series} hold other series (5 of CT), which are left out.",)
    series.rename(tmp_path / "old")
    (tmp_path / "study").mkdir()
    (tmp_path / "old").rename(tmp_path / "study" / "new")
    assert "holds 2 series (5 of MR, 5 of CT)" in refusal(tmp_path / "study")


def test_a_folder_of_images_is_no_scan_whatever_lies_below(series, tmp_path):
    (tmp_path / "image.png").write_bytes(b"")
    assert not is_volume(tmp_path)
    assert is_volume(series)


# --- values ---------------------------------------------------------------------------------------
def test_black_and_white_exchanged_leaves_the_values_and_inverts_what_is_shown(series):
    for path in series.iterdir():
        change(path, PhotometricInterpretation="MONOCHROME1")
    read = read_series(series)
    np.testing.assert_allclose(read.voxels, VOXELS, atol=1e-6)
    assert read.inverted
    assert read.darkest == pytest.approx(VOXELS.max())
    kind, low, high = find_window(read, "0.2:0.7", "MR")
    assert (kind, low, high) == ("fixed", 0.2, 0.7)
    shown = apply_window(read, read.voxels, low, high)
    np.testing.assert_allclose(shown, np.clip((0.7 - VOXELS) / 0.5, 0, 1), atol=1e-5)


@pytest.mark.parametrize(
    "tags",
    [
        {"PixelPaddingValue": -2000},
        {"PixelPaddingValue": -2000 % 2**16},  # the same bits, written as unsigned
        {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1900},
    ],
)
@pytest.mark.parametrize("inverted", [False, True])
def test_padding_is_left_out_of_every_range(tmp_path, tags, inverted):
    voxels = VOXELS.copy()
    voxels[:2] = -2.0
    if "PixelPaddingRangeLimit" in tags:
        voxels[1] = -1.9
    folder = write_series(tmp_path / "s", voxels, AFFINE)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        for tag, value in tags.items():
            dataset.add_new(tag, "SS" if value < 0 else "US", value)
        if inverted:
            dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.save_as(path)
    read = read_series(folder)
    np.testing.assert_array_equal(read.known, voxels > -1)
    rest = np.rint(VOXELS[2:] * 1000) / 1000
    np.testing.assert_allclose(read.voxels[2:], rest, atol=1e-6)
    darkest = rest.max() if inverted else rest.min()
    np.testing.assert_allclose(read.voxels[:2], darkest, atol=1e-6)
    assert find_window(read, "full", "CT")[1:] == pytest.approx((rest.min(), rest.max()))
    wanted = np.percentile(rest, [0.1, 99.9])
    np.testing.assert_allclose(find_window(read, "auto", "CT")[1:], wanted, atol=1e-5)
    shown = apply_window(read, read.voxels, *find_window(read, "auto", "CT")[1:])
    assert (shown[:2] == 0).all()


def test_nothing_but_padding_is_refused(series):
    for path in series.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.add_new("PixelPaddingValue", "SS", 0)
        dataset.add_new("PixelPaddingRangeLimit", "SS", 1000)
        dataset.save_as(path)
    assert "none of its voxels holds a measured value" in refusal(series)


# --- what would be read as something else --------------------------------------------------------
@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]}, "is a Siemens mosaic"),
        ({"HighBit": 11}, "BitsStored 16 and HighBit 11"),
        ({"BitsStored": 12}, "BitsStored 12 and HighBit 15"),
        ({"BitsStored": 17, "HighBit": 16}, "BitsAllocated is 16, BitsStored 17"),
        ({"NumberOfFrames": "999999999"}, "claims 999999999 slices"),
        ({"NumberOfFrames": "-1"}, "claims -1 slices"),
        ({"Rows": 65535, "Columns": 65535}, "65535x65535 pixels"),
        ({"Rows": 0}, "6x0 pixels"),
    ],
)
def test_files_that_contradict_themselves(series, tags, says):
    for path in series.iterdir():
        change(path, **tags)
    assert says in refusal(series)


def test_twelve_of_sixteen_bits_are_read(series):
    for path in series.iterdir():
        change(path, BitsStored=12, HighBit=11)
    np.testing.assert_allclose(read_series(series).voxels, VOXELS, atol=1e-6)


def test_a_deflated_file_is_read_and_a_bomb_is_not(series, monkeypatch):
    for path in series.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(path)
    np.testing.assert_allclose(read_series(series).voxels, VOXELS, atol=1e-6)
    monkeypatch.setattr(dicom_file, "MAX_INFLATED", 2**22)
    path = last_slice(series)
    data, start = path.read_bytes(), after_meta(path)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(data[:start] + deflate.compress(bytes(2**23)) + deflate.flush())
    assert "more than 4194304 bytes once it is inflated" in refusal(series)


# --- the failing inputs themselves ---------------------------------------------------------------
def test_the_cases_of_series(cases):
    cases = cases / "dicom"
    whole = read_series(cases / "MR")
    assert whole.voxels.shape == (32, 40, 12)
    assert (whole.voxels.min(), whole.voxels.max(), whole.notes) == (5, 637, ())
    for name in ("MR_nopreamble_last", "MR_sub", "MR_nostudy", "MR_winstale"):
        read = read_series(cases / name)
        np.testing.assert_array_equal(read.voxels, whole.voxels)
        np.testing.assert_allclose(read.affine, whole.affine)
        assert find_window(read, "auto", "MR")[0] == "percentile:0.1:99.9"
        assert len(read.notes) == (name == "MR_winstale")
    inverted = read_series(cases / "MR_mono1")
    np.testing.assert_array_equal(inverted.voxels, 4095 - whole.voxels)
    ranges = [find_window(read, "auto", "MR")[1:] for read in (whole, inverted)]
    np.testing.assert_allclose(
        apply_window(inverted, inverted.voxels, *ranges[1]),
        apply_window(whole, whole.voxels, *ranges[0]),
        atol=1e-3,
    )
    padded = read_series(cases / "CT_pad")
    assert find_window(padded, "full", "CT")[1:] == (-1000, 40)
    assert not padded.known.all()
    assert "IM0011.dcm is empty" in refusal(cases / "MR_last_zero")
    assert "1.dcm is a Siemens mosaic" in refusal(cases / "MR_mosaic")


def test_other_series_uids_do_not_matter_to_the_test_of_two(series):
    change(last_slice(series), SeriesInstanceUID=generate_uid())
    assert "holds 2 series" in refusal(series)
