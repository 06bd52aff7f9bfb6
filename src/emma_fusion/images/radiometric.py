"""FLIR's radiometric JPEG: the temperatures, and the visible image, that a camera keeps inside.

Such a file is an ordinary JPEG, in false colour, whose APP1 segments hold FLIR's own records: the
sensor's raw counts, the camera's calibration, often a visible image of the same moment, and where
that lies. Counts become temperatures by flyr, from the calibration and from what the camera was
told of the object (emissivity, distance, air).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.align import Aligner
from emma_fusion.align.aligner import place
from emma_fusion.align.geometry import Matrix, Size, apply, corners, middle, shift, size_of
from emma_fusion.errors import UserError
from emma_fusion.images.decoded import Decoded
from emma_fusion.images.files import read_whole, shown
from emma_fusion.images.formats import MAX_PIXELS
from emma_fusion.images.placement import Placement
from emma_fusion.images.reading import decode_image, read_decoded
from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.nodata import fill

_ZERO = 273.15  # degrees Celsius in kelvin
_TEMPERATURES = ("temperatures", "shown_by_camera", "measuring_range", "reflected", "air")
# Of the directory of FLIR's records (FFF), as ExifTool documents them.
_RAW, _VISIBLE, _CAMERA, _PLACE = 0x01, 0x0E, 0x20, 0x2A
_JPEG_LS = 0xF7  # the marker of its frame
_IMAGE_AT = 32  # bytes before the image within its record
_MOST_RECORDS = 1024
# Thermal sensors have at most 1.3 million pixels; a header that claims more is damage.
_MOST_COUNTS = 2**24


@dataclass(frozen=True, eq=False)
class Thermogram:
    """What a radiometric file holds.

    Attributes:
        values: (H, W) float32, temperatures in degrees Celsius, or in kelvin where the facts say
            so; NaN where the counts have none.
        visible: (H', W', 3) uint8, the visible image inside, or None.
        visible_to_infrared: (3, 3), where the camera says that the visible image's pixels lie on
            the thermal one; None where it does not say.
        facts: for the record: unit, emissivity and what else the temperatures were computed with,
            in that unit and in metres, and ranges of temperatures.
    """

    values: FloatArray
    visible: npt.NDArray[np.uint8] | None
    visible_to_infrared: Matrix | None
    facts: dict[str, Any]

    def in_kelvin(self) -> Thermogram:
        """The same in kelvin, from degrees Celsius."""
        facts = {key: _to_kelvin(self.facts[key]) for key in _TEMPERATURES}
        values = (self.values.astype(np.float64) + _ZERO).astype(np.float32)
        return replace(self, values=values, facts={**self.facts, **facts, "unit": "K"})


def is_radiometric(data: bytes) -> bool:
    """Whether these are the bytes of a JPEG with a thermal sensor's raw counts inside."""
    try:
        return _RAW in _read_records(data)
    except _NoRecords:
        return False


