"""The bytes of an image file: PNG by OpenCV, JPEG and WebP by Pillow, TIFF by tifffile."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from emma_fusion.errors import UserError
from emma_fusion.images import record as records
from emma_fusion.images.folders import SUFFIXES
from emma_fusion.images.geotiff import Tag
from emma_fusion.images.metadata import Metadata, load_exif

TIFF_SUFFIXES = (".tif", ".tiff")
DEEP_SUFFIXES = (".png", *TIFF_SUFFIXES)  # those that hold 16 bit
ALPHA_SUFFIXES = (".png", *TIFF_SUFFIXES, ".webp", ".bmp")
_EXIF_IFD, _GPS_IFD, _INTEROPERABILITY = 34665, 34853, 40965
_DATE, _DESCRIPTION, _XMP = 306, 270, 700
_TEXTS = (271, 272, 315, 316, 33432)
# Bytes from which a TIFF file is a BigTIFF, well under the 4 GiB that its offsets can say.
_BIG = 2**32 - 2**28
_MOST_EXIF = _MOST_XMP = 65_000  # bytes in a JPEG segment
_SEGMENTED = (".jpg", ".jpeg")


def check_format(path: Path, dtype: npt.DTypeLike, has_alpha: bool = False) -> None:
    """Check that a file of this suffix can hold an image of this kind.

    Raises:
        UserError: it cannot, and what to do.
    """
    suffix, dtype = path.suffix.lower(), np.dtype(dtype)
    if suffix not in SUFFIXES:
        kinds = ", ".join(known[1:] for known in SUFFIXES)
        raise UserError(f"{path.name} has no suffix of an image that can be written: {kinds}.")
    if dtype not in (np.uint8, np.uint16) and not (
        dtype == np.float32 and suffix in TIFF_SUFFIXES and not has_alpha
    ):
        raise UserError(
            f"A {dtype} image cannot be written into {path.name}: use uint8 or uint16, or float32 "
            "without alpha for tif."
        )
    if dtype == np.uint16 and suffix not in DEEP_SUFFIXES:
        raise UserError(
            f"{path.name} is to have 16 bit, which {suffix[1:]} cannot hold: write png or tif, or "
            "ask for a depth of 8 bit."
        )
    if has_alpha and suffix not in ALPHA_SUFFIXES:
        raise UserError(
            f"{path.name} is to have an alpha channel, which {suffix[1:]} cannot hold: write png, "
            "tif or webp."
        )


def encode_image(
    name: str,
    image: npt.NDArray[Any],
    record: dict[str, Any] | None = None,
    georeference: Sequence[Tag] = (),
    metadata: Metadata | None = None,
    valid: npt.NDArray[np.bool_] | None = None,
) -> bytes:
    """The bytes that `write_image` writes, with the record where the format holds it inside.

    Args:
        name: of the file; its suffix decides the format.
        image: see `write_image`.
        record: see `write_image`.
        georeference: see `write_image`.
        metadata: see `write_image`.
        valid: see `write_image`.

    Raises:
        UserError: the format is unknown or cannot hold the image.
    """
    path = Path(name)
    check_format(path, image.dtype, image.ndim == 3 and image.shape[2] == 4)
    suffix = path.suffix.lower()
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    facts = (metadata or Metadata()).fitted(image.shape)
    if suffix in TIFF_SUFFIXES:
        return encode_pages([image], georeference, facts, [valid])
    xmp = records.to_xmp(record, facts.xmp) if suffix in records.INSIDE else b""
    if suffix in _SEGMENTED and len(xmp) > _MOST_XMP:
        xmp = records.to_xmp(record)
    try:
        if suffix in (".png", ".bmp"):
            done, encoded = cv2.imencode(suffix, _swap_channels(image))
            if not done:
                raise OSError
            data = encoded.tobytes()
            return data if suffix == ".bmp" else _insert_chunks(data, facts, xmp)
        return _encode_by_pillow(suffix, image, facts, xmp)
    except (cv2.error, OSError, ValueError):
        height, width = image.shape[:2]
        raise UserError(
            f"{name} cannot hold an image of {width}x{height} pixels: write png."
        ) from None


def encode_pages(
    images: Iterable[npt.NDArray[Any]],
    georeference: Sequence[Tag] = (),
    metadata: Metadata | None = None,
    valid: Sequence[npt.NDArray[np.bool_] | None] = (),
) -> bytes:
    """The bytes of a TIFF file of one or more pages, compressed by Deflate.

    Args:
        images: the pages, each as `write_image` takes it.
        georeference: see `write_image`; of every page.
        metadata: see `write_image`; of the first page.
        valid: which pixels of each page hold data, (H, W) or None for all. Where some do not, a
            mask follows the page, as GDAL reads it.
    """
    images = list(images)
    facts = metadata or Metadata()
    buffer = io.BytesIO()
    big = sum(image.nbytes for image in images) > _BIG
    with tifffile.TiffWriter(buffer, bigtiff=big, byteorder="<") as writer:
        for number, image in enumerate(images):
            options = _options(image, facts if number == 0 else Metadata(), georeference)
            writer.write(image, **options)
            mask = valid[number] if number < len(valid) else None
            if mask is not None:
                writer.write(
                    mask, photometric="mask", subfiletype=4, compression="zlib", metadata=None
                )
    data = buffer.getvalue()
    return _append_directories(data, facts.exif) if facts.exif and not big else data


def _options(
    image: npt.NDArray[Any], facts: Metadata, georeference: Sequence[Tag]
) -> dict[str, Any]:
    """How tifffile is to write a page."""
    from emma_fusion import __version__

    tags: list[tuple[int, int, int, Any, bool]] = [
        (tag.number, tag.type, tag.count, tag.values, True) for tag in georeference
    ]
    options: dict[str, Any] = {
        "photometric": "rgb" if image.ndim == 3 else "minisblack",
        "compression": "zlib",
        "predictor": 2 if image.dtype.kind == "u" else 3,
        "metadata": None,
        "software": f"emma-fusion {__version__}",
    }
    if image.ndim == 3 and image.shape[2] == 4:
        options["extrasamples"] = ["unassalpha"]
    if facts.dpi:
        options |= {"resolution": facts.dpi, "resolutionunit": "inch"}
    if facts.profile:
        options["iccprofile"] = facts.profile
    if facts.exif:
        exif = load_exif(facts.exif)
        for number in _TEXTS:
            if isinstance(exif.get(number), str):
                text = exif[number].encode() + b"\0"
                tags.append((number, 2, len(text), text, True))
        if isinstance(exif.get(_DATE), str):
            text = exif[_DATE].encode() + b"\0"
            tags.append((_DATE, 2, len(text), text, True))
        if isinstance(exif.get(_DESCRIPTION), str):
            options["description"] = exif[_DESCRIPTION].encode()
    if facts.xmp:
        packet = records.to_xmp(None, facts.xmp)
        tags.append((_XMP, 1, len(packet), packet, True))
    return options | {"extratags": tags}


def _append_directories(data: bytes, block: bytes) -> bytes:
    """Put EXIF and GPS directories at the end of a classic little-endian TIFF file.

    tifffile writes no such directories; its first one is written anew behind them, which names
    them. Nothing else moves.
    """
    (at,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, at)
    old = [data[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(entries)]
    following = data[at + 2 + 12 * entries : at + 6 + 12 * entries]
    exif, end, added = load_exif(block), bytearray(len(data) % 2), []
    for number in (_EXIF_IFD, _GPS_IFD):
        directory = ImageFileDirectory_v2(prefix=b"II")
        for key, value in exif.get_ifd(number).items():
            if key != _INTEROPERABILITY:  # a place in the file that it was read from
                directory[key] = value
        if len(directory):
            place = len(data) + len(end)
            added.append(struct.pack("<HHII", number, 4, 1, place))
            end += directory.tobytes(place)
            end += bytes(len(end) % 2)
    listed = sorted(old + added, key=lambda entry: struct.unpack_from("<H", entry))
    first = struct.pack("<I", len(data) + len(end))
    end += struct.pack("<H", len(listed)) + b"".join(listed) + following
    return b"".join((data[:4], first, memoryview(data)[8:], end))


def _encode_by_pillow(suffix: str, image: npt.NDArray[Any], facts: Metadata, xmp: bytes) -> bytes:
    """A JPEG of quality 95, or a WebP without loss."""
    if len(facts.exif) > _MOST_EXIF:
        facts = facts.without_maker_note()
    options: dict[str, Any] = {}
    if facts.exif and len(facts.exif) <= _MOST_EXIF:
        options["exif"] = b"Exif\0\0" + facts.exif
    if facts.profile:
        options["icc_profile"] = facts.profile
    if xmp:
        options["xmp"] = xmp
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    if suffix == ".webp":
        picture.save(buffer, "WEBP", lossless=True, exact=True, method=2, quality=50, **options)
    else:
        dpi = {"dpi": tuple(round(value) for value in facts.dpi)} if facts.dpi else {}
        picture.save(buffer, "JPEG", quality=95, **dpi, **options)
    return buffer.getvalue()


def _insert_chunks(png: bytes, facts: Metadata, xmp: bytes) -> bytes:
    """Put what belongs to an image into a PNG, after its header."""
    chunks: list[tuple[bytes, bytes]] = []
    if facts.profile:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(facts.profile)))
    if facts.dpi:
        metres = (round(value / 0.0254) for value in facts.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", *metres, 1)))
    if facts.exif:
        chunks.append((b"eXIf", facts.exif))
    if xmp:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    added = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    after = 33  # signature and IHDR
    whole = memoryview(png)  # whose parts are no copies
    return b"".join((whole[:after], added, whole[after:]))


def _swap_channels(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """OpenCV's BGR(A) of RGB(A)."""
    if image.ndim == 2:
        return image
    order = (2, 1, 0) if image.shape[2] == 3 else (2, 1, 0, 3)
    return np.ascontiguousarray(image[..., order])
