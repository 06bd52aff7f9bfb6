"""Still images: png, jpg, bmp, tif and webp of 8 or 16 bit, in and out."""

from __future__ import annotations

import errno
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images import record as records
from emma_fusion.images.folders import SUFFIXES, make_folder
from emma_fusion.images.geotiff import Tag, add_georeference
from emma_fusion.images.header import Damaged, Header, read_header, split_pages
from emma_fusion.pair import Colour, Pair

# 16384 x 16384. A header that claims more is refused before anything is allocated.
MAX_PIXELS = 2**28

DEEP_SUFFIXES = (".png", ".tif", ".tiff")  # those that hold 16 bit
ALPHA_SUFFIXES = (".png", ".tif", ".tiff", ".webp", ".bmp")

_FD_LOCK = threading.Lock()
# libjpeg writes these to stderr and goes on with grey; what else it says there is harmless.
_COMPLAINT = re.compile(rb"premature end|bad Huffman code|found marker 0x|ERROR|FATAL")


def read_image(path: Path | str) -> npt.NDArray[Any]:
    """Read an image.

    The content decides the format, not the suffix. Palettes and 1-bit images come as 8 bit, CMYK
    as RGB; of several pages or frames the first is read. The orientation in EXIF or TIFF tags is
    applied, so that the image stands as viewers show it. Colour profiles are ignored.

    Damage is found as far as the format lets it be found: the frame of the file must be whole up to
    its end, checksums must be right, and the decoder must not complain. A changed byte within the
    pixel data of a BMP, a JPEG, a lossy WebP or a plain TIFF, which have no checksums, can give
    another valid image.

    Returns:
        (H, W), or (H, W, 3) RGB, or (H, W, 4) RGBA; uint8 or uint16.

    Raises:
        UserError: the file is missing, no image, empty, cut short, damaged, larger than
            `MAX_PIXELS`, or of a depth other than 8 or 16 bit.
    """
    path = Path(path)
    return decode_image(_read_bytes(path), f"The file {path}")


def decode_image(
    data: bytes, name: str = "The image", max_pixels: int = MAX_PIXELS
) -> npt.NDArray[Any]:
    """Read an image from the bytes of its file; see `read_image`.

    Args:
        data: the whole file.
        name: what an error calls it.
        max_pixels: it may have, by its header, before anything is decoded.

    Raises:
        UserError: see `read_image`.

    >>> decode_image(encode_image("a.png", np.eye(2, dtype=np.uint16)))
    array([[1, 0],
           [0, 1]], dtype=uint16)
    """
    try:
        return _decode(data, read_header(data), max_pixels)
    except Damaged as damage:
        raise UserError(f"{name} {damage}.") from None


def read_pages(path: Path | str) -> list[npt.NDArray[Any]]:
    """Read all pages of a TIFF file that have the first page's size; of another file its image.

    Raises:
        UserError: see `read_image`.
    """
    path = Path(path)
    try:
        return [_decode(page, read_header(page)) for page in split_pages(_read_bytes(path))]
    except Damaged as damage:
        raise UserError(f"The file {path} {damage}.") from None


def count_pages(path: Path | str) -> int:
    """How many images `read_pages` would give; 1 for what is no TIFF, or none that is readable.

    The page itself is not decoded, and its errors are left to who reads it.
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        return 1
    try:
        return len(split_pages(_read_bytes(path)))
    except (Damaged, UserError):
        return 1


def read_pair(
    infrared: Path | str,
    visible: Path | str,
    *,
    colour: Colour = "auto",
    infrared_range: str = "auto",
) -> Pair:
    """Read two images that are registered as a pair, which has the stem of the visible one's name.

    Args:
        infrared: path.
        visible: path.
        colour: see `Pair.from_arrays`.
        infrared_range: see `Pair.from_arrays`.

    Raises:
        UserError: a file is not readable (see `read_image`), or the two do not fit.
    """
    infrared, visible = Path(infrared), Path(visible)
    return Pair.from_arrays(
        read_image(infrared),
        read_image(visible),
        colour=colour,
        infrared_range=infrared_range,
        name=visible.stem,
        labels=(infrared.name, visible.name),
    )


def write_image(
    path: Path | str,
    image: npt.NDArray[Any],
    record: dict[str, Any] | None = None,
    georeference: Sequence[Tag] = (),
) -> None:
    """Write an image, and how it was made.

    The file appears whole or not at all: it is written under another name beside it and then
    renamed. An existing one is replaced. JPEG is written with quality 95, WebP without loss.

    Args:
        path: its suffix decides the format; see `SUFFIXES`.
        image: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA; uint8, or uint16 for png and tif.
        record: see `records`; nothing where None.
        georeference: for tif, where the image lies; see `geotiff`.

    Raises:
        UserError: the format is unknown or cannot hold the image, or writing failed.
    """
    path = Path(path)
    data = encode_image(path.name, image, record)
    if georeference and path.suffix.lower() in (".tif", ".tiff"):
        data = add_georeference(data, georeference)
    files = {path: data}
    if record is not None and path.suffix.lower() not in records.INSIDE:
        # The record takes its place first: an image that is there, and would be skipped by
        # another run, is never without it.
        files = {records.beside(path): records.to_json(record)} | files
    write_whole(files)


def check_format(path: Path, dtype: npt.DTypeLike, has_alpha: bool = False) -> None:
    """Check that a file of this suffix can hold an image of this kind.

    Raises:
        UserError: it cannot, and what to do.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        kinds = ", ".join(known[1:] for known in SUFFIXES)
        raise UserError(f"{path.name} has no suffix of an image that can be written: {kinds}.")
    if np.dtype(dtype) not in (np.uint8, np.uint16):
        raise UserError(f"A {np.dtype(dtype)} image cannot be written: use uint8 or uint16.")
    if np.dtype(dtype) == np.uint16 and suffix not in DEEP_SUFFIXES:
        raise UserError(
            f"{path.name} is to have 16 bit, which {suffix[1:]} cannot hold: write png or tif, or "
            "ask for a depth of 8 bit."
        )
    if has_alpha and suffix not in ALPHA_SUFFIXES:
        raise UserError(
            f"{path.name} is to have an alpha channel, which {suffix[1:]} cannot hold: write png, "
            "tif or webp."
        )


