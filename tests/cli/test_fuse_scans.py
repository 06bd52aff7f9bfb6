"""Scans through the command line: where the blobs are afterwards, and what is not said."""

import json

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

from emma_fusion.cli import main
from emma_fusion.fuser import Fuser
from emma_fusion.images.raster import write_image
from emma_fusion.images.record import read_record
from phantoms import (
    BIRTH,
    IDENTITY,
    change,
    draw,
    grid,
    meet,
    rotation,
    write_nifti,
    write_series,
    write_spect,
)

SHAPE = (32, 38, 8)
AFFINE = grid((3, -3, 9), SHAPE, rotation((1, 1, 3), 10))
PET_SHAPE = (20, 22, 18)
PET = grid((-5, 5, 5), PET_SHAPE)


@pytest.fixture
def copying(monkeypatch):
    """A network that says what the functional scan says, so that places can be looked at."""
    monkeypatch.setattr(Fuser, "fuse_luminance", lambda self, pair, *_: pair.infrared)


@pytest.fixture
def emma(capfd, model):
    def run(*arguments, code=0):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["fuse", *map(str, arguments), "--model", str(model)])
        said = capfd.readouterr()
        assert (end.value.code or 0, said.out) == (code, ""), said.err
        assert not any(secret in said.err for secret in ("Traceback", "Secret", IDENTITY, BIRTH))
        if code == 2:
            assert said.err.splitlines()[-1].startswith("emma: ")
        return said.err

    return run


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """The same patient as NIfTI and as DICOM: PET, SPECT and MRI."""
    folder = tmp_path_factory.mktemp("scans")
    mri, pet = draw(AFFINE, SHAPE, body=0.5), draw(PET, PET_SHAPE)
    write_nifti(folder / "mri.nii.gz", (mri * 900).astype(np.int16), AFFINE)
    write_nifti(folder / "pet.nii.gz", pet.astype(np.float32), PET)
    write_nifti(folder / "ct.nii.gz", pet.astype(np.float32), PET)
    write_series(folder / "mri", mri, AFFINE)
    write_series(folder / "pet", pet, PET, "PT", Units="BQML")
    write_series(folder / "ct", pet, PET, "CT")
    write_spect(folder / "spect.dcm", pet, PET)
    return folder


def state(folder):
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def read_rgb(path):
    data = np.asarray(nib.load(path).dataobj)
    return np.stack([data[channel] for channel in "RGB"], -1)


@pytest.mark.parametrize(
    ("first", "second", "plane"),
    [
        ("pet.nii.gz", "mri.nii.gz", "axial"),
        ("pet.nii.gz", "mri", "coronal"),
        ("pet", "mri.nii.gz", "sagittal"),
        ("pet", "mri", "auto"),
        ("spect.dcm", "mri", "auto"),
    ],
)
def test_blobs_are_where_they_were(emma, copying, scans, tmp_path, first, second, plane):
    target = tmp_path / "fused.nii.gz"
    before = state(scans)
    options = ["--colour", "none", "--infrared-range", "full", "--plane", plane]
    emma(scans / first, scans / second, "-o", target, *options)
    assert state(scans) == before
    image = nib.load(target)
    assert image.shape == SHAPE
    np.testing.assert_allclose(
        np.abs(np.linalg.inv(AFFINE) @ image.affine)[:3, :3], np.eye(3), atol=1e-5
    )
    voxels = np.asarray(image.dataobj)
    assert voxels.dtype == np.uint8
    assert meet(voxels, image.affine) < 0.5
    record = read_record(target)
    assert record["plane"] == ("axial" if plane == "auto" else plane)
    assert record["place"]["by"] == "headers"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "fused.nii.gz",
        "fused.nii.gz.json",
    ]


def test_fused_by_the_network_in_the_depth_and_window_asked_for(emma, scans, tmp_path):
    pair = scans / "pet.nii.gz", scans / "mri.nii.gz"
    emma(*pair, "-o", tmp_path / "a.nii", "--depth", 16, "--window", "400:800")
    voxels = np.asarray(nib.load(tmp_path / "a.nii").dataobj)
    assert voxels.dtype == np.uint16
    assert len(np.unique(voxels)) > 256
    record = read_record(tmp_path / "a.nii")
    assert record["visible"]["range"] == [0, 800]
    assert record["model"] == "small.safetensors"
    assert record["infrared"]["rule"] == "percentile:0.1:99.9"
    emma(*pair, "-o", tmp_path / "b.nii", "--depth", 16, "--window", "100:100")
    assert (np.asarray(nib.load(tmp_path / "b.nii").dataobj) != voxels).any()


