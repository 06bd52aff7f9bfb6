"""What a picture file says of itself, read without decoding it.

OpenCV allocates what a header claims before it looks at the rest, and it decodes some damaged files
to half a picture without a word. So the frame of the file is walked first: signature, size, chunks
and their checksums where the format has them, up to its end. What lies after the end is left alone.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
# A marker in JPEG's compressed data; FF 00 is a data byte, FF D0 to D7 are restarts, FF FF is fill.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}


class Damaged(Exception):
    """The bytes are no whole picture; the text ends the sentence "FILE ..."."""


@dataclass(frozen=True)
class Header:
    """What the file says.

    Attributes:
        format: "png", "jpg", "bmp", "tif" or "webp".
        width: in pixels, as stored.
        height: in pixels, as stored.
        orientation: the EXIF orientation that is still to be applied, 1 (none) to 8.
        inverted: a 16-bit TIFF whose 0 is white.
        grey_alpha: a TIFF with one grey channel and one more, which OpenCV leaves out.
        lzw: where the strips or tiles of a TIFF with LZW are, offset and length of each.
        stored: bytes that the data of a TIFF have when they are decoded, at least.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    inverted: bool = False
    grey_alpha: bool = False
    lzw: tuple[tuple[int, int], ...] = ()
    stored: int = 0


