"""What docs/formats.md says of formats is so: kinds that are read, and those that are refused."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from emma_fusion.errors import UserError
from emma_fusion.images.raster import decode_image

COLOUR = (np.arange(24 * 32 * 3) % 251).astype(np.uint8).reshape(24, 32, 3)
GREY = COLOUR[..., 0]
DRAWN = Image.fromarray(COLOUR)


def by_pillow(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def by_tifffile(image, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "shape", "dtype"),
    [
        (by_pillow(DRAWN.quantize(16), "PNG"), (24, 32, 3), "uint8"),
        (by_pillow(DRAWN.convert("1"), "PNG"), (24, 32), "uint8"),
        (by_pillow(DRAWN.convert("LA"), "PNG"), (24, 32, 4), "uint8"),
        (by_pillow(DRAWN.convert("CMYK"), "JPEG"), (24, 32, 3), "uint8"),
        (by_pillow(DRAWN, "JPEG", progressive=True), (24, 32, 3), "uint8"),
        (by_pillow(DRAWN.quantize(16), "BMP"), (24, 32, 3), "uint8"),
        (by_pillow(DRAWN.convert("1"), "BMP"), (24, 32), "uint8"),
        (
            by_pillow(DRAWN, "WEBP", save_all=True, append_images=[Image.new("RGB", (32, 24))]),
            (24, 32, 3),
            "uint8",
        ),
        *((by_tifffile(GREY.astype(kind)), (24, 32), "float32") for kind in ("i1", "i2", "f2")),
        *((by_tifffile(GREY.astype(kind)), (24, 32), "float64") for kind in ("u4", "i4", "u8")),
        *(
            (by_tifffile(GREY, compression=how), (24, 32), "uint8")
            for how in ("lzw", "deflate", "packbits", "lzma", "zstd")
        ),
        (by_tifffile(np.dstack([COLOUR, GREY]), photometric="separated"), (24, 32, 3), "uint8"),
        (
            by_tifffile(COLOUR.transpose(2, 0, 1), planarconfig=2, photometric="rgb"),
            (24, 32, 3),
            "uint8",
        ),
    ],
)
def test_what_is_read(data, shape, dtype):
    image = decode_image(data)
    assert (image.shape, str(image.dtype)) == (shape, dtype)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (by_pillow(DRAWN, "GIF"), "is not a PNG, JPEG, BMP, TIFF or WebP image"),
        *(
            (by_tifffile(GREY, compression=how), f"has the compression {name}")
            for how, name in (("jpeg2000", "JPEG2000"), ("lerc", "LERC"))
        ),
        (by_tifffile(GREY.astype(np.complex64)), "which are not read"),
        (by_pillow(DRAWN, "PNG")[:200], "is cut short"),
    ],
)
def test_what_is_refused(data, sentence):
    with pytest.raises(UserError, match=sentence):
        decode_image(data)
