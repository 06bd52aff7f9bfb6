"""What an image file says of itself, read without decoding it."""

from __future__ import annotations

from emma_fusion.images.formats import Damaged, Header, walk
from emma_fusion.images.tiff import TiffImages, is_tiff


def read_header(data: bytes) -> Header:
    """Read the header of a PNG, JPEG, BMP, TIFF or WebP file and see whether the file is whole.

    Raises:
        Damaged: the file is none of these, is cut short, or contradicts itself.
    """
    if not data:
        raise Damaged("is empty")
    if is_tiff(data):
        with TiffImages(data) as images:
            return images.header
    return walk(data)
