"""Pixels of a DICOM file as they are stored."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.scans.dicom_file import quiet, read_dataset, text

# transfer syntaxes without compression, and run lengths (PS3.5 A)
_PLAIN = ("1.2.840.10008.1.2", *(f"1.2.840.10008.1.2.{n}" for n in ("1", "1.99", "2", "5")))
# and the functions of imagecodecs for the compressed ones
_CODECS = {
    **{f"1.2.840.10008.1.2.4.{n}": "jpeg_decode" for n in (50, 51, 57, 70)},
    **{f"1.2.840.10008.1.2.4.{n}": "jpegls_decode" for n in (80, 81)},
    **{f"1.2.840.10008.1.2.4.{n}": "jpeg2k_decode" for n in (90, 91, 201, 202, 203)},
}
_J2K_SIZE = b"\xff\x4f\xff\x51"  # the start of a codestream, and the marker of its size
_JPEG_START = b"\xff\xd8"
# the markers of a frame, JPEG's and JPEG-LS's
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}
_KINDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def decode(path: Path) -> npt.NDArray[Any]:
    """Decode a file's pixels, values as stored: (frames, rows, columns).

    Plain and run-length coded pixels are read by pydicom, those of the JPEG family (JPEG, JPEG-LS
    and JPEG 2000) by imagecodecs.

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
            pixels = dataset.pixel_array if by_pydicom else _decode_compressed(dataset)
            return pixels.reshape(-1, int(dataset.Rows), int(dataset.Columns))
        except Exception:  # every decoder has errors of its own
            how = "" if by_pydicom else f", compressed as {syntax.name or 'unknown'},"
            raise UserError(
                f"The pixels of {path}{how} could not be decoded: the file is damaged, or is to be "
                "converted to uncompressed DICOM first."
            ) from None


def _decode_compressed(dataset: Any) -> npt.NDArray[Any]:
    """The frames of compressed pixels, (frames, rows, columns)."""
    import imagecodecs
    from pydicom.encaps import generate_frames

    codec = getattr(imagecodecs, _CODECS[dataset.file_meta.TransferSyntaxUID])
    size, count = (int(dataset.Rows), int(dataset.Columns)), int(dataset.get("NumberOfFrames") or 1)
    frames = []
    for data in generate_frames(dataset.PixelData, number_of_frames=count):
        # before it is decoded: a broken stream may claim gigabytes
        if claimed_size(data) != size:
            raise ValueError("the stream is of another size than the header says")
        frames.append(codec(data))
    pixels = np.stack(frames)
    if pixels.shape != (count, *size):
        raise ValueError("there are fewer frames, or more components, than the header says")
    return _with_sign(pixels, int(dataset.BitsStored), int(dataset.PixelRepresentation) == 1)


def claimed_size(data: bytes) -> tuple[int, int] | None:
    """The rows and columns that a stream of the JPEG family says it has, None where it is none.

    >>> claimed_size(bytes.fromhex("ffd8 ffc3 000b 10 0048 0040 01 011100"))
    (72, 64)
    """
    start = data.find(_J2K_SIZE)
    if start >= 0 and not data.startswith(_JPEG_START):
        right, lower, left, upper = struct.unpack_from(">4I", data, start + 8)
        return lower - upper, right - left
    place = 2 if data.startswith(_JPEG_START) else len(data)
    while place + 9 <= len(data) and data[place] == 0xFF:
        kind, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if kind in _JPEG_FRAMES:
            rows, columns = struct.unpack_from(">2H", data, place + 5)
            return rows, columns
        place += 1 if kind == 0xFF else 2 + length  # FF may be repeated before a marker
    return None


def _with_sign(pixels: npt.NDArray[Any], bits: int, signed: bool) -> npt.NDArray[np.int32]:
    """Values of some bits read with or without sign, whatever the codec took them for.

    >>> _with_sign(np.array([4095, 1], np.uint16), 12, True).tolist()
    [-1, 1]
    """
    values = pixels.astype(np.int64) & ((1 << bits) - 1)
    if signed:
        values -= (values >> (bits - 1)) << bits
    return values.astype(np.int32 if bits < 32 or signed else np.uint32)