def is_radiometric_file(path: Path) -> bool:
    """Whether a file is one whose bytes `is_radiometric`; not where it cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
            return start == b"\xff\xd8" and is_radiometric(start + file.read())
    except (OSError, ValueError):
        return False


def decode_thermogram(
    data: bytes, name: str = "The image", max_pixels: int = MAX_PIXELS
) -> Thermogram:
    """Read temperatures and visible image from the bytes of a radiometric JPEG.

    Args:
        data: the whole file.
        name: what an error calls it.
        max_pixels: the visible image inside may have.

    Raises:
        UserError: it holds no raw counts or no calibration, it is damaged, or the extra `flir` is
            not installed.
    """
    try:
        records = _read_records(data)
        raw, camera = records[_RAW], records[_CAMERA]
    except (_NoRecords, KeyError):
        raise UserError(
            f"{name} holds no temperatures that can be read: it is no radiometric JPEG of a FLIR "
            "camera. Give it as an image beside a visible one; files of other makers become "
            "temperatures with the maker's own tool."
        ) from None
    counts = _decode_counts(raw, camera, name)
    celsius, facts = _to_celsius(counts, camera, name)
    visible = None
    if len(held := records.get(_VISIBLE, b"")) > _IMAGE_AT:
        image = decode_image(held[_IMAGE_AT:], f"The visible image inside {name}", max_pixels)
        visible = _as_rgb8(image)
    matrix = None
    if visible is not None and _PLACE in records:
        matrix = _read_place(records[_PLACE], size_of(visible), size_of(celsius))
    return Thermogram(celsius, visible, matrix, facts)


def read_thermogram(path: Path | str) -> Thermogram:
    """Read a radiometric JPEG.

    Raises:
        UserError: see `decode_thermogram`; or the file cannot be read.
    """
    return decode_thermogram(read_whole(Path(path)), f"The file {shown(path)}")


def read_infrared(path: Path | str) -> Decoded:
    """Read an image that is to be the infrared one: of a radiometric file the temperatures.

    Raises:
        UserError: see `reading.read_image` and `decode_thermogram`.
    """
    path = Path(path)
    if not is_radiometric_file(path):
        return read_decoded(path)
    return as_infrared(read_thermogram(path))


def read_both(
    path: Path | str, aligner: Aligner | None = None
) -> tuple[Decoded, Decoded, Placement | None]:
    """Read the temperatures and the visible image of one radiometric file.

    The camera says where the one lies on the other (Real2IR, OffsetX, OffsetY of its file), for
    one distance of the scene: what is nearer or farther is displaced, since the two lenses look
    from different places. An aligner finds that displacement from the images.

    Args:
        path: the file.
        aligner: refines the camera's placement; a calibration takes its place.

    Returns:
        The temperatures, the visible image, and where the one belongs on the other; None where
        the aligner is to say.

    Raises:
        UserError: see `decode_thermogram`; or the file holds no visible image, does not say where
            it lies, or the aligner found no alignment to be trusted.
    """
    thermogram, name = read_thermogram(path), shown(Path(path).name)
    if thermogram.visible is None:
        raise UserError(
            f"{name} holds no visible image: give one of the same scene as the second file."
        )
    placement = find_placement(thermogram, name, aligner)
    return as_infrared(thermogram), Decoded(thermogram.visible), placement


def find_placement(
    thermogram: Thermogram, name: str, aligner: Aligner | None = None
) -> Placement | None:
    """Where the temperatures belong on the visible image of their file; see `read_both`.

    Raises:
        UserError: the file does not say, or the aligner found no alignment to be trusted.
    """
    placed, visible = thermogram.visible_to_infrared, thermogram.visible
    if aligner is not None and (aligner.is_rig or placed is None):
        return None
    if placed is None or visible is None:
        raise UserError(
            f"{name} does not say where its visible image lies on the thermal one: let it be "
            "found, with --align auto."
        )
    if aligner is None:
        note = (
            f"{name} was placed on its visible image as the camera says (Real2IR and offsets), "
            "which holds for one distance: what is nearer or farther is displaced (parallax), "
            "which --align auto looks for."
        )
        return Placement(placed, {"by": "camera", "model": "similarity"}, note)
    labels = f"the temperatures in {name}", f"the visible image in {name}"
    matrix, facts = _refine(thermogram.values, visible, placed, aligner, labels)
    note = (
        f"{name}: the scene lies {facts['moved_pixels']:.1f} pixels from where the camera places "
        "it (parallax), which --align took off."
    )
    return Placement(matrix, facts, note)


def as_infrared(thermogram: Thermogram) -> Decoded:
    """The temperatures as an infrared image."""
    valid = np.isfinite(thermogram.values)
    note = "is a radiometric file: its temperatures were used, in degrees Celsius"
    return Decoded(
        thermogram.values,
        None if valid.all() else valid,
        notes=(note,),
        facts=thermogram.facts,
    )


def _refine(
    celsius: FloatArray,
    visible: npt.NDArray[np.uint8],
    placed: Matrix,
    aligner: Aligner,
    labels: tuple[str, str],
) -> tuple[Matrix, dict[str, Any]]:
    """The camera's placement, and from there what an aligner finds where both images are."""
    whole = size_of(visible)
    back = np.asarray(np.linalg.inv(placed), np.float64)
    ends = apply(back, corners(size_of(celsius)))
    left, top = np.clip(np.ceil(ends.min(axis=0)), 0, None).astype(int)
    right, bottom = np.minimum(np.floor(ends.max(axis=0)).astype(int) + 1, whole[::-1])
    here = placed @ shift(left, top)
    size = int(bottom - top), int(right - left)
    crop = visible[top:bottom, left:right]
    valid = np.isfinite(celsius)
    by_camera = place(celsius if valid.all() else fill(celsius, valid), here, size, {}).image
    try:
        facts = dict(aligner(by_camera, crop, labels).record["alignment"])
    except UserError as error:
        raise UserError(f"{error} Without --align they stay where the camera puts them.") from None
    moved = np.array(facts.pop("visible_to_infrared", np.eye(3).tolist()))
    facts["by"] = f"camera, then {facts['by']}"
    return here @ moved @ shift(-left, -top), facts


