"""What image files say besides their pixels, through the command line."""

import os
import struct

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from emma_fusion.cli import main
from emma_fusion.fuser import Fuser
from emma_fusion.images.geotiff import Tag, read_georeference
from emma_fusion.images.metadata import load_exif, read_metadata
from emma_fusion.images.raster import read_decoded, read_image, read_pages, write_image
from emma_fusion.images.record import read_record

RNG = np.random.default_rng(0)
H, W = 40, 48
COUNTS = RNG.integers(7000, 8000, (H, W), np.uint16)
RGB = RNG.integers(1, 256, (H, W, 3), np.uint8)
PLACE = [
    Tag(33550, 12, 3, struct.pack("<3d", 0.5, 0.5, 0)),
    Tag(33922, 12, 6, struct.pack("<6d", 0, 0, 0, 500000, 4600000, 0)),
]


@pytest.fixture
def emma(capfd, model, monkeypatch):
    """Run a verb with a network that says what the infrared says."""
    monkeypatch.setattr(Fuser, "fuse_luminance", lambda self, pair, *_: pair.infrared)

    def run(*arguments, code=0, verb="fuse"):
        capfd.readouterr()
        chosen = ["--model", str(model)] if verb == "fuse" else []
        with pytest.raises(SystemExit) as end:
            main([verb, *map(str, arguments), *chosen])
        said = capfd.readouterr().err
        assert (end.value.code or 0) == code, said
        return said

    return run


@pytest.fixture
def two(tmp_path):
    """A thermal TIFF whose nodata value is 0, and a photograph with a place."""
    counts = COUNTS.copy()
    counts[:20, :20] = 0
    tifffile.imwrite(tmp_path / "i.tif", counts, extratags=[(42113, 2, 2, "0", True)])
    exif = Image.Exif()
    exif[271], exif[274], exif[34853] = "DJI", 1, {1: "N", 2: (47.0, 22.0, 30.0)}
    Image.fromarray(RGB).save(tmp_path / "v.jpg", exif=exif.tobytes(), quality=100, subsampling=0)
    return tmp_path / "i.tif", tmp_path / "v.jpg"


def test_nodata_is_said_recorded_and_masked(emma, two, tmp_path):
    said = emma(*two, "-o", tmp_path / "f.tif")
    assert "i.tif has 400 pixels without data" in said
    record = read_record(tmp_path / "f.tif")
    assert record["infrared"]["nodata_pixels"] == 400
    assert record["infrared"]["range"][0] >= 7000
    assert "400 pixels" in record["notes"][0]
    fused = read_decoded(tmp_path / "f.tif")
    np.testing.assert_array_equal(fused.valid, COUNTS * 0 + read_image(two[0]) != 0)
    visible = read_image(two[1])
    assert np.abs(fused.pixels[:20, :20].astype(int) - visible[:20, :20]).max() <= 1


def test_the_place_of_the_photograph_is_kept_unless_stripped(emma, two, tmp_path):
    for name in ("f.jpg", "f.png", "f.tif", "f.webp"):
        emma(*two, "-o", tmp_path / name)
        exif = load_exif(read_metadata(tmp_path / name).exif)
        assert exif[271] == "DJI"
        assert exif.get_ifd(34853)[2] == (47.0, 22.0, 30.0)
        emma(*two, "-o", tmp_path / name, "--strip-metadata", "--overwrite")
        assert read_metadata(tmp_path / name).exif == b""
        assert read_record(tmp_path / name)["infrared"]["name"] == "i.tif"


def test_the_visible_range(emma, tmp_path):
    write_image(tmp_path / "i.png", RGB[..., 0])
    visible = RNG.integers(0, 4096, (H, W), np.uint16)
    write_image(tmp_path / "v.png", visible)
    files = tmp_path / "i.png", tmp_path / "v.png"
    assert "camera image of 12 bits in 16" in emma(*files, "-o", tmp_path / "a.png")
    assert read_record(tmp_path / "a.png")["visible"]["range"] == [0, 4095]
    assert emma(*files, "-o", tmp_path / "b.png", "--visible-range", "0:8191").count("\n") == 1
    assert read_record(tmp_path / "b.png")["visible"]["range"] == [0, 8191]
    assert "visible range" in emma(
        *files, "-o", tmp_path / "c.png", "--visible-range", "9:1", code=2
    )


def test_a_palette(emma, tmp_path):
    values = np.tile(np.linspace(20, 235, W, dtype=np.uint8), (H, 1))
    write_image(tmp_path / "i.png", cv2.applyColorMap(values, cv2.COLORMAP_JET)[..., ::-1])
    write_image(tmp_path / "v.png", RGB)
    files = tmp_path / "i.png", tmp_path / "v.png"
    options = "--palette", "inferno", "--contrast", "none"
    assert "by the palette jet" in emma(*files, "-o", tmp_path / "a.png", *options)
    fused = read_image(tmp_path / "a.png").astype(float) @ (0.299, 0.587, 0.114)
    assert np.abs(fused - values).max() < 2
    assert "turned back" not in emma(*files, "-o", tmp_path / "b.png", "--false-colour", "off")


