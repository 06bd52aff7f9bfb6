"""PNG, JPEG, BMP and WebP files, walked to their end without decoding them.

Decoders allocate what a header claims before they look at the rest, and decode some damaged files
to half an image without a word. So the file is walked first: signature, size, chunks and their
checksums where the format has them, up to its end. What lies after the end is left alone.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from emma_fusion.images.metadata import orientation_of

_PNG = b"\x89PNG\r\n\x1a\n"
# A marker in JPEG's compressed data; FF 00 is a data byte, FF D0 to D7 are restarts, FF FF is fill.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
# 16384 x 16384. A header that claims more is refused before anything is allocated.
MAX_PIXELS = 2**28
# Starts of frames (ITU-T T.81, table B.1, and T.87) that no decoder here reads.
_NOT_READ = {
    0xC3: "lossless ",
    0xC5: "hierarchical ",
    0xC6: "hierarchical ",
    0xC7: "hierarchical ",
    0xCB: "lossless ",
    0xCD: "hierarchical ",
    0xCE: "hierarchical ",
    0xCF: "hierarchical ",
    0xF7: "lossless (JPEG-LS) ",
}
# More scans than any writer makes; each costs a pass over the whole image.
_MOST_SCANS = 100


class Damaged(Exception):
    """The bytes are no whole image; the text ends the sentence "FILE ..."."""


@dataclass(frozen=True)
class Header:
    """What the file says.

    Attributes:
        format: "png", "jpg", "bmp", "tif" or "webp".
        width: in pixels, as stored.
        height: in pixels, as stored.
        orientation: the EXIF orientation that is still to be applied, 1 (none) to 8.
        bits: of a channel.
        frames: of an animation; else 1.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    bits: int = 8
    frames: int = 1


def walk(data: bytes) -> Header:
    """Read the header of a PNG, JPEG, BMP or WebP file and walk to the file's end.

    Raises:
        Damaged: the file is none of these, is cut short, or contradicts itself.
    """
    try:
        if data.startswith(_PNG):
            return _read_png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(data)
        if data.startswith(b"BM"):
            return _read_bmp(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _read_webp(data)
    except (struct.error, IndexError):  # a field lies beyond the end
        raise Damaged("is cut short") from None
    raise Damaged("is not a PNG, JPEG, BMP, TIFF or WebP image")


def _read_png(data: bytes) -> Header:
    """PNG specification, 5 and 11: chunks of length, type, data and CRC from IHDR to IEND."""
    width = height = 0
    orientation, bits, frames = 1, 8, 1
    has_data = False
    position = len(_PNG)
    while True:
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + length]
        (crc,) = struct.unpack_from(">I", data, position + 8 + length)
        if zlib.crc32(kind + body) != crc:
            raise Damaged("is damaged: a checksum in it is wrong")
        if position == len(_PNG):
            if kind != b"IHDR":
                raise Damaged("is damaged: its first chunk is no header")
            width, height, bits = struct.unpack_from(">IIB", body)
        has_data = has_data or kind == b"IDAT"
        if kind == b"eXIf":
            orientation = orientation_of(body)
        if kind == b"acTL":  # of an APNG
            (frames,) = struct.unpack_from(">I", body)
        if kind == b"IEND":
            break
        position += 12 + length
    if not has_data:
        raise Damaged("is damaged: it has no image data")
    return Header("png", width, height, orientation, bits, frames)


def _read_jpeg(data: bytes) -> Header:
    """ITU-T T.81, annex B: marker segments, and after each start of scan data up to a marker."""
    size = None
    orientation = 1
    scans = 0
    position = 2
    while True:
        if data[position] != 0xFF:
            raise Damaged("is damaged: a JPEG marker is not where it should be")
        marker = data[position + 1]
        if marker == 0xFF:  # fill
            position += 1
            continue
        if marker == 0xD9:  # end of image
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        body = data[position + 4 : position + 2 + length]
        position += 2 + length
        if marker == 0xF7 or (
            0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)
        ):  # start of frame
            size = struct.unpack_from(">HH", body, 1)
            if body[0] != 8 or marker in _NOT_READ:
                kind = _NOT_READ.get(marker, "")
                raise Damaged(
                    f"is a {kind}JPEG of {body[0]} bit, which is not read: save it as PNG or TIFF"
                )
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = orientation_of(body[6:])
        elif marker == 0xDA:  # start of scan
            scans += 1
            if scans > _MOST_SCANS:
                raise Damaged("is damaged: it has more scans than any camera writes")
            end = _JPEG_MARKER.search(data, position)
            if end is None:
                raise Damaged("is cut short")
            position = end.start()
    if size is None or not scans:
        raise Damaged("is damaged: it has no image data")
    return Header("jpg", width=size[1], height=size[0], orientation=orientation)


def _read_bmp(data: bytes) -> Header:
    """Windows bitmap: file header, then a core (12 bytes) or an info header (40 and more)."""
    offset, header_size = struct.unpack_from("<II", data, 10)
    if header_size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = stored = 0
    else:
        width, height, _, bits, compression, stored = struct.unpack_from("<iiHHII", data, 18)
    if compression not in (1, 2):  # not run-length coded: the size follows from the header
        stored = (width * bits + 31) // 32 * 4 * abs(height)
    if width > 0 and len(data) < offset + stored:
        raise Damaged("is cut short")
    return Header("bmp", width, abs(height))


def _read_webp(data: bytes) -> Header:
    """WebP container specification: RIFF chunks; the size is in VP8X, VP8L or VP8."""
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if len(data) < riff_size + 8:
        raise Damaged("is cut short")
    size = None
    orientation, frames = 1, 0
    for kind, body in _riff_chunks(data[12 : riff_size + 8]):
        if kind == b"EXIF":
            orientation = orientation_of(body.removeprefix(b"Exif\0\0"))
        elif kind == b"ANMF":
            frames += 1
        elif size is None and kind == b"VP8X":
            low, high = int.from_bytes(body[4:7], "little"), int.from_bytes(body[7:10], "little")
            size = low + 1, high + 1
        elif size is None and kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", body, 1)
            size = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        elif size is None and kind == b"VP8 ":
            w, h = struct.unpack_from("<HH", body, 6)
            size = w & 0x3FFF, h & 0x3FFF
    if size is None:
        raise Damaged("is damaged: it has no image data")
    return Header("webp", *size, orientation=orientation, frames=max(frames, 1))


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Chunks of kind, length, data, padded to even."""
    position = 0
    while position + 8 <= len(data):
        kind = data[position : position + 4]
        (length,) = struct.unpack_from("<I", data, position + 4)
        if position + 8 + length > len(data):
            raise Damaged("is cut short")
        yield kind, data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