def read_header(data: bytes) -> Header:
    """Read the header of a PNG, JPEG, BMP, TIFF or WebP file and walk to the file's end.

    Raises:
        Damaged: the file is none of these, is cut short, or contradicts itself.
    """
    if not data:
        raise Damaged("is empty")
    try:
        if data.startswith(_PNG):
            return _read_png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(data)
        if data.startswith(b"BM"):
            return _read_bmp(data)
        if data[:4] in _TIFF:
            return _read_tiff(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _read_webp(data)
    except (struct.error, IndexError):  # a field lies beyond the end
        raise Damaged("is cut short") from None
    raise Damaged("is not a PNG, JPEG, BMP, TIFF or WebP picture")


def split_pages(data: bytes) -> list[bytes]:
    """The pages of a TIFF file, each as a file whose first page it is; other files whole.

    Pages of another size than the first are previews, and left out.

    Raises:
        Damaged: a page is cut short, contradicts itself, or follows itself.
    """
    if data[:4] not in _TIFF:
        return [data]
    order, big = _TIFF[data[:4]], b"+" in data[:4]
    link, pointer = ("Q", 8) if big else ("I", 4)
    pages, seen, first = [], set(), read_header(data)
    try:
        (at,) = struct.unpack_from(order + link, data, pointer)
        while at:
            if at in seen:
                raise Damaged("is damaged: its pages go round in a circle")
            seen.add(at)
            place = struct.pack(order + link, at)
            page = data[:pointer] + place + data[pointer + len(place) :]
            header = read_header(page)
            if (header.width, header.height) == (first.width, first.height):
                pages.append(page)
            (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
            at += (8 + 20 * entries) if big else (2 + 12 * entries)
            (at,) = struct.unpack_from(order + link, data, at)
    except struct.error:
        raise Damaged("is cut short") from None
    return pages


def _read_png(data: bytes) -> Header:
    """PNG specification, 5 and 11: chunks of length, type, data and CRC from IHDR to IEND."""
    width = height = 0
    orientation = 1
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
            width, height = struct.unpack_from(">II", body)
        has_data = has_data or kind == b"IDAT"
        if kind == b"eXIf":
            orientation = _exif_orientation(body)
        if kind == b"IEND":
            break
        position += 12 + length
    if not has_data:
        raise Damaged("is damaged: it has no picture data")
    return Header("png", width, height, orientation)


def _read_jpeg(data: bytes) -> Header:
    """ITU-T T.81, annex B: marker segments, and after each start of scan data up to a marker."""
    size = None
    orientation = 1
    scanned = False
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
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            size = struct.unpack_from(">HH", body, 1)
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = _exif_orientation(body[6:])
        elif marker == 0xDA:  # start of scan
            scanned = True
            end = _JPEG_MARKER.search(data, position)
            if end is None:
                raise Damaged("is cut short")
            position = end.start()
    if size is None or not scanned:
        raise Damaged("is damaged: it has no picture data")
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


def _read_tiff(data: bytes) -> Header:
    """TIFF 6.0 and BigTIFF: the first directory, and whether the data it points at are there."""
    tags = _tiff_tags(data)

    def first(tag: int, default: int = 0) -> int:
        return (tags.get(tag) or [default])[0]

    offsets = tags.get(273) or tags.get(324)  # strips or tiles
    counts = tags.get(279) or tags.get(325)
    if not offsets or not counts or len(offsets) != len(counts):
        raise Damaged("is damaged: it does not say where its picture data are")
    if any(offset + count > len(data) for offset, count in zip(offsets, counts, strict=True)):
        raise Damaged("is cut short")
    width, height = first(256), first(257)
    if 324 in tags:
        across = -(-width // max(first(322), 1))
        needed = across * -(-height // max(first(323), 1))
    else:
        needed = -(-height // max(first(278, height), 1))
    if len(offsets) < needed:
        raise Damaged("is damaged: some of its picture data are missing")
    photometric, bits, samples = first(262), first(258, 1), first(277, 1)
    plain = first(259, 1) == 1 and photometric != 6 and 324 not in tags
    stored = -(-width * bits * samples // 8) * height
    if plain and sum(counts) < stored:
        raise Damaged("is damaged: some of its picture data are missing")
    if first(259) in (8, 32946):
        for offset, count in zip(offsets, counts, strict=True):
            _check_deflate(data[offset : offset + count])
    return Header(
        "tif",
        width,
        height,
        inverted=photometric == 0 and bits == 16,
        grey_alpha=photometric in (0, 1) and samples == 2,
        lzw=tuple(zip(offsets, counts, strict=True)) if first(259) == 5 else (),
        stored=stored,
    )


def _check_deflate(stream: bytes) -> None:
    """Check the checksum at the end of a zlib stream, before which libtiff stops reading."""
    decoder = zlib.decompressobj()
    try:
        while not decoder.eof:
            piece = decoder.decompress(stream, 1 << 20)
            stream = decoder.unconsumed_tail
            if not piece and not stream and not decoder.eof:
                raise Damaged("is cut short")
    except zlib.error:
        raise Damaged("is damaged: a checksum in it is wrong") from None


def _read_webp(data: bytes) -> Header:
    """WebP container specification: RIFF chunks; the size is in VP8X, VP8L or VP8."""
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if len(data) < riff_size + 8:
        raise Damaged("is cut short")
    size = None
    orientation = 1
    for kind, body in _riff_chunks(data[12 : riff_size + 8]):
        if kind == b"EXIF":
            orientation = _exif_orientation(body.removeprefix(b"Exif\0\0"))
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
        raise Damaged("is damaged: it has no picture data")
    return Header("webp", *size, orientation=orientation)


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


def _exif_orientation(exif: bytes) -> int:
    """Tag 274 of an EXIF block, which has the form of a TIFF file; 1 where it is not readable."""
    try:
        values = _tiff_tags(exif).get(274) or [1]
    except (struct.error, KeyError, Damaged):
        return 1
    return values[0] if 1 <= values[0] <= 8 else 1


def _tiff_tags(data: bytes) -> dict[int, list[int]]:
    """The integer tags of the first directory of a TIFF or BigTIFF."""
    if data[:4] not in _TIFF:
        raise Damaged("is not a TIFF picture")
    order, big = _TIFF[data[:4]], b"+" in data[:4]
    (directory,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, directory)
    start, step = directory + (8 if big else 2), 20 if big else 12
    if start + entries * step > len(data):
        raise Damaged("is cut short")
    tags: dict[int, list[int]] = {}
    for position in range(start, start + entries * step, step):
        tag, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, position)
        if kind not in _TIFF_TYPES:
            continue
        width = struct.calcsize("=" + _TIFF_TYPES[kind]) * count
        at = position + (12 if big else 8)
        if width > (8 if big else 4):
            (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, at)
        if at + width > len(data):
            raise Damaged("is cut short")
        tags[tag] = list(struct.unpack_from(f"{order}{count}{_TIFF_TYPES[kind]}", data, at))
    return tags
