"""Fused slices as DICOM Secondary Capture (PS3.3 A.8.1), filed beside the anatomical series."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.scans.dicom_file import looks_like_dicom, quiet, read_dataset, text
from emma_fusion.scans.dicom_frames import DicomFrame

# What an archive files an image by, and no more: patient, study and frame of reference.
# PatientIdentityRemoved goes along so that a series without identity stays marked as one.
FILED_BY = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("PatientIdentityRemoved", "DeidentificationMethod"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "PositionReferenceIndicator"),
)
MARK = "emma-fusion "  # begins the Derivation Description
# type 2 of the modules: must be there, and may be empty
_MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "PositionReferenceIndicator"),
)


class SecondaryCapture:
    """A series to be, all of whose headers are made, and tried out, before there are pixels.

    The series and its images have UIDs of their own. Each image names the slice it was made
    from (Source Image Sequence), and the series all that went into it (Common Instance Reference).
    Of the headers only `FILED_BY`, study, frame of reference and the position of the slices are
    taken over. Where the anatomical series has no study or no frame of reference, which an image
    must have, the fused one gets one of its own.

    Attributes:
        notes: sentences on what the sources do not say and the series therefore lacks.

    Args:
        frames: the anatomical frame of each slice along Z.
        functional: the frames of the functional scan, empty where that was no DICOM.
        description: of the series.

    Raises:
        UserError: a header cannot be written as DICOM.
    """

    def __init__(
        self,
        frames: Sequence[DicomFrame],
        functional: Sequence[DicomFrame] = (),
        description: str = "Fused",
    ) -> None:
        from pydicom.uid import generate_uid

        self.notes: list[str] = []
        with quiet():
            study = _uid(frames[0].header, "StudyInstanceUID")
            if not study:
                study = generate_uid()
                self.notes.append(
                    "The anatomical series names no study (StudyInstanceUID), so the fused series "
                    "is written into a study of its own."
                )
            reference = _uid(frames[0].header, "FrameOfReferenceUID") or generate_uid()
            self._references = _references([*frames, *functional], study)
            files = {frame.path: frame.header for frame in (*frames, *functional)}
            lost = sum(not all(_identity(header)) for header in files.values())
            if lost:
                self.notes.append(
                    f"{lost} of the {len(files)} files of the scans lack the UID of their study, "
                    "series, class or instance, so the fused series does not list them as sources."
                )
            series, now, gap = generate_uid(), datetime.now(), frames[0].thickness
            if len(frames) > 1:
                gap = float(np.linalg.norm(frames[1].position - frames[0].position))
            try:
                self._headers = [
                    _header(frame, k, study, series, reference, now, gap)
                    for k, frame in enumerate(frames)
                ]
                for header in self._headers:
                    header.SeriesDescription = description
                    _to_bytes(header)
            except Exception:  # pydicom raises many kinds, and their texts quote the header
                raise UserError(
                    f"What {frames[0].path.parent} says of its patient and study cannot be "
                    "written as DICOM: write to a .nii.gz file."
                ) from None

    def encode(self, voxels: npt.NDArray[Any], note: str) -> list[bytes]:
        """The bytes of each file, in the order of the slices.

        Args:
            voxels: (X, Y, Z) uint8 or uint16, or (X, Y, Z, 3) uint8 RGB, on the anatomical grid.
            note: how it was made; what goes beyond 1024 characters is cut off.
        """
        with quiet():
            return [
                self._encode(header, voxels[:, :, k], note)
                for k, header in enumerate(self._headers)
            ]

    def _encode(self, header: Any, plane: npt.NDArray[Any], note: str) -> bytes:
        """One slice (X, Y) or (X, Y, 3)."""
        from pydicom.dataset import Dataset

        image = np.ascontiguousarray(np.swapaxes(plane, 0, 1))
        dataset = Dataset(header)
        dataset.file_meta = header.file_meta
        dataset.DerivationDescription = (MARK + note)[:1024]
        for keyword, sequence in self._references.items():
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
        return _to_bytes(dataset)


def is_ours(path: Path) -> bool:
    """Whether a file is an image of a series that was written here."""
    with quiet():
        try:
            return looks_like_dicom(path) and text(
                read_dataset(path, pixels=False), "DerivationDescription"
            ).startswith(MARK)
        except Exception:  # whatever it is, it is not ours
            return False


def _header(
    frame: DicomFrame, k: int, study: str, series: str, reference: str, now: datetime, gap: float
) -> Any:
    """What is said of one slice, without pixels and without references to the series."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import (
        PYDICOM_IMPLEMENTATION_UID,
        ExplicitVRLittleEndian,
        SecondaryCaptureImageStorage,
        generate_uid,
    )

    dataset = Dataset()
    for tag in (*FILED_BY, "SpecificCharacterSet"):
        if tag in frame.header:
            dataset[tag] = frame.header[tag]
    for tag in _MAY_BE_EMPTY:
        if tag not in dataset:
            setattr(dataset, tag, "")
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = study, reference
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    dataset.SeriesInstanceUID, dataset.SeriesNumber, dataset.InstanceNumber = series, "", k + 1
    dataset.Modality, dataset.ConversionType = "OT", "WSD"
    dataset.Manufacturer = ""
    dataset.ImageType = ["DERIVED", "SECONDARY", "FUSED"]
    dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.InstanceCreationTime = now.strftime("%H%M%S")
    dataset.BurnedInAnnotation = "NO"
    dataset.PatientOrientation = ""
    dataset.ImageOrientationPatient = [f"{value:.10g}" for value in frame.axes.ravel()]
    dataset.ImagePositionPatient = [f"{value:.10g}" for value in frame.position]
    dataset.PixelSpacing = [f"{value:.10g}" for value in frame.spacing]
    dataset.SliceThickness = f"{gap:.10g}"
    source = _reference(frame)
    if source is not None:
        dataset.SourceImageSequence = [source]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    return dataset


def _to_bytes(dataset: Any) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _uid(dataset: Any, *tags: str) -> str:
    """The first of some UIDs that is there and is one, "" where none is."""
    from pydicom.uid import UID

    found = (UID(text(dataset, tag)) for tag in tags)
    return next((str(uid) for uid in found if uid.is_valid), "")


def _identity(header: Any) -> tuple[str, str, str, str]:
    """The UIDs of study, series, class and instance of a file, "" for what it does not say."""
    meta = header.file_meta
    return (
        _uid(header, "StudyInstanceUID"),
        _uid(header, "SeriesInstanceUID"),
        _uid(header, "SOPClassUID") or _uid(meta, "MediaStorageSOPClassUID"),
        _uid(header, "SOPInstanceUID") or _uid(meta, "MediaStorageSOPInstanceUID"),
    )


def _reference(frame: DicomFrame) -> Any:
    """An item that names the image of a frame, None where that has no name."""
    from pydicom.dataset import Dataset

    _, _, kind, instance = _identity(frame.header)
    if not (kind and instance):
        return None
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = kind, instance
    if frame.number:
        item.ReferencedFrameNumber = frame.number
    return item


def _references(frames: Iterable[DicomFrame], study: str) -> dict[str, Any]:
    """The Common Instance Reference module (PS3.3 C.12.2): all files, by series and study."""
    from pydicom.dataset import Dataset

    found: dict[str, dict[str, dict[str, Any]]] = {}
    for frame in frames:
        own_study, own_series, _, instance = _identity(frame.header)
        item = _reference(frame)
        if item is None or not (own_study and own_series):
            continue
        item.pop("ReferencedFrameNumber", None)  # the whole file is meant
        found.setdefault(own_study, {}).setdefault(own_series, {})[instance] = item

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