class _NoRecords(Exception):
    """The file is no JPEG with FLIR's records, or they are cut off."""


def _read_records(data: bytes) -> dict[int, bytes]:
    """The records of a JPEG by their type, the first of each.

    Raises:
        _NoRecords: there are none.
    """
    stream = _join_segments(data)
    if stream[:4] not in (b"FFF\0", b"AFF\0") or len(stream) < 64:
        raise _NoRecords
    at, entries = struct.unpack_from(">II", stream, 24)
    records: dict[int, bytes] = {}
    for number in range(min(entries, _MOST_RECORDS)):
        entry = at + 32 * number
        if entry + 32 > len(stream):
            break
        kind, _, _, _, start, length = struct.unpack_from(">HHIIII", stream, entry)
        if kind and length and start + length <= len(stream):
            records.setdefault(kind, stream[start : start + length])
    return records


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments of a JPEG before its image data: their markers and what they hold."""
    at = 2 if data[:2] == b"\xff\xd8" else len(data)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # filling before a marker
            at += 1
            continue
        if marker == 0xDA or length < 2:  # the image itself begins
            return
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _join_segments(data: bytes) -> bytes:
    """FLIR's APP1 segments of a JPEG, joined in their order.

    Raises:
        _NoRecords: one is missing, or there is none.
    """
    parts: dict[int, bytes] = {}
    last = -1
    for marker, body in _segments(data):
        if marker == 0xE1 and body[:6] == b"FLIR\0\x01" and len(body) > 8:
            parts.setdefault(body[6], body[8:])
            last = body[7]
    if last < 0 or sorted(parts) != list(range(last + 1)):
        raise _NoRecords
    return b"".join(parts[number] for number in range(last + 1))


def _decode_counts(raw: bytes, camera: bytes, name: str) -> npt.NDArray[np.uint16]:
    """The sensor's counts, (H, W): as they are, as PNG or as JPEG-LS."""
    damaged = UserError(f"{name} is damaged: its thermal image could not be decoded.")
    if len(raw) < _IMAGE_AT + 16:
        raise damaged
    if raw[:2] != b"\x02\0":
        raise UserError(
            f"{name} holds its thermal image in a form that is not read, as some programs write "
            "it: give the file as the camera wrote it."
        )
    width, height = struct.unpack_from("<HH", raw, 2)
    if not 0 < width * height <= _MOST_COUNTS:
        raise UserError(f"{name} is damaged: its thermal image claims to be {width}x{height}.")
    image = raw[_IMAGE_AT:]
    if image[:4] == b"\x89PNG":
        counts = decode_image(image, f"The thermal image inside {name}", _MOST_COUNTS)
        if counts.dtype == np.uint16 and counts.ndim == 2:
            counts = _in_order(counts, camera)
    elif image[:2] == b"\xff\xd8":
        sizes = [body[1:5] for marker, body in _segments(image) if marker == _JPEG_LS]
        if sizes != [struct.pack(">HH", height, width)]:
            raise damaged
        counts = _decode_jpeg_ls(image, damaged)
    else:
        plain = image[: 2 * width * height]
        if len(plain) < 2 * width * height:
            raise damaged
        counts = np.frombuffer(plain, "<u2").reshape(height, width)
    if counts.shape != (height, width) or counts.dtype != np.uint16:
        raise damaged
    return counts


def _in_order(counts: npt.NDArray[np.uint16], camera: bytes) -> npt.NDArray[np.uint16]:
    """Counts of a PNG, whose bytes most cameras swap and some do not: as the calibration fits."""
    if len(camera) < 788:
        return counts.byteswap()
    low, high = struct.unpack_from("<HH", camera, 784)
    swapped = counts.byteswap()
    inside = [int(((one >= low) & (one <= high)).sum()) for one in (counts, swapped)]
    return counts if inside[0] > inside[1] else swapped


