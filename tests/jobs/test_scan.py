"""Scans through the one line for them: what is said, what is written, and with which values."""

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pydicom
import pytest

from emma_fusion.cli import main
from emma_fusion.errors import UserError
from emma_fusion.jobs import scan, scan_folder
from emma_fusion.jobs.fuse import fuse
from emma_fusion.jobs.messages import Messages
from emma_fusion.jobs.request import FuseRequest, ScanOptions
from emma_fusion.scans.open import read_volume
from emma_fusion.values.overlay import overlay
from phantoms import change, write_nifti, write_series

AFFINE = np.diag([-2.0, -2, 3, 1])
SHAPE = (6, 8, 5)
RNG = np.random.default_rng(0)
MR, PT = RNG.integers(1, 900, SHAPE) / 1000, RNG.integers(1, 900, SHAPE) / 1000


class Heard(Messages):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.fixture
def opened(monkeypatch):
    """A network that says what the anatomical scan says; counts how often it is opened."""
    times = []

    def open_fuser(network, threads=None):
        times.append(network)
        return SimpleNamespace(
            name="copy", precision="fp32", fuse_luminance=lambda pair: pair.visible
        )

    monkeypatch.setattr(scan, "open_fuser", open_fuser)
    monkeypatch.setattr(scan_folder, "open_fuser", open_fuser)
    return times


@pytest.fixture
def series(tmp_path):
    return (
        write_series(tmp_path / "pt", PT, AFFINE, "PT"),
        write_series(tmp_path / "mr", MR, AFFINE),
    )


def run(first, second, target, scan_options=None, **options):
    heard = Heard()
    request = FuseRequest(
        str(first), str(second), str(target), scan=scan_options or ScanOptions(), **options
    )
    return fuse(request, heard), "\n".join(heard.lines)


def grey(path):
    return np.asarray(nib.load(path).dataobj)


def rgb(path):
    voxels = np.asarray(nib.load(path).dataobj)
    return np.stack([voxels[channel] for channel in "RGB"], -1)


def test_a_window_in_the_files_own_units_of_an_inverted_series(opened, series, tmp_path):
    for path in series[1].iterdir():
        change(path, PhotometricInterpretation="MONOCHROME1")
    target = tmp_path / "f.nii"
    run(*series, target, ScanOptions(window="0.4:0.4"), colour="none")
    wanted = np.rint(255 * np.clip((0.6 - MR) / 0.4, 0, 1))
    np.testing.assert_allclose(grey(target), wanted, atol=1)
    record = json.loads((tmp_path / "f.nii.json").read_text())
    assert record["visible"]["range"] == pytest.approx([0.2, 0.6])
    assert record["visible"]["inverted"]
    assert not record["infrared"]["inverted"]


def test_what_is_doubtful_is_said(opened, series, tmp_path):
    for path in series[1].iterdir():
        change(path, WindowCenter="20000", WindowWidth="100")
    (series[0] / "notes.txt").write_text("a text")
    _, said = run(*series, tmp_path / "f.nii")
    assert f"Note: What is no DICOM file in {series[0]} is left out: notes.txt." in said
    assert f"Note: The window that {series[1]} asks for, 19950 to 20049, misses its values" in said
    record = json.loads((tmp_path / "f.nii.json").read_text())
    assert record["visible"]["rule"] == "percentile:0.1:99.9"


def test_without_a_study_a_series_is_written_and_it_is_said(opened, series, tmp_path):
    for path in series[1].iterdir():
        change(path, StudyInstanceUID=None)
    _, said = run(*series, tmp_path / "out")
    assert "Note: The anatomical series names no study" in said
    files = [pydicom.dcmread(path) for path in sorted((tmp_path / "out").iterdir())]
    assert len(files) == SHAPE[2]
    assert len({file.StudyInstanceUID for file in files}) == 1
    assert all(file.StudyInstanceUID.is_valid for file in files)


