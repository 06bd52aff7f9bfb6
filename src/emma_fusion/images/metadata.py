"""What an image file says besides its pixels: EXIF with its GPS, the colour profile, resolution."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from emma_fusion.images.xmp import find_kept

_ORIENTATION, _XMP = 274, 700
_EXIF_IFD, _GPS_IFD = 34665, 34853
_DESCRIPTION, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 270, 282, 283, 296
_WIDTH, _HEIGHT, _MAKER_NOTE = 40962, 40963, 37500
# Of the first directory, what describes the picture taken, and not the file or its writer.
_KEPT = {
    _DESCRIPTION, 271, 272, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, 306, 315, 316,
    33432, _EXIF_IFD, _GPS_IFD, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,
}  # fmt: skip
# Descriptions that TIFF writers keep of their own layout.
_LAYOUTS = ('{"shape"', "ImageJ=", "<?xml", "<OME")
_INCH, _CENTIMETRE = 2, 3
# Classes, because `Image.open` refuses large images by a limit that belongs to the whole process.
_CLASSES = {
    b"\x89PNG": PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
}


@dataclass(frozen=True)
class Metadata:
    """What goes with an image into another that is made of it.

    Attributes:
        exif: as a TIFF structure, without an orientation; empty where there is none.
        profile: the ICC profile; empty where there is none.
        dpi: pixels an inch, across and down.
        xmp: what its XMP says of the shot, see `xmp.find_kept`.
    """

    exif: bytes = b""
    profile: bytes = b""
    dpi: tuple[float, float] | None = None
    xmp: str = ""

    def fitted(self, shape: tuple[int, ...]) -> Metadata:
        """What of it holds for an image of a shape: its size, and a profile of its channels."""
        exif = self.exif
        if exif:
            tags = load_exif(exif)
            details = tags.get_ifd(_EXIF_IFD)
            if _WIDTH in details:
                details[_WIDTH], details[_HEIGHT] = shape[1], shape[0]
            exif = _to_bytes(tags)
        space = b"GRAY" if len(shape) == 2 else b"RGB "
        return replace(self, exif=exif, profile=self.profile * (self.profile[16:20] == space))

    def without_maker_note(self) -> Metadata:
        """It without the camera maker's own, mostly long part of the EXIF."""
        tags = load_exif(self.exif)
        tags.get_ifd(_EXIF_IFD).pop(_MAKER_NOTE, None)
        return replace(self, exif=_to_bytes(tags))


def read_metadata(source: Path | str | bytes) -> Metadata:
    """Read what an image file says besides its pixels; nothing where it is not readable.

    The orientation is left out, since images are turned when they are read, and so are previews.

    Args:
        source: a path, or the bytes of the file.
    """
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            start = file.read(4)
            file.seek(0)
            if start[:2] in (b"II", b"MM"):
                tags, profile, dpi = Image.Exif(), b"", None
                tags.load_from_fp(file)
                profile, packet = bytes(tags.get(34675, b"")), tags.get(_XMP, b"")
            else:
                kind = next(kind for mark, kind in _CLASSES.items() if start.startswith(mark))
                with kind(file) as image:
                    tags, dpi = load_exif(image.info.get("exif", b"")), image.info.get("dpi")
                    profile = bytes(image.info.get("icc_profile") or b"")
                    packet = image.info.get("xmp") or b""
            packet = packet.encode() if isinstance(packet, str) else bytes(packet)
            return replace(_collect(tags, profile, dpi), xmp=find_kept(packet))
    except Exception:  # Pillow raises nearly anything on damaged files; the pixels may be sound
        return Metadata()


def load_exif(data: bytes) -> Image.Exif:
    """The tags of an EXIF block, with or without its mark in front."""
    tags = Image.Exif()
    if data:
        tags.load(data)
    return tags


def orientation_of(exif: bytes) -> int:
    """The orientation of an EXIF block, 1 to 8; 1 where it is not readable."""
    try:
        value = load_exif(exif).get(_ORIENTATION, 1)
    except Exception:  # Pillow raises nearly anything on damaged blocks
        return 1
    return value if value in range(1, 9) else 1


def _collect(tags: Image.Exif, profile: bytes, dpi: Any) -> Metadata:
    """Metadata of all tags of a file."""
    if not dpi and tags.get(_RESOLUTION_UNIT, _INCH) in (_INCH, _CENTIMETRE):
        scale = 2.54 if tags.get(_RESOLUTION_UNIT) == _CENTIMETRE else 1.0
        across, down = float(tags.get(_X_RESOLUTION, 0)), float(tags.get(_Y_RESOLUTION, 0))
        dpi = (across * scale, down * scale) if min(across, down) > 1 else None
    details, place = dict(tags.get_ifd(_EXIF_IFD)), dict(tags.get_ifd(_GPS_IFD))
    kept = Image.Exif()
    for number, value in tags.items():
        if number in _KEPT - {_EXIF_IFD, _GPS_IFD}:
            kept[number] = value
    if str(kept.get(_DESCRIPTION, "")).startswith(_LAYOUTS):
        del kept[_DESCRIPTION]
    # what TIFF says of its resolution is no reason to make an EXIF block
    if set(kept) <= {_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT} and not details and not place:
        return Metadata(b"", profile, dpi)
    for number, part in ((_EXIF_IFD, details), (_GPS_IFD, place)):
        if part:
            kept[number] = part
    return Metadata(_to_bytes(kept), profile, dpi)


def _to_bytes(tags: Image.Exif) -> bytes:
    """An EXIF block without its mark in front."""
    return tags.tobytes().removeprefix(b"Exif\0\0")