def _decode_jpeg_ls(image: bytes, damaged: UserError) -> npt.NDArray[Any]:
    """An image in lossless JPEG-LS, as newer cameras keep their counts."""
    try:
        from imagecodecs import JpeglsError, jpegls_decode
    except ImportError as error:
        raise _needs("imagecodecs") from error
    try:
        counts: npt.NDArray[Any] = jpegls_decode(image)
    except JpeglsError:
        raise damaged from None
    return counts


def _to_celsius(
    counts: npt.NDArray[np.uint16], camera: bytes, name: str
) -> tuple[FloatArray, dict[str, Any]]:
    """Temperatures by the calibration in the file, and the facts of the record."""
    try:
        from flyr.thermal import parse_camera_info
        from flyr.thermogram import FlyrThermogram
    except ImportError as error:
        raise _needs("flyr") from error
    try:
        info = parse_camera_info(io.BytesIO(camera), (0, _CAMERA, 0, len(camera)))
        thermogram = FlyrThermogram(counts, info)
        with np.errstate(all="ignore"):
            celsius = thermogram.celsius.astype(np.float32)
            shown = thermogram.embedded_range("celsius")
    except (ArithmeticError, ValueError, struct.error):
        celsius, shown, info = np.full(1, np.nan, np.float32), (0.0, 0.0), {}
    celsius[~np.isfinite(celsius)] = np.nan
    if np.isnan(celsius).all():
        raise UserError(f"{name} is damaged: its calibration gives no temperatures.")
    measured = [round(value - _ZERO, 2) for value in struct.unpack_from("<ff", camera, 0x90)[::-1]]
    facts: dict[str, Any] = {
        "unit": "degC",
        "temperatures": [round(float(value), 3) for value in _ends(celsius)],
        "shown_by_camera": [round(float(value), 3) for value in shown],
        "measuring_range": measured,
        "emissivity": round(info["emissivity"], 4),
        "distance_m": round(info["object_distance"], 3),
        "reflected": round(info["reflected_apparent_temperature"] - _ZERO, 2),
        "air": round(info["atmospheric_temperature"] - _ZERO, 2),
        "humidity": round(info["relative_humidity"], 3),
        "window_transmission": round(info["ir_window_transmission"], 4),
    }
    return celsius, {key: _finite(value) for key, value in facts.items()}


def _to_kelvin(value: Any) -> Any:
    """A fact in degrees Celsius, or several, in kelvin."""
    if isinstance(value, list):
        return [_to_kelvin(one) for one in value]
    return None if value is None else round(value + _ZERO, 3)


def _finite(value: Any) -> Any:
    """A fact that JSON can hold: None for what is no number."""
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return value if isinstance(value, str) or np.isfinite(value) else None


def _ends(celsius: FloatArray) -> tuple[float, float]:
    """The lowest and the highest temperature."""
    return float(np.nanmin(celsius)), float(np.nanmax(celsius))


def _read_place(record: bytes, visible: Size, infrared: Size) -> Matrix | None:
    """Where the visible image's pixels lie on the thermal one, as the camera's file says.

    Real2IR is how many times the visible image's field of view is as wide as the thermal one's;
    the offsets say where the thermal image's centre lies from the visible one's, in its pixels.
    """
    if len(record) < 8:
        return None
    ratio, right, down = struct.unpack_from("<fhh", record)
    inside = 2 * abs(right) < visible[1] and 2 * abs(down) < visible[0]
    if not (0.05 < ratio < 20 and inside):
        return None
    step = ratio * infrared[1] / visible[1]
    x, y = middle(visible)
    to_x, to_y = middle(infrared)
    matrix: Matrix = shift(to_x, to_y) @ np.diag([step, step, 1.0]) @ shift(-x - right, -y - down)
    return matrix


def _as_rgb8(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """An image as 8-bit RGB."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
    return np.ascontiguousarray(image[..., :3])


def _needs(package: str) -> UserError:
    """What to install."""
    return UserError(
        f"The temperatures of a FLIR file need {package}: install the extra `flir`, "
        "pip install -c constraints.txt '.[flir]'."
    )