def test_the_window_of_the_file_is_honoured(emma, copying, tmp_path):
    voxels = np.linspace(-100, 299, 4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    affine = grid((2, 2, 2), (4, 5, 6))
    ct = write_nifti(tmp_path / "ct.nii", voxels, affine, cal_min=0, cal_max=80)
    emma(ct, ct, "-o", tmp_path / "f.nii")
    fused = np.asarray(nib.load(tmp_path / "f.nii").dataobj)
    np.testing.assert_array_equal(fused, np.rint(np.clip(voxels / 80, 0, 1) * 255))
    assert read_record(tmp_path / "f.nii")["infrared"]["rule"] == "window"


def test_pet_and_spect_are_coloured_and_ct_is_not(emma, copying, scans, tmp_path):
    for first, coloured in (
        ("pet", True),
        ("spect.dcm", True),
        ("ct", False),
        ("pet.nii.gz", True),
        ("ct.nii.gz", False),
    ):
        target = tmp_path / f"{first}.nii.gz"
        emma(scans / first, scans / "mri", "-o", target)
        assert (np.asarray(nib.load(target).dataobj).dtype.names is not None) == coloured
        assert read_record(target)["colour"] == ("palette hot" if coloured else "none")
    emma(scans / "pet.nii.gz", scans / "mri", "-o", tmp_path / "v.nii.gz", "--palette", "hot")
    rgb = read_rgb(tmp_path / "v.nii.gz").astype(int)
    active = rgb.max(axis=-1) - rgb.min(axis=-1) > 60
    assert 0.001 < active.mean() < 0.3
    assert (rgb[active][:, 0] >= rgb[active][:, 2]).mean() > 0.9  # warm, not blue
    record = read_record(tmp_path / "v.nii.gz")
    assert record["infrared"]["unit"] == ""
    assert read_record(tmp_path / "pet.nii.gz")["infrared"]["unit"] == "BQML"
    assert read_record(tmp_path / "ct.nii.gz")["infrared"]["unit"] == "HU"


@pytest.mark.parametrize("kind", ["coloured", "grey", "deep"])
def test_secondary_capture(emma, copying, scans, tmp_path, kind):
    options = {
        "coloured": [],
        "grey": ["--colour", "none"],
        "deep": ["--colour", "none", "--depth", 16],
    }
    target = tmp_path / "fused"
    emma(scans / "pet", scans / "mri", "-o", target, "--infrared-range", "full", *options[kind])
    files = [pydicom.dcmread(path) for path in sorted(target.iterdir())]
    sources = [pydicom.dcmread(path) for path in (scans / "mri").iterdir()]
    functional = {pydicom.dcmread(path).SOPInstanceUID for path in (scans / "pet").iterdir()}
    assert [path.name for path in sorted(target.iterdir())] == [f"{k:04}.dcm" for k in range(1, 9)]
    by_uid = {source.SOPInstanceUID: source for source in sources}
    old = {
        source[tag].value for source in sources for tag in ("SOPInstanceUID", "SeriesInstanceUID")
    }
    assert len({file.SOPInstanceUID for file in files}) == 8
    assert len({file.SeriesInstanceUID for file in files}) == 1
    for file in files:
        assert file.SOPClassUID == SecondaryCaptureImageStorage
        assert file.SOPInstanceUID not in old
        assert file.SeriesInstanceUID not in old
        source = by_uid[file.SourceImageSequence[0].ReferencedSOPInstanceUID]
        for tag in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
            assert file[tag].value == source[tag].value
        np.testing.assert_allclose(
            file.ImagePositionPatient, source.ImagePositionPatient, atol=1e-6
        )
        assert (file.Rows, file.Columns) == (source.Rows, source.Columns)
        assert "InstitutionName" not in file  # nothing beyond what files it
        referred = {
            item.ReferencedSOPInstanceUID
            for series in file.ReferencedSeriesSequence
            for item in series.ReferencedInstanceSequence
        }
        assert referred == set(by_uid) | functional
        assert file.DerivationDescription.startswith("emma-fusion ")
        assert file.pixel_array.shape == ((38, 32, 3) if kind == "coloured" else (38, 32))
        assert file.BitsStored == (16 if kind == "deep" else 8)
    if kind == "coloured":
        return
    image = read_by_itk(target)  # the images lie where the scan lies, for another reader too
    voxels = sitk.GetArrayFromImage(image).T.astype(float)
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine[:3, :3], affine[:3, 3] = direction * image.GetSpacing(), image.GetOrigin()
    assert meet(voxels, np.diag([-1.0, -1, 1, 1]) @ affine) < 0.5
    assert "Secret" not in (tmp_path / "fused.json").read_text()


def read_by_itk(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def test_another_study_and_another_patient(emma, copying, scans, tmp_path):
    pet = tmp_path / "pet"
    write_series(pet, draw(PET, PET_SHAPE), PET, "PT", PatientID="ID-0815-78")
    study, reference = generate_uid(), generate_uid()
    for path in pet.iterdir():
        change(path, StudyInstanceUID=study, FrameOfReferenceUID=reference)
    said = emma(pet, scans / "mri", "-o", tmp_path / "out")
    assert "different patient IDs" in said
    assert "frame of reference" in said
    assert "0815" not in said
    file = pydicom.dcmread(tmp_path / "out" / "0001.dcm")
    (other,) = file.StudiesContainingOtherReferencedInstancesSequence
    assert other.StudyInstanceUID == study
    assert len(other.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == PET_SHAPE[2]


def test_a_patient_who_moved_is_registered(emma, copying, tmp_path):
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = rotation((0, 0, 1), 6), (8, -7, 5)
    shape, pet_shape = (26, 30, 20), (24, 26, 20)
    affine, pet = grid((5, 5, 5), shape), grid((5, 5, 5), pet_shape)
    mri = write_nifti(tmp_path / "m.nii", draw(affine, shape, body=0.6).astype(np.float32), affine)
    body = draw(pet, pet_shape, body=0.2, moved=moved).astype(np.float32)
    functional = write_nifti(tmp_path / "p.nii", body, pet)
    options = ["--infrared-range", "full", "--depth", "16"]
    emma(functional, mri, "-o", tmp_path / "off.nii", *options)
    said = emma(functional, mri, "-o", tmp_path / "on.nii", *options, "--register", "rigid")
    assert "moved by" in said
    fused = [np.asarray(nib.load(tmp_path / name).dataobj) for name in ("off.nii", "on.nii")]
    apart = [meet(voxels, affine) for voxels in fused]
    assert apart[0] > 1
    assert apart[1] < 0.5
    place = read_record(tmp_path / "on.nii")["place"]
    assert place["degrees"] == pytest.approx(6, abs=1.5)
    assert len(place["motion"]) == 4


def test_nothing_is_replaced_unasked_and_never_what_is_not_ours(emma, copying, scans, tmp_path):
    pair = scans / "pet", scans / "mri"
    target = tmp_path / "f.nii.gz"
    emma(*pair, "-o", target)
    assert "exists" in emma(*pair, "-o", target, code=2)
    first = target.read_bytes()
    emma(*pair, "-o", target, "--overwrite", "--palette", "viridis")
    assert target.read_bytes() != first
    folder = tmp_path / "out"
    emma(*pair, "-o", folder)
    assert "exists" in emma(*pair, "-o", folder, code=2)
    (folder / "0099.dcm").write_bytes((folder / "0001.dcm").read_bytes())  # of a longer series
    emma(*pair, "-o", folder, "--overwrite")
    assert len(list(folder.iterdir())) == 8
    (folder / "notes.txt").write_text("mine")
    assert "are not a fused scan" in emma(*pair, "-o", folder, "--overwrite", code=2)
    assert (folder / "notes.txt").read_text() == "mine"
    before = state(scans)
    for output in (scans / "mri", scans, scans / "pet", scans / "mri/new", scans / "pet/f.nii"):
        assert "inputs" in emma(*pair, "-o", output, "--overwrite", code=2)
    nifti = scans / "pet.nii.gz", scans / "mri.nii.gz"
    assert "inputs" in emma(*nifti, "-o", nifti[1], "--overwrite", code=2)
    assert state(scans) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--contrast", "stretch"], "--window"),
        (["--protocol", "paper"], "paper protocol"),
        (["--colour", "visible"], "no colour"),
        (["--format", "png"], "--format"),
        (["--window", "40"], "LEVEL:WIDTH"),
        (["--infrared-range", "9:1"], "not understood"),
        (["--depth", "16", "--palette", "hot"], "8 bit"),
        (["--visible-range", "0:1"], "--window"),
        (["--false-colour", "off"], "--false-colour is for images"),
        (["--strip-metadata"], "names the patient"),
    ],
)
def test_options_that_mean_nothing_for_scans(emma, scans, tmp_path, options, says):
    pair = scans / "pet.nii.gz", scans / "mri.nii.gz"
    assert says in emma(*pair, "-o", tmp_path / "f.nii", *options, code=2)
    assert list(tmp_path.iterdir()) == []


def test_an_mri_in_the_first_place_is_said(emma, scans, tmp_path):
    said = emma(scans / "mri", scans / "pet", "-o", tmp_path / "f.nii.gz")
    assert "the first scan is an MRI and the second is not (PT)" in said
    assert "an MRI and" not in emma(scans / "pet", scans / "mri", "-o", tmp_path / "g.nii.gz")


def test_inputs_that_do_not_go_together(emma, scans, tmp_path):
    pet, mri = scans / "pet.nii.gz", scans / "mri.nii.gz"
    assert "anatomical DICOM series" in emma(pet, mri, "-o", tmp_path / "folder", code=2)
    for name in ("f.png", "f.dcm", "f.gz"):
        assert "is not a name for a fused scan" in emma(pet, mri, "-o", tmp_path / name, code=2)
    to = ["-o", tmp_path / "f.nii"]
    assert "does not exist" in emma(scans / "none.nii", mri, *to, code=2)
    image = tmp_path / "image.png"
    write_image(image, np.zeros((4, 4), np.uint8))
    assert "is an image" in emma(image, mri, *to, code=2)
    assert "are for scans" in emma(image, image, *to, "--window", "1:2", code=2)
    shape, ones = (9, 9, 9), np.ones((9, 9, 9), np.float32)
    far = write_nifti(tmp_path / "far.nii", ones, grid((2, 2, 2), shape, None, (900, 0, 0)))
    assert "do not overlap" in emma(far, mri, *to, "--infrared-range", "0:1", code=2)
    flat = write_nifti(tmp_path / "flat.nii", ones, grid((9, 9, 9), shape))
    assert "is empty" in emma(flat, mri, *to, code=2)
    assert not (tmp_path / "f.nii").exists()


def test_no_patient_in_what_nifti_says(emma, copying, scans, tmp_path):
    emma(scans / "pet", scans / "mri", "-o", tmp_path / "f.nii")
    written = (tmp_path / "f.nii").read_bytes() + (tmp_path / "f.nii.json").read_bytes()
    for secret in (b"Secret", IDENTITY.encode(), BIRTH.encode()):
        assert secret not in written
    assert json.loads((tmp_path / "f.nii.json").read_text())["visible"]["modality"] == "MR"


def test_the_missing_extra_is_named(emma, scans, tmp_path, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        "emma_fusion.jobs.scan.find_spec", lambda name: None if name == "pydicom" else found(name)
    )
    pair = scans / "pet.nii.gz", scans / "mri.nii.gz"
    said = emma(*pair, "-o", tmp_path / "f.nii", code=2)
    assert "needs pydicom: pip install 'emma-fusion[medical]'" in said


def test_a_window_that_misses_all_values_is_said(emma, scans, tmp_path):
    """The user's own is used all the same."""
    two = scans / "pet", scans / "mri"
    said = emma(*two, "-o", tmp_path / "a.nii.gz", "--window", "90000:10")
    assert "mri has no value between 89995 and 90005" in said
    assert "--window takes values in the file's own units" in said
    said = emma(*two, "-o", tmp_path / "b.nii.gz", "--infrared-range", "-9:-8")
    assert "pet has no value between -9 and -8" in said
    assert "has no value" not in emma(*two, "-o", tmp_path / "c.nii.gz", "--window", "300:600")
