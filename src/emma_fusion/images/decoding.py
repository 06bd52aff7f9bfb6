"""The bytes of an image file decoded, by a library for each format that tells damage."""

from __future__ import annotations

import io
import re
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL.BmpImagePlugin import BmpImageFile
from PIL.Image import Image

from emma_fusion.images.decoded import Decoded
from emma_fusion.images.formats import MAX_PIXELS, Damaged, Header, walk
from emma_fusion.images.tiff import TiffImages, is_tiff

# libjpeg's words for data after which it goes on with grey; what else it complains of is harmless.
_JPEG_DAMAGE = re.compile(r"premature end|bad Huffman code|found marker 0x", re.IGNORECASE)


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode the (first) image of a file.

    Raises:
        Damaged: the file is no image that is read, is damaged, or has more pixels than allowed.
    """
    if not data:
        raise Damaged("is empty")
    if is_tiff(data):
        with TiffImages(data, max_pixels) as images:
            return images[0]
    header = walk(data)
    width, height = header.width, header.height
    if width < 1 or height < 1:
        raise Damaged(f"is damaged: it claims to be {width}x{height} pixels")
    if width * height > max_pixels:
        raise Damaged(
            f"claims to be {width}x{height} pixels; more than {max_pixels} in all are not read"
        )
    try:
        pixels = _decode(data, header)
    except MemoryError:
        raise Damaged("is too large for the memory of this computer") from None
    except Exception:  # the four decoders raise nearly anything on damaged data
        raise Damaged("is damaged: its image data could not be decoded") from None
    if pixels.shape[:2] != (height, width):
        raise Damaged("is damaged: its parts do not agree on its size")
    notes: tuple[str, ...] = ()
    if header.frames > 1:
        notes = (f"is an animation of {header.frames} frames, of which the first is read",)
    return Decoded(pixels, notes=notes).upright(header.orientation)


def _decode(data: bytes, header: Header) -> npt.NDArray[Any]:
    """(H, W), (H, W, 3) or (H, W, 4) of a file whose header has been looked at."""
    if header.format == "jpg":
        return _decode_jpeg(data)
    if header.format == "bmp":
        with BmpImageFile(io.BytesIO(data)) as image:
            return np.array(image.convert("L") if image.mode == "1" else _without_palette(image))
    decoder = imagecodecs.png_decode if header.format == "png" else imagecodecs.webp_decode
    pixels: npt.NDArray[Any] = decoder(data)
    if pixels.ndim == 3 and pixels.shape[2] == 2:  # grey with alpha
        pixels = pixels[..., [0, 0, 0, 1]]
    return pixels


def _decode_jpeg(data: bytes) -> npt.NDArray[np.uint8]:
    """A JPEG image; strictly first, since only so the decoder tells damage."""
    space = "GRAY" if simplejpeg.decode_jpeg_header(data, strict=False)[2] == "Gray" else "RGB"
    try:
        pixels = simplejpeg.decode_jpeg(data, space)
    except ValueError as complaint:
        if _JPEG_DAMAGE.search(str(complaint)):
            raise
        pixels = simplejpeg.decode_jpeg(data, space, strict=False)
    grey_or_rgb: npt.NDArray[np.uint8] = pixels[..., 0] if space == "GRAY" else pixels
    return grey_or_rgb


def _without_palette(image: Image) -> Image:
    """An image of grey, RGB or RGBA."""
    return image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGB")
