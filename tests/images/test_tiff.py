"""TIFF files as cameras, GDAL and microscopes write them, by the values that are read."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from emma_fusion.errors import UserError
from emma_fusion.images import tiff
from emma_fusion.images.raster import (
    count_pages,
    encode_pages,
    open_pages,
    read_decoded,
    read_image,
    read_pages,
    write_image,
)

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (20, 30, 3), np.uint16)
RGB = RNG.integers(0, 256, (20, 30, 3), np.uint8)
ALPHA = RNG.integers(0, 256, (20, 30), np.uint8)
THERMAL = RNG.integers(29000, 30000, (20, 30), np.uint16)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.tif"


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd", "lzma", "packbits"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_planes_one_after_the_other_are_colours(path, compression, tile):
    planes = np.moveaxis(DEEP, 2, 0)
    options = {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(path, planes, compression=compression, tile=tile, **options)
    np.testing.assert_array_equal(read_image(path), DEEP)


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_three_grey_samples_are_colours(path, planarconfig):
    """So GDAL writes 16-bit RGB."""
    samples = DEEP if planarconfig == "contig" else np.moveaxis(DEEP, 2, 0)
    extra = {"extrasamples": ["unspecified", "unspecified"], "planarconfig": planarconfig}
    tifffile.imwrite(path, samples, photometric="minisblack", **extra)
    assert read_decoded(path).notes == ()
    np.testing.assert_array_equal(read_image(path), DEEP)


@pytest.mark.parametrize("bands", [1, 2])
def test_bands_that_are_no_alpha_are_left_out_and_said(path, bands):
    samples = np.dstack([RGB, *[ALPHA] * bands])
    tifffile.imwrite(path, samples, photometric="rgb", extrasamples=["unspecified"] * bands)
    image = read_decoded(path)
    np.testing.assert_array_equal(image.pixels, RGB)
    assert "near-infrared" in image.notes[0]
    tifffile.imwrite(path, np.dstack([THERMAL, THERMAL]), extrasamples=["unspecified"])
    np.testing.assert_array_equal(read_image(path), THERMAL)
    assert "nothing is stated" in read_decoded(path).notes[0]


def test_alpha_is_alpha_behind_another_band(path):
    samples = np.dstack([RGB, ALPHA // 2, ALPHA])
    extras = ["unspecified", "unassalpha"]
    tifffile.imwrite(path, samples, photometric="rgb", extrasamples=extras)
    np.testing.assert_array_equal(read_image(path), np.dstack([RGB, ALPHA]))
    assert read_decoded(path).notes


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_multiplied_into_the_colours_is_taken_out(path, dtype):
    top = np.iinfo(dtype).max
    colours = (RGB.astype(float) / 255 * top).astype(dtype)
    alpha = np.full((20, 30), top // 2, dtype)
    multiplied = np.rint(colours * (alpha[..., None] / top)).astype(dtype)
    samples = np.dstack([multiplied, alpha])
    tifffile.imwrite(path, samples, photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(read_image(path)[..., :3].astype(int) - colours).max() <= 1
    samples = np.dstack([colours, alpha])
    tifffile.imwrite(path, samples, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_image(path), samples)


@pytest.mark.parametrize("marked", [True, False])
def test_previews_are_left_out(path, marked):
    with tifffile.TiffWriter(path) as writer:
        writer.write(RGB[::4, ::4], photometric="rgb", subfiletype=int(marked))
        writer.write(RGB, photometric="rgb")
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=int(marked))
    image = read_decoded(path)
    np.testing.assert_array_equal(image.pixels, RGB)
    assert count_pages(path) == 1
    assert [note.startswith("has 2 smaller pages") for note in image.notes] == [True] * (not marked)


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_many_planes_in_one_directory_are_pages(path, planarconfig, compression):
    stack = RNG.integers(0, 65536, (9, 20, 30), np.uint16)
    samples = np.moveaxis(stack, 0, 2) if planarconfig == "contig" else stack
    tifffile.imwrite(
        path, samples, photometric="minisblack", planarconfig=planarconfig, compression=compression
    )
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 1
    np.testing.assert_array_equal(read_pages(path), stack)


@pytest.mark.parametrize("options", [{"imagej": True}, {"truncate": True}, {"volumetric": True}])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_stacks_of_one_directory_are_pages(path, options, byteorder):
    stack = RNG.integers(0, 65536, (9, 20, 30), np.uint16)
    if "volumetric" in options:
        options = {"volumetric": True, "tile": (1, 16, 16), "photometric": "minisblack"}
    tifffile.imwrite(path, stack, byteorder=">" if "imagej" in options else byteorder, **options)
    assert count_pages(path) == 9
    np.testing.assert_array_equal(read_pages(path), stack)


@pytest.mark.parametrize("plain", [True, False])
def test_pages_are_read_one_at_a_time(path, plain):
    stack = RNG.integers(0, 65536, (40, 20, 30), np.uint16)
    if plain:  # of one shape, one after the other, as tifffile describes them
        tifffile.imwrite(path, stack, photometric="minisblack")
    else:
        path.write_bytes(encode_pages(list(stack)))
    with open_pages(path) as pages:
        assert len(pages) == 40
        for number in (39, 0, 17):
            np.testing.assert_array_equal(pages[number].pixels, stack[number])
        with pytest.raises(IndexError):
            pages[40]


@pytest.mark.parametrize(("dtype", "nodata"), [(np.uint16, 0), (np.float32, -9999), (np.int16, -1)])
def test_the_nodata_value_of_gdal_is_no_value(path, dtype, nodata):
    image = RNG.integers(100, 200, (20, 30)).astype(dtype)
    image[:4], image[9, 9] = nodata, nodata
    text = f"{nodata}"
    tifffile.imwrite(path, image, extratags=[(42113, 2, len(text) + 1, text, True)])
    found = read_decoded(path)
    np.testing.assert_array_equal(found.valid, image != nodata)
    np.testing.assert_array_equal(found.pixels, image)


def test_colours_without_data_are_without_it_in_every_channel(path):
    image = RGB.copy()
    image[3, 4], image[5, 6] = 0, (0, 1, 0)
    tifffile.imwrite(path, image, photometric="rgb", extratags=[(42113, 2, 2, "0", True)])
    valid = read_decoded(path).valid
    assert (~valid).sum() == (image == 0).all(axis=2).sum() >= 1
    assert not valid[3, 4]


def test_nan_is_nodata(path):
    image = RNG.random((20, 30)).astype(np.float32)
    image[:5], image[6, 6] = np.nan, np.inf
    tifffile.imwrite(path, image)
    np.testing.assert_array_equal(read_decoded(path).valid, np.isfinite(image))


def test_a_mask_is_written_and_read_as_gdal_does(path):
    rasterio = pytest.importorskip("rasterio")
    valid = RNG.random((20, 30)) > 0.3
    write_image(path, RGB, valid=valid)
    found = read_decoded(path)
    np.testing.assert_array_equal(found.pixels, RGB)
    np.testing.assert_array_equal(found.valid, valid)
    assert count_pages(path) == 1
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.dataset_mask() > 0, valid)
        np.testing.assert_array_equal(np.moveaxis(file.read(), 0, 2), RGB)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_spread_over_eight(path, bits):
    levels = RNG.integers(0, 2**bits, (8, 16), np.uint8)
    packed = np.packbits(
        ((levels[..., None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8).ravel()
    ).tobytes()
    tifffile.imwrite(path, np.zeros((8, 2 * bits), np.uint8), metadata=None)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        tags, at = file.pages[0].tags, file.pages[0].dataoffsets[0]
        for code, value in ((256, 16), (258, bits)):
            struct.pack_into("<H", data, tags[code].valueoffset, value)
        data[at : at + len(packed)] = packed
    path.write_bytes(data)
    np.testing.assert_array_equal(read_image(path), np.rint(levels * (255 / (2**bits - 1))))


def test_a_palette_and_inks(path):
    table = RNG.integers(0, 256, (3, 256)).astype(np.uint16) * 257
    tifffile.imwrite(path, ALPHA, photometric="palette", colormap=table)
    np.testing.assert_array_equal(read_image(path), (table >> 8).T[ALPHA])
    inks = np.dstack([255 - RGB, np.zeros_like(ALPHA)])
    tifffile.imwrite(path, inks, photometric="separated")
    np.testing.assert_array_equal(read_image(path), RGB)


def test_a_palette_of_8_bit(path):
    """Some writers put bytes where 16 bit belong; shifted, every colour of theirs is black."""
    table = RNG.integers(0, 256, (3, 256)).astype(np.uint16)
    tifffile.imwrite(path, ALPHA, photometric="palette", colormap=table)
    np.testing.assert_array_equal(read_image(path), table.T[ALPHA])


def test_luma_and_chroma_are_not_taken_for_rgb(path):
    """With JPEG the decoder gives RGB; without, it gives what is stored."""
    with path.open("wb") as file:
        Image.fromarray(RGB).convert("YCbCr").save(file, "TIFF")
    with pytest.raises(UserError, match="colours YCbCr without JPEG"):
        read_image(path)
    smooth = np.arange(0, 240, 8).reshape(1, 30, 1) + np.arange(3) + np.zeros((20, 1, 1))
    tifffile.imwrite(path, smooth.astype(np.uint8), photometric="rgb", compression="jpeg")
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].photometric == tifffile.PHOTOMETRIC.YCBCR
    assert np.abs(read_image(path) - smooth).max() < 12


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"photometric": "cielab"}, "colours of the kind CIELAB"),
        ({"photometric": "rgb", "compression": "jpeg2000"}, "compression (APERIO_)?JP"),
        ({"photometric": "rgb", "compression": "webp"}, "compression WEBP"),
    ],
)
def test_what_is_not_read_is_named(path, options, sentence):
    tifffile.imwrite(path, RGB, **options)
    with pytest.raises(UserError, match=sentence):
        read_image(path)


def test_complex_values_are_refused(path):
    tifffile.imwrite(path, np.ones((4, 5), np.complex64))
    with pytest.raises(UserError, match="holds values of 64 bit"):
        read_image(path)


# --- what a file claims is held against what it holds, before anything is decoded -----------------
def directory(tags):
    """A TIFF file of one directory; values that do not fit in it follow it."""
    body, values = b"", b""
    start = 8 + 2 + 12 * len(tags) + 4
    for number, kind, items in tags:
        packed = struct.pack(f"<{len(items)}{'H' if kind == 3 else 'I'}", *items)
        if len(packed) > 4:
            place = struct.pack("<I", start + len(values))
            values += packed
        else:
            place = packed.ljust(4, b"\0")
        body += struct.pack("<HHI", number, kind, len(items)) + place
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + body + bytes(4) + values


def bomb(width, height, strips, rows, stream, compression=8):
    """A file whose strip table names one stream over and over."""

    def build(at):
        return directory(
            [
                (256, 4, [width]),
                (257, 4, [height]),
                (258, 3, [8]),
                (259, 3, [compression]),
                (262, 3, [1]),
                (273, 4, [at] * strips),
                (277, 3, [1]),
                (278, 4, [rows]),
                (279, 4, [len(stream)] * strips),
            ]
        )

    return build(len(build(0))) + stream


@pytest.fixture
def never_decoded(monkeypatch):
    def never(*_, **__):
        raise AssertionError("decoded")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", never)


@pytest.mark.usefixtures("never_decoded")
def test_a_strip_named_again_and_again_is_refused_before_it_is_decoded(path):
    stream = zlib.compress(bytes(2**24), 9)  # 16 KB that become 16 MB, 16 times
    path.write_bytes(bomb(2**14, 2**14, 16, 2**10, stream))
    with pytest.raises(UserError, match="some of its image data are missing"):
        read_image(path)


@pytest.mark.usefixtures("never_decoded")
def test_tables_of_more_pieces_than_images_have_are_refused(path, monkeypatch):
    monkeypatch.setattr(tiff, "_MOST_PIECES", 1000)
    path.write_bytes(bomb(4, 4, 2000, 1, zlib.compress(bytes(4))))
    with pytest.raises(UserError, match="more pieces than images are made of"):
        read_image(path)


@pytest.mark.usefixtures("never_decoded")
def test_more_pages_than_are_read_are_refused(path, monkeypatch):
    monkeypatch.setattr(tiff, "MAX_PAGES", 5)
    path.write_bytes(encode_pages([ALPHA] * 6))
    with pytest.raises(UserError, match="more than 5 pages"):
        read_image(path)
    stack = np.moveaxis(np.stack([ALPHA] * 6), 0, 2)
    tifffile.imwrite(path, stack, photometric="minisblack", planarconfig="contig")
    with pytest.raises(UserError, match="has 6 pages; more than 5"):
        read_image(path)


@pytest.mark.usefixtures("never_decoded")
def test_more_pixels_than_are_read_are_refused(path):
    path.write_bytes(bomb(100_000, 100_000, 1, 100_000, zlib.compress(bytes(9))))
    with pytest.raises(UserError, match="claims to be 100000x100000 pixels"):
        read_image(path)


def test_a_strip_that_becomes_more_than_it_should_is_refused(path):
    path.write_bytes(bomb(10, 10, 1, 10, zlib.compress(bytes(10**7))))
    with pytest.raises(UserError, match="could not be decoded"):
        read_image(path)


def test_a_number_that_is_two_is_refused(path):
    stream = zlib.compress(bytes(100))
    data = bytearray(bomb(10, 10, 1, 10, stream))
    at = data.index(struct.pack("<HHI", 262, 3, 1))
    struct.pack_into("<HHIHH", data, at, 262, 3, 2, 1, 1)
    path.write_bytes(data)
    with pytest.raises(UserError, match="several values where one belongs"):
        read_image(path)


def test_a_depth_of_millions_is_refused_at_once(path):
    tags = [(256, 4, [9]), (257, 4, [9]), (273, 4, [8]), (279, 4, [81]), (32997, 4, [2**31])]
    path.write_bytes(directory(tags) + bytes(99))
    with pytest.raises(UserError, match=f"has {2**31} pages"):
        read_image(path)
