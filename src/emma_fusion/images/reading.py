"""Image files read: png, jpg, bmp, tif and webp, one image or the pages of a TIFF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images.decoded import Decoded
from emma_fusion.images.decoding import decode
from emma_fusion.images.files import check_file, read_whole, shown
from emma_fusion.images.formats import MAX_PIXELS, Damaged
from emma_fusion.images.tiff import TiffImages, is_tiff


def read_image(path: Path | str) -> npt.NDArray[Any]:
    """Read an image.

    The content decides the format, not the suffix. Palettes and 1-bit images come as 8 bit, CMYK
    as RGB; of several pages or frames the first is read. The orientation in EXIF or TIFF tags is
    applied, so that the image stands as viewers show it. Colour profiles are not applied.

    Damage is found as far as the format lets it be found: the frame of the file must be whole up to
    its end, checksums must be right, and the decoder must not complain. A changed byte within the
    pixel data of a BMP, a JPEG, a lossy WebP or a plain TIFF, which have no checksums, can give
    another valid image.

    Returns:
        (H, W), or (H, W, 3) RGB, or (H, W, 4) RGBA; uint8 or uint16, and of a TIFF with values of
        another type float32 or float64. What pixels without data hold is the file's.

    Raises:
        UserError: the file is missing, no image, empty, cut short, damaged, larger than
            `MAX_PIXELS`, or of a kind that is not read.
    """
    return read_decoded(path).pixels


def read_decoded(path: Path | str) -> Decoded:
    """Read an image with what is known of it: where it holds data, and what was left out.

    Raises:
        UserError: see `read_image`.
    """
    with open_pages(path) as pages:
        return pages[0]


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
    """
    return decode_bytes(data, name, max_pixels).pixels


def decode_bytes(data: bytes, name: str = "The image", max_pixels: int = MAX_PIXELS) -> Decoded:
    """Read an image from the bytes of its file, with what is known of it; see `decode_image`.

    Raises:
        UserError: see `read_image`.
    """
    with _naming(name):
        return decode(data, max_pixels)


class Pages:
    """The images of a file, each read when it is asked for; one where it is no TIFF.

    Args:
        path: of the file.

    Raises:
        UserError: see `read_image`.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._name = f"The file {shown(path)}"
        self._tiff: TiffImages | None = None
        check_file(self._path)
        try:
            with self._path.open("rb") as file:
                start = file.read(4)
        except OSError as error:
            raise UserError(f"{self._name} could not be read: {error.strerror}.") from error
        if is_tiff(start):
            with _naming(self._name):
                self._tiff = TiffImages(self._path)

    def __enter__(self) -> Pages:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._tiff is not None:
            self._tiff.close()

    def __len__(self) -> int:
        return 1 if self._tiff is None else len(self._tiff)

    def __getitem__(self, number: int) -> Decoded:
        """Read a page.

        Raises:
            UserError: see `read_image`.
        """
        with _naming(self._name):
            if self._tiff is not None:
                return self._tiff[number]
            if number not in (0, -1):
                raise IndexError(number)
            return decode(read_whole(self._path))

    def __iter__(self) -> Iterator[Decoded]:
        return (self[number] for number in range(len(self)))


def open_pages(path: Path | str) -> Pages:
    """Open the images of a file; a context manager, since a TIFF file stays open.

    Raises:
        UserError: see `read_image`.
    """
    return Pages(path)


def read_pages(path: Path | str) -> list[npt.NDArray[Any]]:
    """Read all images of a file at once; see `open_pages` for one after the other.

    Raises:
        UserError: see `read_image`.
    """
    with open_pages(path) as pages:
        return [page.pixels for page in pages]


def count_pages(path: Path | str) -> int:
    """How many images a file holds; 1 for what is no TIFF, or none that is readable.

    Nothing is decoded, and errors are left to who reads it.
    """
    try:
        with open_pages(path) as pages:
            return len(pages)
    except UserError:
        return 1


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say which file is damaged."""
    try:
        yield
    except Damaged as damage:
        raise UserError(f"{name} {damage}.") from None
