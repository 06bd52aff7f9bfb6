import io

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_decoded, read_image, read_pair, write_image
from emma_fusion.images.record import beside, read_record

RECORD = {"model": "base", "infrared": {"name": "a & <b>.png", "range": [0.0, 65535.0]}, "ü": None}
LOSSLESS = [
    (suffix, dtype, channels)
    for suffix in (".png", ".tif", ".tiff", ".bmp")
    for dtype in (np.uint8, np.uint16)
    for channels in (1, 3, 4)
    if suffix != ".bmp" or dtype == np.uint8
]


def noise(height, width, channels=1, dtype=np.uint8, seed=0):
    top = np.iinfo(dtype).max
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(1, top, shape, dtype, endpoint=True)


def smooth(height=24, width=32):
    return cv2.GaussianBlur(noise(height, width, 3), (0, 0), 2)


@pytest.mark.parametrize(("suffix", "dtype", "channels"), LOSSLESS)
@pytest.mark.parametrize("record", [None, RECORD])
def test_what_is_written_without_loss_is_read_again(tmp_path, suffix, dtype, channels, record):
    path = tmp_path / f"image{suffix}"
    image = noise(7, 5, channels, dtype)
    write_image(path, image, record)
    again = read_image(path)
    assert again.dtype == image.dtype
    np.testing.assert_array_equal(again, image)
    assert read_record(path) == record


@pytest.mark.parametrize("suffix", [".webp", ".png", ".tif"])
def test_another_reader_sees_the_same_colours(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    image = noise(7, 5, 3)
    write_image(path, image, RECORD)
    with Image.open(path) as by_pillow:
        np.testing.assert_array_equal(np.asarray(by_pillow), image)
    np.testing.assert_array_equal(read_image(path), image)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_jpeg_is_near(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    write_image(path, smooth(), RECORD)
    assert np.abs(read_image(path).astype(int) - smooth()).max() < 16
    assert read_record(path) == RECORD


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_another_reader_finds_the_xmp(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    write_image(path, smooth(), RECORD)
    with Image.open(path) as image:
        packet = image.info["xmp"]
    assert b"emma:record" in (packet if isinstance(packet, bytes) else packet.encode())


def test_a_record_beside(tmp_path):
    path = tmp_path / "image.tif"
    write_image(path, smooth(), RECORD)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["image.tif", "image.tif.json"]
    assert beside(path).read_text("utf-8").startswith("{")


@pytest.mark.parametrize(
    ("name", "dtype", "channels", "complaint"),
    [
        ("x.jpg", np.uint16, 1, "16 bit, which jpg cannot hold"),
        ("x.webp", np.uint16, 3, "16 bit"),
        ("x.bmp", np.uint16, 3, "16 bit"),
        ("x.jpg", np.uint8, 4, "alpha"),
        ("x.gif", np.uint8, 3, "no suffix"),
        ("x", np.uint8, 3, "no suffix"),
        ("x.png", np.float32, 3, "float32"),
    ],
)
def test_what_a_format_cannot_hold_is_said(tmp_path, name, dtype, channels, complaint):
    with pytest.raises(UserError, match=complaint):
        write_image(tmp_path / name, np.zeros((4, 4, channels), dtype))
    assert not list(tmp_path.iterdir())


def test_too_wide_for_webp_leaves_nothing(tmp_path, capfd):
    with pytest.raises(UserError, match=r"x\.webp cannot hold an image of 20000x1 pixels"):
        write_image(tmp_path / "x.webp", np.zeros((1, 20000, 3), np.uint8), RECORD)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    "interruption", [OSError(28, "No space left on device"), KeyboardInterrupt()]
)
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, suffix, interruption
):
    path = tmp_path / f"image{suffix}"
    write_image(path, smooth(), RECORD)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def fail(*_):
        raise interruption

    monkeypatch.setattr("emma_fusion.images.files.os.replace", fail)
    with pytest.raises((UserError, KeyboardInterrupt)):
        write_image(path, noise(9, 9), {"other": 1})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="file is a file, so nothing can be written into it"):
        write_image(tmp_path / "file" / "x.png", smooth())
    with pytest.raises(UserError, match="cannot be made"):
        write_image(tmp_path / "file" / "deeper" / "x.png", smooth())


def test_a_record_that_cannot_be_written_leaves_no_image(tmp_path):
    with pytest.raises(UserError, match="could not be written"):
        write_image(tmp_path / f"{'a' * 248}.tif", smooth(), RECORD)  # too long with .json
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(UserError, match="Is a directory"):
        write_image(tmp_path / "folder.tif", smooth(), RECORD)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.tif"]


