"""Fused slices as DICOM Secondary Capture (PS3.3 A.8.1), filed beside the anatomical series."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.scans.frames import Frame

# What an archive files an image by, and no more: patient, study and frame of reference.
# PatientIdentityRemoved goes along so that a series without identity stays marked as one.
FILED_BY = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("PatientIdentityRemoved", "DeidentificationMethod"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"),
    *("FrameOfReferenceUID", "PositionReferenceIndicator"),
)
MARK = "emma-fusion "  # begins the Derivation Description
# type 2 of the modules: must be there, and may be empty
_MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "PositionReferenceIndicator"),
)


def encode_series(
    voxels: npt.NDArray[Any],
    frames: Sequence[Frame],
    functional: Sequence[Frame],
    note: str,
) -> list[bytes]:
    """The files of a secondary capture series, one a slice of the anatomical series.

    The series and its images have UIDs of their own. Each image names the slice it was made
    from (Source Image Sequence), and the series all that went into it (Common Instance Reference).
    Of the headers only `FILED_BY` and the position of the slices are taken over.

    Args:
        voxels: (X, Y, Z) uint8 or uint16, or (X, Y, Z, 3) uint8 RGB, on the anatomical grid.
        frames: the anatomical frame of each slice along Z.
        functional: the frames of the functional scan, empty where that was no DICOM.
        note: how it was made; what goes beyond 1024 characters is cut off.

    Returns:
        The bytes of each file, in the order of the slices.
    """
    from pydicom.uid import generate_uid

    series, now = generate_uid(), datetime.now()
    gap = frames[0].thickness
    if len(frames) > 1:
        gap = float(np.linalg.norm(frames[1].position - frames[0].position))
    references = _references([*frames, *functional], str(frames[0].header.StudyInstanceUID))
    return [
        _encode(voxels[:, :, k], frame, k, series, now, gap, references, note)
        for k, frame in enumerate(frames)
    ]


def is_ours(path: Path) -> bool:
    """Whether a file is an image of a series that was written here."""
    import pydicom

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        return str(header.DerivationDescription).startswith(MARK)
    except Exception:  # whatever it is, it is not ours
        return False


def _encode(
    plane: npt.NDArray[Any],
    frame: Frame,
    k: int,
    series: str,
    now: datetime,
    gap: float,
    references: dict[str, Any],
    note: str,
) -> bytes:
    """One slice (X, Y) or (X, Y, 3)."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import (
        PYDICOM_IMPLEMENTATION_UID,
        ExplicitVRLittleEndian,
        SecondaryCaptureImageStorage,
        generate_uid,
    )

    image = np.ascontiguousarray(np.swapaxes(plane, 0, 1))
    dataset = Dataset()
    for tag in FILED_BY:
        if tag in frame.header:
            dataset[tag] = frame.header[tag]
    for tag in _MAY_BE_EMPTY:
        if tag not in dataset:
            setattr(dataset, tag, "")
    if "SpecificCharacterSet" in frame.header:
        dataset["SpecificCharacterSet"] = frame.header["SpecificCharacterSet"]
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    dataset.SeriesInstanceUID, dataset.SeriesNumber, dataset.InstanceNumber = series, "", k + 1
    dataset.Modality, dataset.ConversionType = "OT", "WSD"
    dataset.Manufacturer = ""
    dataset.SeriesDescription = "Fused"
    dataset.ImageType = ["DERIVED", "SECONDARY", "FUSED"]
    dataset.DerivationDescription = (MARK + note)[:1024]
    dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.InstanceCreationTime = now.strftime("%H%M%S")
    dataset.BurnedInAnnotation = "NO"
    dataset.PatientOrientation = ""
    dataset.ImageOrientationPatient = [f"{value:.10g}" for value in frame.axes.ravel()]
    dataset.ImagePositionPatient = [f"{value:.10g}" for value in frame.position]
    dataset.PixelSpacing = [f"{value:.10g}" for value in frame.spacing]
    dataset.SliceThickness = f"{gap:.10g}"
    dataset.SourceImageSequence = [_reference(frame)]
    for keyword, sequence in references.items():
        setattr(dataset, keyword, sequence)

    coloured, bits = image.ndim == 3, 8 * image.itemsize
    dataset.Rows, dataset.Columns = image.shape[:2]
    dataset.SamplesPerPixel = 3 if coloured else 1
    dataset.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    if coloured:
        dataset.PlanarConfiguration = 0
    else:
        dataset.WindowCenter, dataset.WindowWidth = str(2 ** (bits - 1)), str(2**bits)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = 0
    data = image.astype(image.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"

    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _reference(frame: Frame) -> Any:
    """An item that names the image of a frame."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = frame.header.SOPClassUID
    item.ReferencedSOPInstanceUID = frame.header.SOPInstanceUID
    if frame.number:
        item.ReferencedFrameNumber = frame.number
    return item


def _references(frames: Iterable[Frame], study: str) -> dict[str, Any]:
    """The Common Instance Reference module (PS3.3 C.12.2): all files, by series and study."""
    from pydicom.dataset import Dataset

    found: dict[str, dict[str, dict[str, Any]]] = {}
    for frame in frames:
        header = frame.header
        item = _reference(frame)
        item.pop("ReferencedFrameNumber", None)  # the whole file is meant
        series = found.setdefault(str(header.StudyInstanceUID), {})
        series.setdefault(str(header.SeriesInstanceUID), {})[str(header.SOPInstanceUID)] = item

    def by_series(series: dict[str, dict[str, Any]]) -> list[Any]:
        items = []
        for uid, files in series.items():
            item = Dataset()
            item.SeriesInstanceUID, item.ReferencedInstanceSequence = uid, list(files.values())
            items.append(item)
        return items

    modules: dict[str, Any] = {}
    others = []
    for uid, series in found.items():
        if uid == study:
            modules["ReferencedSeriesSequence"] = by_series(series)
        else:
            item = Dataset()
            item.StudyInstanceUID, item.ReferencedSeriesSequence = uid, by_series(series)
            others.append(item)
    if others:
        modules["StudiesContainingOtherReferencedInstancesSequence"] = others
    return modules
