"""The georeference of a GeoTIFF (OGC 19-008r4): six tags of its first directory."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# ModelPixelScale, ModelTiepoint, ModelTransformation, GeoKeyDirectory, GeoDoubleParams,
# GeoAsciiParams
_NUMBERS = (33550, 33922, 34264, 34735, 34736, 34737)
_ORIENTATION = 274
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 11: 4, 12: 8}  # bytes of a value, by its TIFF type
_MOST = 2**20  # bytes of one tag; more is damage


@dataclass(frozen=True)
class Tag:
    """A tag of a TIFF directory.

    Attributes:
        number: of the tag.
        type: of its values, as TIFF numbers them.
        count: of its values.
        values: little-endian.
    """

    number: int
    type: int
    count: int
    values: bytes


def read_georeference(path: Path | str) -> list[Tag]:
    """Read the tags that say where on the Earth an image lies.

    Returns:
        The tags in order; none where the file has none, is no readable TIFF, or is to be turned
        before it is seen (its orientation), since they hold for the image as it is stored.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(16)
            kind = start[:4]
            order, big = {b"II": "<", b"MM": ">"}[kind[:2]], kind[2:].strip(b"\0") == b"+"
            if not big and kind[2:].strip(b"\0") != b"*":
                return []
            (at,) = struct.unpack_from(order + ("Q" if big else "I"), start, 8 if big else 4)
            file.seek(at)
            counted, entry, inline = ("Q", "HHQ", 8) if big else ("H", "HHI", 4)
            (entries,) = struct.unpack(order + counted, file.read(struct.calcsize("=" + counted)))
            length = struct.calcsize("=" + entry) + inline
            directory = file.read(entries * length)
            tags = []
            for position in range(0, entries * length, length):
                number, type_, count = struct.unpack_from(order + entry, directory, position)
                place = position + length - inline
                turned = struct.unpack_from(order + "H", directory, place) != (1,)
                if number == _ORIENTATION and turned:
                    return []
                if number not in _NUMBERS:
                    continue
                size = _WIDTHS[type_] * count
                values = directory[place : place + size]
                if size > inline:
                    (at,) = struct.unpack_from(order + "IQ"[big], directory, place)
                    file.seek(at)
                    values = file.read(min(size, _MOST))
                if len(values) != size:
                    return []
                tags.append(Tag(number, type_, count, _little(values, order, _WIDTHS[type_])))
            return sorted(tags, key=lambda tag: tag.number)
    except (OSError, KeyError, struct.error):
        return []


def add_georeference(data: bytes, tags: Sequence[Tag]) -> bytes:
    """Put tags into a little-endian TIFF file that has none of them, such as OpenCV writes.

    Its first directory is written anew, at the end; nothing else moves.

    Raises:
        ValueError: it is no such file.
    """
    if data[:4] != b"II*\0":
        raise ValueError("This is no classic little-endian TIFF file.")
    (at,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, at)
    old = [data[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(entries)]
    following = data[at + 2 + 12 * entries : at + 6 + 12 * entries]
    added = []
    end = bytearray(len(data) % 2)  # values begin at even places
    for tag in tags:
        head = struct.pack("<HHI", tag.number, tag.type, tag.count)
        if len(tag.values) <= 4:
            added.append(head + tag.values.ljust(4, b"\0"))
            continue
        added.append(head + struct.pack("<I", len(data) + len(end)))
        end += tag.values + bytes(len(tag.values) % 2)
    directory = sorted(old + added, key=lambda entry: struct.unpack_from("<H", entry))
    place = struct.pack("<I", len(data) + len(end))
    end += struct.pack("<H", len(directory)) + b"".join(directory) + following
    return b"".join((data[:4], place, memoryview(data)[8:], end))


def _little(values: bytes, order: str, width: int) -> bytes:
    """Values of so many bytes each, little-endian."""
    return np.frombuffer(values, f"{order}u{width}").astype(f"<u{width}").tobytes()