def test_an_image_is_never_there_without_its_record(tmp_path, monkeypatch):
    """A kill between the two renamings: what is there is not the image, so it is made anew."""
    renamed = []

    def killed(temporary, target):
        if renamed:
            raise KeyboardInterrupt
        renamed.append(target)

    monkeypatch.setattr("emma_fusion.images.files.os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_image(tmp_path / "x.tif", smooth(), RECORD)
    assert renamed == [tmp_path / "x.tif.json"]


def test_a_name_that_no_disk_holds(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_image(tmp_path / ("a" * 300 + ".png"))


def encode(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP"])
def test_modes_are_read_as_pillow_reads_them(tmp_path, kind, mode):
    if kind == "BMP" and mode in ("LA", "RGBA"):
        pytest.skip("Pillow writes no alpha into BMP")
    by_pillow = Image.fromarray(smooth()).convert(mode)
    path = tmp_path / "x"
    path.write_bytes(encode(by_pillow, kind, **({"lossless": True} if kind == "WEBP" else {})))
    image = read_image(path)
    expected = np.asarray(by_pillow.convert("RGBA" if image.shape[2:] == (4,) else "RGB"))
    if image.ndim == 2:
        expected = expected[..., 0]
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        (np.uint8, {}),
        (np.uint16, {}),
        (np.uint16, {"compression": "zlib", "rowsperstrip": 5}),
        (np.uint16, {"tile": (16, 16)}),
        (np.uint16, {"bigtiff": True}),
        (np.uint16, {"byteorder": ">"}),
    ],
)
def test_colour_tiffs_of_another_writer(tmp_path, dtype, options):
    path = tmp_path / "x.tif"
    image = noise(24, 40, 3, dtype)
    tifffile.imwrite(path, image, photometric="rgb", **options)
    np.testing.assert_array_equal(read_image(path), image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_where_zero_is_white(tmp_path, dtype):
    path = tmp_path / "x.tif"
    image = noise(8, 9, 1, dtype)
    tifffile.imwrite(path, image, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(path), np.iinfo(dtype).max - image)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.int32])
def test_other_depths_come_as_floats_in_their_own_unit(tmp_path, dtype):
    path = tmp_path / "x.tif"
    image = np.linspace(-40, 900, 72).reshape(8, 9).astype(dtype)
    tifffile.imwrite(path, image)
    again = read_image(path)
    assert again.dtype == (np.float64 if dtype in (np.int32, np.float64) else np.float32)
    np.testing.assert_array_equal(again, image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_the_orientation_is_applied(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    plain = Image.fromarray(smooth())
    path = tmp_path / "x"
    path.write_bytes(encode(plain, kind, exif=exif))
    with Image.open(path) as by_pillow:
        expected = np.asarray(ImageOps.exif_transpose(by_pillow).convert("RGB")).astype(int)
    image = read_image(path)
    assert image.shape == expected.shape
    assert np.abs(image - expected).mean() < 2  # two JPEG and WebP decoders may round apart


def test_the_content_decides_not_the_suffix(tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(encode(Image.fromarray(smooth()), "PNG"))
    np.testing.assert_array_equal(read_image(path), smooth())


def test_what_follows_the_end_is_left_alone(tmp_path):
    for kind in ("PNG", "JPEG", "WEBP", "BMP"):
        path = tmp_path / kind
        data = encode(Image.fromarray(smooth()), kind)
        path.write_bytes(data)
        plain = read_image(path)
        path.write_bytes(data + b"\xff\xd8 and what else a camera appends")
        np.testing.assert_array_equal(read_image(path), plain)


def test_a_pair_is_named_and_recorded(tmp_path):
    write_image(tmp_path / "ir_7.png", noise(5, 6, 1, np.uint16) // 16 + 7000)
    write_image(tmp_path / "vi_7.jpg", smooth(5, 6))
    pair = read_pair(tmp_path / "ir_7.png", tmp_path / "vi_7.jpg")
    assert pair.name == "vi_7"
    assert pair.dtype == np.uint8
    assert pair.record["infrared"]["name"] == "ir_7.png"
    assert pair.record["infrared"]["rule"] == "percentile:0.1:99.9"
    assert str(tmp_path) not in str(pair.record)


def test_real_images(data):
    jpg = next((data / "roadscene" / "test" / "vi").iterdir())
    png = next((data / "nir" / "vi").iterdir())
    for path in (jpg, png):
        with Image.open(path) as by_pillow:
            expected = np.asarray(by_pillow).astype(int)
        image = read_image(path)
        assert image.shape == expected.shape
        assert np.abs(image - expected).max() <= 4


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_an_animation_gives_its_first_frame_and_says_so(tmp_path, suffix):
    frames = [Image.fromarray(smooth()), Image.fromarray(255 - smooth())]
    path = tmp_path / f"x.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    image = read_decoded(path)
    np.testing.assert_array_equal(image.pixels, smooth())
    assert image.notes == ("is an animation of 2 frames, of which the first is read",)
    frames[0].save(path, lossless=True)
    assert read_decoded(path).notes == ()
