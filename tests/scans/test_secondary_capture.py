"""Fused series from sources that do not say what the standard asks an image to say."""

import io
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from emma_fusion.errors import UserError
from emma_fusion.scans.dicom import read_series
from emma_fusion.scans.secondary_capture import SecondaryCapture, is_ours
from phantoms import BIRTH, change, write_series

AFFINE = np.diag([-2.0, -2, 3, 1])
SHAPE = (6, 8, 4)
NOTE = '{"model": "small"}'


@pytest.fixture
def anatomical(tmp_path):
    return write_series(tmp_path / "mr", np.ones(SHAPE), AFFINE)


@pytest.fixture
def functional(tmp_path):
    return write_series(tmp_path / "pt", np.ones(SHAPE), AFFINE, "PT")


def encode(anatomical, functional):
    capture = SecondaryCapture(read_series(anatomical).frames, read_series(functional).frames)
    voxels = np.arange(np.prod(SHAPE), dtype=np.uint8).reshape(SHAPE)
    files = [pydicom.dcmread(io.BytesIO(data)) for data in capture.encode(voxels, NOTE)]
    for k, file in enumerate(files):
        np.testing.assert_array_equal(file.pixel_array, voxels[:, :, k].T)
        # type 1 of the modules patient, study, series, frame of reference and SOP common
        for tag in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            assert file[tag].value.is_valid
        assert file.SOPInstanceUID.is_valid
        assert file.DerivationDescription == f"emma-fusion {NOTE}"
    for tag in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert len({file[tag].value for file in files}) == 1
    return files, capture.notes


def listed(file):
    """The instances that the Common Instance Reference of a file names, in any study."""
    series = list(file.get("ReferencedSeriesSequence", []))
    for study in file.get("StudiesContainingOtherReferencedInstancesSequence", []):
        series += study.ReferencedSeriesSequence
    return {
        item.ReferencedSOPInstanceUID for one in series for item in one.ReferencedInstanceSequence
    }


def instances(folder):
    return {pydicom.dcmread(path).SOPInstanceUID for path in folder.iterdir()}


def test_nothing_is_said_where_nothing_is_missing(anatomical, functional):
    files, notes = encode(anatomical, functional)
    assert notes == []
    assert listed(files[0]) == instances(anatomical) | instances(functional)


@pytest.mark.parametrize("value", [None, "", "no uid"])
def test_without_a_study_the_series_gets_one(anatomical, functional, value):
    for path in anatomical.iterdir():
        change(path, StudyInstanceUID=value)
    files, notes = encode(anatomical, functional)
    assert "study of its own" in notes[0]
    assert "4 of the 8 files" in notes[1]
    assert files[0].StudyInstanceUID != pydicom.dcmread(next(functional.iterdir())).StudyInstanceUID
    assert files[0].SourceImageSequence[0].ReferencedSOPInstanceUID in instances(anatomical)
    assert listed(files[0]) == instances(functional)


def test_without_a_frame_of_reference_the_series_gets_one(anatomical, functional):
    for path in anatomical.iterdir():
        change(path, FrameOfReferenceUID=None)
    _, notes = encode(anatomical, functional)
    assert notes == []


@pytest.mark.parametrize("tag", ["SOPClassUID", "SOPInstanceUID"])
def test_class_and_instance_are_also_in_the_meta_information(anatomical, functional, tag):
    wanted = instances(anatomical) | instances(functional)
    for path in [*anatomical.iterdir(), *functional.iterdir()]:
        dataset = pydicom.dcmread(path)
        del dataset[tag]
        dataset.save_as(path, enforce_file_format=False)
    files, notes = encode(anatomical, functional)
    assert notes == []
    assert listed(files[0]) == wanted


@pytest.mark.parametrize("tag", ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("which", ["anatomical", "functional"])
def test_what_has_no_name_is_not_referred_to(anatomical, functional, tag, which):
    folder = anatomical if which == "anatomical" else functional
    kept = instances(functional if which == "anatomical" else anatomical)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        del dataset[tag], dataset.file_meta
        dataset.preamble = None
        dataset.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=False)
    files, notes = encode(anatomical, functional)
    assert "4 of the 8 files" in notes[0]
    assert listed(files[0]) == kept
    named = which == "functional" or tag == "SeriesInstanceUID"
    assert ("SourceImageSequence" in files[0]) == named


def test_other_studies_are_listed_as_such(anatomical, functional):
    study = generate_uid()
    for path in functional.iterdir():
        change(path, StudyInstanceUID=study)
    files, notes = encode(anatomical, functional)
    assert notes == []
    assert listed(files[0]) == instances(anatomical) | instances(functional)
    (other,) = files[0].StudiesContainingOtherReferencedInstancesSequence
    assert other.StudyInstanceUID == study


def test_invalid_values_are_not_quoted(anatomical, functional):
    for path in anatomical.iterdir():
        path.write_bytes(path.read_bytes().replace(BIRTH.encode(), b"Secret!!"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        capture = SecondaryCapture(read_series(anatomical).frames)
        assert len(capture.encode(np.zeros(SHAPE, np.uint8), NOTE)) == 4


def test_what_cannot_be_written_is_found_before_there_are_pixels(anatomical):
    frames = read_series(anatomical).frames
    for frame in frames:
        frame.header["PatientID"].value = object()
    with pytest.raises(UserError, match="cannot be written as DICOM") as error:
        SecondaryCapture(frames)
    assert str(anatomical) in str(error.value)


def test_ours_and_others(anatomical, tmp_path):
    data = SecondaryCapture(read_series(anatomical).frames).encode(np.zeros(SHAPE, np.uint8), NOTE)
    ours = tmp_path / "ours.dcm"
    ours.write_bytes(data[0])
    assert is_ours(ours)
    assert not is_ours(next(anatomical.iterdir()))
    ours.write_bytes(b"")
    assert not is_ours(ours)
    ours.write_text("a text")
    assert not is_ours(ours)