def test_what_cannot_be_written_is_found_before_a_network_is_opened(
    opened, series, tmp_path, monkeypatch
):
    def fail(*arguments):
        raise UserError("this cannot be written")

    monkeypatch.setattr(scan, "SecondaryCapture", fail)
    with pytest.raises(UserError, match="cannot be written"):
        run(*series, tmp_path / "out")
    assert opened == []
    assert not (tmp_path / "out").exists()


def test_an_overlay_beside_a_nifti_file(opened, series, tmp_path):
    target = tmp_path / "f.nii.gz"
    _, said = run(*series, target, ScanOptions(window="0.5:1"), overlay=0.3, infrared_range="0:1")
    assert f"Wrote {tmp_path / 'f_overlay.nii.gz'}" in said
    laid = rgb(tmp_path / "f_overlay.nii.gz")
    for k in range(SHAPE[2]):
        plane = overlay(np.float32(PT[:, :, k]), np.float32(MR[:, :, k]), "hot", 0.3)
        np.testing.assert_allclose(laid[:, :, k], 255 * plane, atol=1)
    record = json.loads((tmp_path / "f_overlay.nii.gz.json").read_text())
    assert record["overlay"] == {"palette": "hot", "opacity": 0.3}
    assert "model" not in record
    with pytest.raises(UserError, match="exists"):
        run(*series, target, overlay=0.3)
    target.unlink()
    with pytest.raises(UserError, match=r"f_overlay\.nii\.gz exists"):
        run(*series, target, overlay=0.3)


def test_an_overlay_beside_a_series_is_a_series_of_its_own(opened, series, tmp_path):
    run(*series, tmp_path / "out", overlay=0.5)
    fused, laid = (pydicom.dcmread(tmp_path / name / "0001.dcm") for name in ("out", "out_overlay"))
    assert (fused.SeriesDescription, laid.SeriesDescription) == ("Fused", "Overlay")
    assert fused.SeriesInstanceUID != laid.SeriesInstanceUID
    assert fused.StudyInstanceUID == laid.StudyInstanceUID
    assert len(list((tmp_path / "out_overlay").iterdir())) == SHAPE[2]


@pytest.mark.parametrize("opacity", [-0.1, 1.5])
def test_an_opacity_outside_its_range_is_refused_first(opened, series, tmp_path, opacity):
    with pytest.raises(UserError, match="between 0 and 1"):
        run(*series, tmp_path / "f.nii", overlay=opacity)
    assert opened == []


def test_palettes(opened, series, tmp_path):
    pet = write_nifti(tmp_path / "scan.nii", PT, AFFINE)
    _, said = run(pet, series[1], tmp_path / "a.nii")
    assert f"{pet} does not say what it is" in said
    assert rgb(tmp_path / "a.nii").shape == (*SHAPE, 3)
    _, said = run(pet, series[1], tmp_path / "b.nii", palette="none")
    assert "does not say what it is" not in said
    assert grey(tmp_path / "b.nii").dtype == np.uint8
    _, said = run(pet, series[1], tmp_path / "c.nii", depth="16")
    assert "left grey, since coloured volumes have 8 bits" in said
    assert grey(tmp_path / "c.nii").dtype == np.uint16


# --- folders --------------------------------------------------------------------------------------
def test_folders_of_scans(opened, series, tmp_path):
    first, second, target = (tmp_path / name for name in ("PET", "MRI", "OUT"))
    for folder in (first, second):
        folder.mkdir()
    for name in ("a.nii.gz", "b.nii", "c.nii"):
        write_nifti(first / name, PT, AFFINE)
    write_nifti(second / "a.nii", MR, AFFINE)
    (second / "b.nii.gz").write_bytes(b"not a scan")
    series[0].rename(first / "d")
    series[1].rename(second / "d")
    outcome, said = run(first, second, target)
    assert f"No partner for {first / 'c.nii'}" in said
    assert "Fused 2 of 3 pairs" in said
    (failure,) = outcome.failures
    assert failure.startswith(f"b.nii.gz: {second / 'b.nii.gz'} is damaged")
    assert len(opened) == 1
    assert sorted(path.name for path in target.iterdir()) == [
        *("a.nii.gz", "a.nii.gz.json", "d", "d.json"),
    ]
    assert read_volume(second / "d").voxels.shape == SHAPE
    again, said = run(first, second, target)
    assert "Skipped 2 that exist" in said
    assert len(again.failures) == 1


