"""Decoders that say to their caller, and not on stderr, when the data they decode are damaged.

OpenCV gives a JPEG that ends early or a TIFF with wrong LZW codes as half an image, and says so on
stderr alone, which belongs to the whole process. So JPEG is decoded by simplejpeg, which is the
same libjpeg-turbo with the complaint as an exception, and LZW is decoded by imagecodecs first.
"""

from __future__ import annotations

import re
from typing import Any

import numpy.typing as npt

from emma_fusion.media.headers import Damaged, Header

# What libjpeg goes on after with grey; what else it complains of is harmless.
_JPEG_DAMAGE = re.compile(r"premature end|bad Huffman code|found marker 0x")
_UNDECODABLE = "is damaged: its image data could not be decoded"


def decode_jpeg(data: bytes) -> npt.NDArray[Any] | None:
    """Decode a JPEG file.

    Returns:
        (H, W), or (H, W, 3) RGB uint8; None for CMYK, which is whole, but not decoded here.

    Raises:
        Damaged: the data cannot be decoded, or not all of them.
    """
    import simplejpeg

    try:
        space = simplejpeg.decode_jpeg_header(data, strict=False)[2]
        wanted = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}.get(space, "RGB")
        try:
            image: npt.NDArray[Any] = simplejpeg.decode_jpeg(data, wanted, strict=True)
        except ValueError as complaint:
            if _JPEG_DAMAGE.search(str(complaint)):
                raise Damaged(_UNDECODABLE) from None
            image = simplejpeg.decode_jpeg(data, wanted, strict=False)
    except ValueError:
        raise Damaged(_UNDECODABLE) from None
    if wanted == "CMYK":
        return None
    return image[..., 0] if wanted == "GRAY" else image


def check_lzw(data: bytes, header: Header) -> None:
    """Check the compressed data of a TIFF file with LZW, which has no checksums.

    Args:
        data: the whole file.
        header: what it says of itself.

    Raises:
        Damaged: the data have codes that are none, or end early.
    """
    import imagecodecs

    left = header.stored
    try:
        for offset, length in header.lzw:
            # No more is decoded than the image needs, whatever the data claim.
            left -= len(imagecodecs.lzw_decode(data[offset : offset + length], out=max(left, 1)))
    except imagecodecs.LzwError:
        raise Damaged(_UNDECODABLE) from None
    if left > 0:
        raise Damaged(_UNDECODABLE)
