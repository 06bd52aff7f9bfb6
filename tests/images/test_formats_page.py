"""What docs/formats.md and docs/tiff.md say is so: kinds that are read, and those refused."""

import io
import logging
import threading

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from emma_fusion.errors import UserError
from emma_fusion.images import tiff
from emma_fusion.images.raster import decode_image
from emma_fusion.images.reading import decode_bytes

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
        (
            by_pillow(DRAWN, "PNG", save_all=True, append_images=[Image.new("RGB", (32, 24))]),
            (24, 32, 3),
            "uint8",
        ),
        (by_pillow(DRAWN.convert("1"), "TIFF", compression="group4"), (24, 32), "uint8"),
        (by_tifffile(GREY.astype("u2") << 4, bitspersample=12), (24, 32), "uint16"),
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
        (by_tifffile(COLOUR, photometric="cielab"), "has colours of the kind CIELAB"),
        (imagecodecs.jpeg8_encode(GREY.astype("u2") << 4, bitspersample=12), "is a JPEG of 12 bit"),
        (imagecodecs.jpegls_encode(GREY), r"is a lossless \(JPEG-LS\) JPEG of 8 bit"),
        (imagecodecs.ljpeg_encode(GREY), "is a lossless JPEG of 8 bit"),
        (by_pillow(DRAWN, "PNG")[:200], "is cut short"),
    ],
)
def test_what_is_refused(data, sentence):
    with pytest.raises(UserError, match=sentence):
        decode_image(data)


def test_other_values_than_the_first_frame_and_the_packed_bits_are_not_taken():
    moving = by_pillow(DRAWN, "PNG", save_all=True, append_images=[Image.new("RGB", (32, 24))])
    np.testing.assert_array_equal(decode_image(moving), COLOUR)
    packed = by_tifffile(GREY.astype("u2") << 4, bitspersample=12)
    np.testing.assert_array_equal(decode_image(packed), GREY.astype("u2") << 4)


def test_a_nodata_value_of_the_usual_kind_is_quiet(caplog):
    """GDAL writes the smallest float so, and tifffile logs that it cannot hold it."""
    lowest = np.finfo(np.float32).min
    image = np.where(GREY == 7, lowest, GREY).astype(np.float32)
    data = by_tifffile(image, extratags=[(42113, 2, 0, "-3.4028234663852886e+38", 1)])
    valid = decode_bytes(data).valid
    np.testing.assert_array_equal(valid, GREY != 7)
    assert not caplog.records


def test_reads_that_overlap_in_threads_leave_the_hosts_log_alone(caplog):
    """What another thread logs meanwhile is kept, and the logger is as it was afterwards."""
    logger = logging.getLogger("tifffile")
    inside, out = threading.Event(), threading.Event()

    def read():
        with tiff._telling("is damaged"):
            logger.critical("of what is read here")
            inside.set()
            out.wait(5)

    thread = threading.Thread(target=read)
    thread.start()
    assert inside.wait(5)
    with tiff._telling("is damaged"):
        out.set()
        thread.join()
    logger.critical("of the host")
    assert [record.message for record in caplog.records] == ["of the host"]
    assert not logger.disabled