def _read_bytes(path: Path) -> bytes:
    """The bytes of a file, or a `UserError`."""
    if not os.path.exists(path):  # False, not an error, for a name that no disk could hold
        raise UserError(f"The file {path} does not exist.")
    if not path.is_file():
        raise UserError(f"{path} is not a file.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"The file {path} could not be read: {error.strerror}.") from error


def encode_pages(images: list[npt.NDArray[Any]]) -> bytes:
    """The bytes of a TIFF file of many pages, each as `write_image` takes it."""
    with _captured_stderr():
        try:
            done, encoded = cv2.imencodemulti(".tif", [_swap_channels(page) for page in images])
        except cv2.error:
            done = False
    if not done:
        raise UserError(f"{len(images)} pages could not be put into one TIFF file.")
    return encoded.tobytes()


def encode_image(name: str, image: npt.NDArray[Any], record: dict[str, Any] | None = None) -> bytes:
    """The bytes that `write_image` writes, with the record where the format holds it inside.

    Args:
        name: of the file; its suffix decides the format.
        image: see `write_image`.
        record: see `write_image`.

    Raises:
        UserError: the format is unknown or cannot hold the image.
    """
    path = Path(name)
    check_format(path, image.dtype, image.ndim == 3 and image.shape[2] == 4)
    suffix = path.suffix.lower()
    image = _swap_channels(image)
    lossless = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
    xmp = None if record is None or suffix not in records.INSIDE else records.to_xmp(record)
    with _captured_stderr():
        try:
            if xmp is not None and suffix == ".webp":
                chunk = np.frombuffer(xmp, np.uint8)
                done, encoded = cv2.imencodeWithMetadata(
                    suffix, image, [cv2.IMAGE_METADATA_XMP], [chunk], lossless
                )
                xmp = None
            else:
                done, encoded = cv2.imencode(suffix, image, lossless)
        except cv2.error:
            done = False
    if not done:
        height, width = image.shape[:2]
        raise UserError(f"{name} cannot hold an image of {width}x{height} pixels: write png.")
    return encoded.tobytes() if xmp is None else records.insert_xmp(encoded.data, xmp)


def write_whole(files: dict[Path, bytes]) -> None:
    """Write files beside their names, then rename them; nothing is left behind on failure.

    Raises:
        UserError: one of them could not be written.
    """
    temporaries = {path: path.with_name(f".{secrets.token_hex(8)}.tmp") for path in files}
    target = next(iter(files))
    make_folder(target.parent)
    try:
        try:
            for target, data in files.items():
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                temporaries[target].write_bytes(data)
            for target in files:
                os.replace(temporaries[target], target)
        finally:
            for temporary in temporaries.values():
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{target} could not be written: {error.strerror}.") from error


def _decode(data: bytes, header: Header, max_pixels: int = MAX_PIXELS) -> npt.NDArray[Any]:
    """Decode what the header promises, or raise `Damaged`."""
    width, height = header.width, header.height
    if width < 1 or height < 1:
        raise Damaged(f"is damaged: it claims to be {width}x{height} pixels")
    if width * height > max_pixels:
        raise Damaged(
            f"claims to be {width}x{height} pixels; more than {max_pixels} in all are not read"
        )
    if header.grey_alpha:
        raise Damaged(
            "is a grey TIFF with a second channel, which is not read: save it without its alpha, "
            "or as PNG"
        )
    with _captured_stderr() as complaints:
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            image = None
    if image is None or _COMPLAINT.search(bytes(complaints)):
        raise Damaged("is damaged: its image data could not be decoded")
    if sorted(image.shape[:2]) != sorted((height, width)):  # TIFF's orientation may turn it
        raise Damaged("is damaged: its parts do not agree on its size")
    if image.dtype not in (np.uint8, np.uint16):
        raise Damaged(f"holds {image.dtype} values: save it with 8 or 16 bit")
    if header.inverted and image.dtype == np.uint16:
        image = np.iinfo(np.uint16).max - image
    return _orient(_swap_channels(image), header.orientation)


def _swap_channels(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """OpenCV's BGR(A) to RGB(A), or back."""
    if image.ndim == 2:
        return image
    order = (2, 1, 0) if image.shape[2] == 3 else (2, 1, 0, 3)
    return np.ascontiguousarray(image[..., order])


def _orient(image: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Apply an EXIF orientation, 1 to 8 (EXIF 2.32, tag 274)."""
    if orientation in (5, 6, 7, 8):
        image = np.swapaxes(image, 0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


@contextmanager
def _captured_stderr() -> Iterator[bytearray]:
    """Collect what the decoders write to stderr, which is the only place where they say it.

    File descriptor 2 belongs to the whole process, so this is for one thread at a time, and what
    another thread writes there in these milliseconds is taken for a decoder's.
    """
    said = bytearray()
    with _FD_LOCK, tempfile.TemporaryFile() as file:
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            cv2.utils.logging.setLogLevel(level)
            file.seek(0)
            said += file.read()
