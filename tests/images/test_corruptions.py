"""Damaged files: each is refused with a sentence that names it, or is still a whole image.

What decides which of the two is right: a file cut short, not an image, or too large is always to
be refused. A changed byte is to be refused wherever the format has a checksum over it (all of a
PNG, the data of a deflated TIFF). Elsewhere a changed byte may give another image that no reader
could tell from a sound one; then it must be a whole image of the size that the header claims.
"""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from emma_fusion.errors import UserError
from emma_fusion.images.header import read_header
from emma_fusion.images.raster import MAX_PIXELS, read_image

HEIGHT, WIDTH = 24, 32


def sound_files():
    """One small file for each form that a format has."""
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    image = cv2.GaussianBlur(noise, (0, 0), 1)
    deep = image.astype(np.uint16) * 257

    def opencv(suffix, array):
        return cv2.imencode(suffix, array)[1].tobytes()

    def pillow(kind, mode="RGB", **options):
        buffer = io.BytesIO()
        Image.fromarray(image).convert(mode).save(buffer, kind, **options)
        return buffer.getvalue()

    def tiff(array, **options):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, array, photometric="rgb", **options)
        return buffer.getvalue()

    return {
        "rgb.png": opencv(".png", image),
        "deep.png": opencv(".png", deep),
        "palette.png": pillow("PNG", "P"),
        "rgb.jpg": opencv(".jpg", image),
        "grey.jpg": pillow("JPEG", "L"),
        "progressive.jpg": pillow("JPEG", progressive=True),
        "rgb.bmp": opencv(".bmp", image),
        "palette.bmp": pillow("BMP", "P"),
        "lzw.tif": opencv(".tif", image),
        "deep.tif": opencv(".tif", deep),
        "plain.tif": tiff(deep),
        "deflate.tif": tiff(image, compression="zlib", rowsperstrip=5),
        "big.tif": tiff(image, bigtiff=True),
        "tiles.tif": tiff(deep, tile=(16, 16)),
        "lossless.webp": opencv(".webp", image),
        "lossy.webp": pillow("WEBP", quality=80),
        "alpha.webp": pillow("WEBP", "RGBA", exif=Image.Exif()),
    }


SOUND = sound_files()
CHECKED = {name for name in SOUND if name.endswith(".png")}


@pytest.fixture(params=SOUND)
def sound(request):
    return request.param, SOUND[request.param]


def refuse(path, data):
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def refuse_or_read(path, data):
    """Whether it was refused; if not, it was a whole image."""
    path.write_bytes(data)
    try:
        image = read_image(path)
    except UserError as caught:
        error = caught
    else:
        error = None
    if error is not None:
        assert str(path) in str(error)
        return True
    header = read_header(data)
    assert sorted(image.shape[:2]) == sorted((header.height, header.width))
    assert image.size <= 4 * MAX_PIXELS
    assert image.dtype in (np.uint8, np.uint16)
    return False


def test_the_sound_files_are_read(sound, tmp_path):
    name, data = sound
    (tmp_path / name).write_bytes(data)
    assert read_image(tmp_path / name).shape[:2] == (HEIGHT, WIDTH)


def test_cut_short(sound, tmp_path, capfd):
    name, data = sound
    for end in sorted({*range(0, 40, 3), *np.linspace(40, len(data) - 1, 25, dtype=int).tolist()}):
        refuse(tmp_path / name, data[:end])
    assert capfd.readouterr().err == ""


def test_a_hole_or_zeros_at_the_end(sound, tmp_path, capfd):
    name, data = sound
    half = len(data) // 2
    refuse_or_read(tmp_path / name, data[:half] + data[half + 64 :])
    refuse_or_read(tmp_path / name, data[:half] + bytes(len(data) - half))
    assert capfd.readouterr().err == ""


def test_flipped_bits(sound, tmp_path, capfd):
    name, data = sound
    rng = np.random.default_rng(len(data))
    refused = []
    places = [*rng.integers(0, min(len(data), 64), 40), *rng.integers(0, len(data), 40)]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << rng.integers(8)
        refused.append(refuse_or_read(tmp_path / name, bytes(flipped)))
    if name in CHECKED:
        assert all(refused)
    assert any(refused)
    assert capfd.readouterr().err == ""


def test_every_bit_of_the_data_of_a_deflated_tiff_is_checked(tmp_path):
    data = SOUND["deflate.tif"]
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        strips = zip(file.pages[0].dataoffsets, file.pages[0].databytecounts, strict=True)
        places = [int(p) for at, size in strips for p in np.linspace(at, at + size - 1, 5)]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 4
        refuse(tmp_path / "x.tif", bytes(flipped))


def test_the_first_bytes_of_another_format(sound, tmp_path):
    name, data = sound
    for other in ("rgb.png", "rgb.jpg", "rgb.bmp", "lzw.tif", "lossy.webp"):
        if SOUND[other][:2] != data[:2]:
            refuse(tmp_path / name, SOUND[other][:12] + data[12:])


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp"])
def test_no_image_at_all(suffix, tmp_path):
    path = tmp_path / f"x.{suffix}"
    assert "is empty" in refuse(path, b"")
    assert "is not a PNG, JPEG" in refuse(path, b"This is a text, not an image.\n")
    assert "is not a PNG, JPEG" in refuse(path, b"GIF89a" + bytes(100))
    refuse(path, np.random.default_rng(1).bytes(2000))
    path.unlink()
    with pytest.raises(UserError, match="does not exist"):
        read_image(path)
    path.mkdir()
    with pytest.raises(UserError, match="is not a file"):
        read_image(path)


def huge(name):
    """A sound file whose header claims 100000 x 100000 pixels, or as many as the format can say."""
    data = bytearray(SOUND[name])
    if name.endswith(".png"):
        data[16:24] = struct.pack(">II", 100_000, 100_000)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif name.endswith(".jpg"):
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        data[frame + 5 : frame + 9] = struct.pack(">HH", 65_535, 65_535)
    elif name.endswith(".bmp"):
        data[18:26] = struct.pack("<ii", 100_000, 100_000)
    elif name.endswith(".tif"):
        with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
            tags = [file.pages[0].tags.get(number) for number in (256, 257, 278)]
        for tag in filter(None, tags):  # width, height, rows per strip
            value = struct.pack("<H", 65_535) if tag.dtype == 3 else struct.pack("<I", 100_000)
            data[tag.valueoffset : tag.valueoffset + len(value)] = value
    elif name == "alpha.webp":
        data[24:30] = (99_999).to_bytes(3, "little") * 2
    else:
        return None  # a WebP without VP8X can claim no more than is read
    return bytes(data)


def test_a_huge_header(sound, tmp_path):
    data = huge(sound[0])
    if data is not None:
        refuse(tmp_path / sound[0], data)


def test_a_huge_png_is_refused_before_anything_is_allocated(tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr("emma_fusion.images.decoding.imagecodecs.png_decode", never)
    sentence = refuse(tmp_path / "x.png", huge("rgb.png"))
    assert "claims to be 100000x100000 pixels" in sentence


def test_jpeg_data_that_end_early_are_refused_though_the_end_is_marked(tmp_path, capfd):
    data = SOUND["rgb.jpg"]
    sentence = refuse(tmp_path / "x.jpg", data[: len(data) * 3 // 4] + b"\xff\xd9")
    assert "could not be decoded" in sentence
    assert capfd.readouterr().err == ""
