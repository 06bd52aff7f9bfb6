"""Pixels of a DICOM file as they are stored."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.scans.dicom_file import quiet, read_dataset, text

# transfer syntaxes without compression, and run lengths (PS3.5 A)
_PLAIN = ("1.2.840.10008.1.2", *(f"1.2.840.10008.1.2.{n}" for n in ("1", "1.99", "2", "5")))
_PIXEL_TAGS = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData"),
)
_KINDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def decode(path: Path) -> npt.NDArray[Any]:
    """Decode a file's pixels, values as stored: (frames, rows, columns).

    Plain and run-length coded pixels are read by pydicom, all others by the codecs in SimpleITK,
    which get a copy of the pixels alone: they might log what else a header says.

    Raises:
        UserError: the pixels are missing, cut short, coloured, or of a compression that is not
            read.
    """
    from pydicom.uid import UID

    with quiet():
        dataset = read_dataset(path)
        syntax = UID(dataset.file_meta.TransferSyntaxUID)
        by_pydicom = syntax in _PLAIN
        if int(dataset.get("SamplesPerPixel", 1)) != 1 or "PALETTE" in text(
            dataset, "PhotometricInterpretation"
        ):
            raise UserError(
                f"{path} holds colours, not a scanner's values: give the series itself."
            )
        if not any(tag in dataset for tag in _KINDS):
            raise UserError(f"{path} has no pixels.")
        try:
            pixels = dataset.pixel_array if by_pydicom else _decode_by_itk(dataset)
            return pixels.reshape(-1, int(dataset.Rows), int(dataset.Columns))
        except Exception:  # every decoder has errors of its own
            how = "" if by_pydicom else f", compressed as {syntax.name or 'unknown'},"
            raise UserError(
                f"The pixels of {path}{how} could not be decoded: the file is damaged, or is to be "
                "converted to uncompressed DICOM first."
            ) from None


def _decode_by_itk(dataset: Any) -> npt.NDArray[Any]:
    import SimpleITK as sitk
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    bare = Dataset()
    for tag in _PIXEL_TAGS:
        if tag in dataset:
            bare[tag] = dataset[tag]
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.file_meta.MediaStorageSOPClassUID = bare.SOPClassUID
    bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "pixels.dcm"
        bare.save_as(copy, enforce_file_format=True)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(copy))
        pixels: npt.NDArray[Any] = sitk.GetArrayFromImage(reader.Execute())
    return pixels
