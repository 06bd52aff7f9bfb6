"""Kinds of one format that other programs write: each gives the values that Pillow or NumPy say."""

import io
import struct
import zlib

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from emma_fusion.images.raster import decode_image, read_pair

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (37, 53), np.uint8)
RGB = RNG.integers(0, 256, (37, 53, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (37, 53), np.uint16)
DEEP_RGB = RNG.integers(0, 65536, (37, 53, 3), np.uint16)
FLOATS = RNG.normal(20, 5, (37, 53)).astype(np.float32)


def pillow(image, kind, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def tiff(image, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


def with_chunk(png, kind, body):
    chunk = struct.pack(">I", len(body)) + kind + body
    return png[:33] + chunk + struct.pack(">I", zlib.crc32(kind + body)) + png[33:]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (tiff(FLOATS, byteorder=">"), FLOATS),
        (tiff(FLOATS, compression="zlib", predictor=3), FLOATS),
        (tiff(FLOATS.astype(np.float16)), FLOATS.astype(np.float16)),
        (
            tiff(np.stack([FLOATS] * 3), planarconfig="separate", photometric="rgb"),
            np.dstack([FLOATS] * 3),
        ),
        (
            tiff(
                np.ascontiguousarray(DEEP_RGB.transpose(2, 0, 1)),
                planarconfig="separate",
                photometric="rgb",
                tile=(16, 16),
                compression="zlib",
            ),
            DEEP_RGB,
        ),
        (
            tiff(DEEP_RGB, compression="lzw", predictor=2, photometric="rgb", byteorder=">"),
            DEEP_RGB,
        ),
        (tiff(DEEP_RGB, bigtiff=True, tile=(32, 16), photometric="rgb"), DEEP_RGB),
        (tiff(DEEP.astype(np.uint32) * 9), DEEP * 9.0),
        (tiff(DEEP >> 4, bitspersample=12), DEEP >> 4),
        (tiff(DEEP, photometric="miniswhite"), 65535 - DEEP),
        (pillow(RGB, "TIFF", compression="tiff_lzw"), RGB),
        (
            imagecodecs.png_encode(np.dstack([DEEP, DEEP[::-1]])),
            np.dstack([DEEP] * 3 + [DEEP[::-1]]),
        ),
        (with_chunk(pillow(RGB, "PNG"), b"gAMA", struct.pack(">I", 100000)), RGB),
        (with_chunk(pillow(DEEP, "PNG"), b"sBIT", b"\x0c"), DEEP),
        (
            pillow(RGB, "PNG", transparency=tuple(map(int, RGB[0, 0]))),
            np.dstack([RGB, np.where((RGB[0, 0] == RGB).all(axis=2), 0, 255)]),
        ),
        (pillow(np.dstack([RGB, GREY]), "WEBP", lossless=True, exact=True), np.dstack([RGB, GREY])),
    ],
)
def test_values(data, expected):
    image = decode_image(data)
    assert image.shape == expected.shape
    np.testing.assert_array_equal(image, expected)


def test_inks_of_a_jpeg():
    smooth = cv2.GaussianBlur(RGB, (0, 0), 4)
    inks = np.dstack([255 - smooth, np.zeros_like(GREY)])
    file = io.BytesIO()
    Image.frombytes("CMYK", (53, 37), inks.tobytes()).save(file, "JPEG", quality=95)
    image = decode_image(file.getvalue()).astype(float)
    assert np.abs(image - smooth).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_both_images_are_turned_as_viewers_show_them(tmp_path, orientation):
    """The infrared image turned in one format, the visible one in another, the same scene."""
    exif = Image.Exif()
    exif[274] = orientation
    stored = pillow(GREY, "PNG", exif=exif.tobytes())
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(stored))))
    (tmp_path / "i.png").write_bytes(stored)
    for suffix, data in (
        ("webp", pillow(RGB, "WEBP", lossless=True, exif=exif.tobytes())),
        ("tif", pillow(RGB, "TIFF", tiffinfo={274: orientation})),
    ):
        (tmp_path / f"v.{suffix}").write_bytes(data)
        pair = read_pair(tmp_path / "i.png", tmp_path / f"v.{suffix}")
        np.testing.assert_allclose(pair.infrared, upright / 255, atol=1e-6)
        seen = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
        np.testing.assert_allclose(pair.colour, seen / 255, atol=1e-6)