def test_in_a_folder_each_thing_is_said_once(emma, two, tmp_path):
    for number in range(3):
        (tmp_path / "ir").mkdir(exist_ok=True)
        (tmp_path / "ir" / f"{number}.tif").write_bytes(two[0].read_bytes())
        write_image(tmp_path / "vi" / f"{number}.png", RGB)
    said = emma(tmp_path / "ir", tmp_path / "vi", "-o", tmp_path / "out")
    assert said.count("pixels without data") == 1
    assert "Fused 3 of 3" in said
    said = emma(
        tmp_path / "ir", tmp_path / "vi", "-o", tmp_path / "again", "--infrared-range", "folder"
    )
    low = read_record(tmp_path / "again/0.png")["infrared"]["range"][0]
    assert low == pytest.approx(np.percentile(COUNTS[read_image(two[0]) > 0], 0.1), abs=1)


def test_a_wrong_order_is_said(emma, tmp_path):
    grey = RNG.integers(0, 256, (H, W), np.uint8)
    for number in range(3):
        write_image(tmp_path / "first" / f"{number}.png", RGB if number else grey)
        write_image(tmp_path / "second" / f"{number}.png", grey)
    said = emma(tmp_path / "first/1.png", tmp_path / "second/2.png", "-o", tmp_path / "f.png")
    assert said.count("The order seems wrong: 1.png, which was given as the infrared image") == 1
    assert read_record(tmp_path / "f.png")["notes"][0] in said
    said = emma(tmp_path / "second/2.png", tmp_path / "first/1.png", "-o", tmp_path / "g.png")
    assert "order seems" not in said
    said = emma(tmp_path / "first", tmp_path / "second", "-o", tmp_path / "out")
    assert said.count("order seems") == 1
    assert "The order seems wrong in 2 pairs. First, 1.png, which was given as the" in said
    said = emma(tmp_path / "second", tmp_path / "first", "-o", tmp_path / "right")
    assert "order seems" not in said


def test_temperatures_of_a_folder_have_one_range(emma, tmp_path):
    for number in range(2):
        celsius = (RNG.random((H, W)) * 20 + 10 * number).astype(np.float32)
        celsius[0, 0] = np.nan
        write_image(tmp_path / f"ir/{number}.tif", celsius)
        write_image(tmp_path / f"vi/{number}.png", RGB)
    emma(
        *(tmp_path / "ir", tmp_path / "vi", "-o", tmp_path / "out"),
        *("--infrared-range", "folder:0:100"),
    )
    values = np.stack([read_image(tmp_path / f"ir/{number}.tif") for number in range(2)])
    expected = [float(np.nanmin(values)), float(np.nanmax(values))]
    for number in range(2):
        assert read_record(tmp_path / f"out/{number}.png")["infrared"]["range"] == expected


def test_pages_keep_nodata_and_their_place(emma, tmp_path):
    stack = RNG.integers(7000, 8000, (3, H, W), np.uint16)
    stack[1, :9] = 0
    tag = (42113, 2, 2, "0", False)
    tifffile.imwrite(tmp_path / "i.tif", stack, photometric="minisblack", extratags=[tag])
    tifffile.imwrite(
        tmp_path / "v.tif",
        np.stack([RGB] * 3),
        photometric="rgb",
        extratags=[(t.number, t.type, t.count, t.values, False) for t in PLACE],
    )
    emma(tmp_path / "i.tif", tmp_path / "v.tif", "-o", tmp_path / "f.tif")
    assert len(read_pages(tmp_path / "f.tif")) == 3
    assert read_record(tmp_path / "f.tif")["infrared"]["range"][0] >= 7000
    assert read_georeference(tmp_path / "f.tif") == PLACE
    with tifffile.TiffFile(tmp_path / "f.tif") as file:
        masks = [page.asarray() for page in file.pages if page.subfiletype == 4]
    assert len(masks) == 1
    np.testing.assert_array_equal(masks[0] != 0, stack[1] != 0)


def test_what_is_no_output_format_is_named(emma, two, tmp_path):
    said = emma(*two, "-o", tmp_path / "f.gif", code=2)
    assert "f.gif has no suffix of an image that can be written: png, jpg" in said
    assert not (tmp_path / "f.gif").exists()


def test_a_name_that_is_no_utf_8(emma, two, tmp_path):
    odd = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    odd.write_bytes(two[1].read_bytes())
    for suffix in ("png", "tif"):
        emma(two[0], odd, "-o", tmp_path / f"f.{suffix}")
        assert read_record(tmp_path / f"f.{suffix}")["visible"]["name"] == "caf\\xe9.jpg"
    (tmp_path / "out").mkdir()
    emma(two[0], odd, "-o", f"{tmp_path / 'out'}/")
    assert (tmp_path / "out" / odd.name).exists()
    assert "does not exist" in emma(two[0], f"{odd}x", "-o", tmp_path / "g.png", code=2)


def test_a_damaged_tiff_is_one_line(emma, two, tmp_path):
    data = two[0].read_bytes()
    for end in (len(data) // 2, 100, 9):
        (tmp_path / "cut.tif").write_bytes(data[:end])
        assert emma(tmp_path / "cut.tif", two[1], "-o", tmp_path / "x.png", code=2).count("\n") == 1


def test_an_aligned_image_lies_where_the_visible_one_does(emma, tmp_path):
    scene = cv2.GaussianBlur(RNG.random((120, 160)).astype(np.float32), (0, 0), 3)
    scene = np.rint((scene - scene.min()) / np.ptp(scene) * 255).astype(np.uint8)
    write_image(tmp_path / "i.png", np.roll(scene, 3, axis=1))
    write_image(tmp_path / "v.tif", scene, georeference=PLACE)
    emma(tmp_path / "i.png", tmp_path / "v.tif", "-o", tmp_path / "a.tif", verb="align")
    assert read_georeference(tmp_path / "a.tif") == PLACE