def test_folders_of_scans_without_a_pair_or_without_a_partner(opened, tmp_path):
    first, second = tmp_path / "PET", tmp_path / "MRI"
    for folder in (first, second):
        folder.mkdir()
    write_nifti(first / "a.nii", PT, AFFINE)
    with pytest.raises(UserError, match="is a folder of scans and"):
        run(first, second, tmp_path / "OUT")
    write_nifti(second / "b.nii", MR, AFFINE)
    with pytest.raises(UserError, match=r"No pairs: .* has 1 scans and .* has 1"):
        run(first, second, tmp_path / "OUT")
    assert not (tmp_path / "OUT").exists()


# --- emma info ------------------------------------------------------------------------------------
def info(capsys, *arguments, code=0):
    with pytest.raises(SystemExit) as end:
        main(["info", *map(str, arguments)])
    said = capsys.readouterr()
    assert (end.value.code or 0) == code, said.err
    return said.out, said.err


def test_info_on_scans(series, tmp_path, capsys):
    for path in series[1].iterdir():
        change(path, WindowCenter="20000", WindowWidth="100")
    said, _ = info(capsys, *series)
    assert f"infrared  {series[0]}: PT, 6x8x5 voxels of 2x2x3 mm, axial" in said
    assert "Note: The window that" in said
    assert "fused     6x8x5 voxels, coloured by the palette hot; 100% of it lies" in said
    facts = json.loads(info(capsys, *series, "--json")[0])
    assert (facts["covered"], facts["fused"]["palette"]) == (1, "hot")
    assert facts["visible"]["shape"] == list(SHAPE)
    affine = AFFINE.copy()
    affine[0, 3] = 900
    far = write_nifti(tmp_path / "far.nii", MR, affine)
    _, error = info(capsys, series[0], far, code=2)
    assert "do not overlap" in error


# --- the inputs that once failed ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("functional", "anatomical", "says"),
    [
        ("dicom/PT", "dicom/MR", ""),
        ("dicom/PT", "dicom/MR_nopreamble_last", ""),
        ("dicom/PT", "dicom/MR_sub", ""),
        ("dicom/PT", "dicom/MR_winstale", "misses its values"),
        ("dicom/PT", "dicom/MR_nostudy", "names no study"),
        ("dicom/CT_pad", "dicom/MR", ""),
        ("nifti/pet.nii.gz", "nifti/mri.mgz", ""),
        ("nifti/pet.nii.gz", "nifti/gz_named.nii", ""),
        ("nifti/pet.nii.gz", "nifti/mri01_calstale.nii.gz", "misses its values"),
        ("nifti/pet.nii.gz", "nifti/ana.img", "which side is left"),
    ],
)
def test_cases_give_the_scan_itself(opened, data, tmp_path, functional, anatomical, says):
    cases = data.parent / "cases"
    if not cases.is_dir():
        pytest.skip(f"no failing inputs: {cases} does not exist")
    target = tmp_path / ("out" if anatomical.startswith("dicom") else "f.nii")
    _, said = run(cases / functional, cases / anatomical, target, colour="none")
    assert says in said
    fixed = read_volume(cases / anatomical)
    low, high = np.percentile(fixed.voxels, [0.1, 99.9])
    wanted = np.rint(255 * np.clip((fixed.voxels - low) / (high - low), 0, 1))
    if target.name == "f.nii":
        fused = grey(target)
    else:
        files = [pydicom.dcmread(path).pixel_array.T for path in sorted(target.iterdir())]
        fused = np.stack(files, -1)
    np.testing.assert_allclose(fused, wanted, atol=1)
    assert fused.std() > 30
