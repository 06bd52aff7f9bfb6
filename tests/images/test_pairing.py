"""From two files to a pair: nodata, georeferences, depths, palettes, by the values."""

import os
import struct

import cv2
import numpy as np
import pytest
import tifffile

from emma_fusion.errors import UserError
from emma_fusion.images.geotiff import Tag
from emma_fusion.images.raster import read_pair, write_image
from emma_fusion.images.record import read_record
from emma_fusion.values.arrays import from_unit
from emma_fusion.values.false_colour import _table

RNG = np.random.default_rng(0)
H, W = 60, 80
COUNTS = RNG.integers(29420, 30181, (H, W), np.uint16)
RGB = RNG.integers(0, 256, (H, W, 3), np.uint8)


@pytest.fixture
def files(tmp_path):
    write_image(tmp_path / "v.png", RGB)
    return tmp_path / "i.tif", tmp_path / "v.png"


def nodata_tag(text):
    return {"extratags": [(42113, 2, len(text) + 1, text, True)]}


def place(east, north, pixel=0.5, code=32633):
    """The tags of a grid whose corner is there."""
    keys = (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, code)
    return [
        Tag(33550, 12, 3, struct.pack("<3d", pixel, pixel, 0)),
        Tag(33922, 12, 6, struct.pack("<6d", 0, 0, 0, east, north, 0)),
        Tag(34735, 3, len(keys), struct.pack(f"<{len(keys)}H", *keys)),
    ]


@pytest.mark.parametrize("rule", ["auto", "percentile:0:100"])
@pytest.mark.parametrize("kind", ["tag", "nan", "mask"])
def test_nodata_counts_in_no_range_and_shows_the_visible_image(files, rule, kind):
    valid = np.ones((H, W), bool)
    valid[:20, :30] = valid[40, 50] = False
    counts = np.where(valid, COUNTS, 0)
    if kind == "tag":
        tifffile.imwrite(files[0], counts.astype(np.uint16), **nodata_tag("0"))
    elif kind == "nan":
        tifffile.imwrite(files[0], np.where(valid, COUNTS, np.nan).astype(np.float32))
    else:
        write_image(files[0], counts.astype(np.uint16), valid=valid)
    pair = read_pair(*files, infrared_range=rule)
    shares = (0, 100) if rule != "auto" else (0.1, 99.9)
    expected = np.percentile(COUNTS[valid].astype(np.float32), shares)
    assert pair.record["infrared"]["range"] == pytest.approx(list(expected))
    assert pair.record["infrared"]["nodata_pixels"] == (~valid).sum()
    assert "601 pixels without data" in pair.record["notes"][0]
    np.testing.assert_array_equal(pair.valid, valid)
    low, high = expected
    scaled = np.clip((COUNTS.astype(float) - low) / (high - low), 0, 1)
    np.testing.assert_allclose(pair.infrared[valid], scaled[valid], atol=1e-5)
    fused = pair.compose(pair.infrared, "stretch")
    assert np.abs(fused[~valid].astype(int) - RGB[~valid]).max() <= 1
    assert np.abs(fused[valid].astype(int) - RGB[valid]).mean() > 10


def test_nodata_of_the_visible_image_stays_as_it_is(tmp_path):
    rgb = np.maximum(RGB, 1)
    rgb[:9] = 0
    write_image(tmp_path / "i.png", COUNTS)
    tifffile.imwrite(tmp_path / "v.tif", rgb, photometric="rgb", **nodata_tag("0"))
    pair = read_pair(tmp_path / "i.png", tmp_path / "v.tif")
    fused = pair.compose(np.full((H, W), 0.7, np.float32), "stretch")
    assert not fused[:9].any()
    np.testing.assert_array_equal(pair.valid, np.arange(H)[:, None] >= np.full(W, 9))


def test_an_image_of_no_data_at_all_is_refused(files):
    tifffile.imwrite(files[0], np.zeros((H, W), np.uint16), **nodata_tag("0"))
    with pytest.raises(UserError, match=r"i\.tif has no pixel that holds data"):
        read_pair(*files)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_temperatures_take_a_range_in_their_unit(files, dtype):
    celsius = np.linspace(-80, 680, H * W).reshape(H, W).astype(dtype)
    tifffile.imwrite(files[0], celsius)
    pair = read_pair(*files, infrared_range="15:40")
    expected = np.clip((celsius.astype(float) - 15) / 25, 0, 1)
    np.testing.assert_allclose(pair.infrared, expected, atol=1e-5)
    assert pair.record["infrared"]["dtype"] == np.dtype(dtype).name
    by_itself = read_pair(*files).record["infrared"]
    assert by_itself["rule"] == "percentile:0.1:99.9"
    assert by_itself["range"] == pytest.approx(np.percentile(celsius, (0.1, 99.9)), abs=0.01)


def test_an_image_elsewhere_on_the_earth_is_brought_here(tmp_path):
    whole = cv2.GaussianBlur(RNG.integers(0, 65536, (H, W + 20), np.uint16), (0, 0), 2)
    write_image(tmp_path / "v.tif", RGB, georeference=place(500000, 4000000))
    write_image(tmp_path / "i.tif", whole[:, 20:], georeference=place(500010, 4000000))
    pair = read_pair(tmp_path / "i.tif", tmp_path / "v.tif", infrared_range="full")
    np.testing.assert_allclose(pair.infrared[:, 20:], whole[:, 20:80] / 65535, atol=1e-4)
    assert pair.cover is not None
    assert not pair.cover[:, :20].any()
    assert pair.record["infrared"]["alignment"]["visible_to_infrared"][0] == [1, 0, -20]
    assert "brought onto the pixels of v.tif" in pair.record["notes"][0]


def test_an_image_of_another_pixel_size_is_brought_here(tmp_path):
    y, x = np.mgrid[:H, :W].astype(np.float32)
    ramp = np.rint((x + 2 * y) * 200).astype(np.uint16)
    coarse = ramp.reshape(H // 2, 2, W // 2, 2).mean(axis=(1, 3)).astype(np.uint16)
    write_image(tmp_path / "v.tif", RGB, georeference=place(500000, 4000000))
    write_image(tmp_path / "i.tif", coarse, georeference=place(500000, 4000000, 1.0))
    pair = read_pair(tmp_path / "i.tif", tmp_path / "v.tif", infrared_range="full")
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(pair.infrared[inner], ramp[inner] / 65535, atol=2e-4)


def test_one_grid_is_left_alone(tmp_path):
    for name, image in (("i.tif", COUNTS), ("v.tif", RGB)):
        write_image(tmp_path / name, image, georeference=place(500000, 4000000))
    pair = read_pair(tmp_path / "i.tif", tmp_path / "v.tif", infrared_range="full")
    np.testing.assert_allclose(pair.infrared, COUNTS / 65535, atol=1e-6)
    assert pair.cover is None
    assert "notes" not in pair.record


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (place(500000, 4000000, code=32634), r"EPSG:32634 and EPSG:32633.*gdalwarp"),
        (place(510000, 4000100), "do not overlap.*-10000 east and -100 north"),
        (place(500000, 4000000, 1e300), "cannot be brought together.*1000 times"),
        (place(500000, 4000000, 1e-6), "cannot be brought together.*1000 times"),
    ],
)
def test_images_that_do_not_meet_are_refused(tmp_path, other, sentence):
    write_image(tmp_path / "v.tif", RGB, georeference=place(500000, 4000000))
    write_image(tmp_path / "i.tif", COUNTS, georeference=other)
    with pytest.raises(UserError, match=f"(?s){sentence}"):
        read_pair(tmp_path / "i.tif", tmp_path / "v.tif")


def test_nodata_goes_along_where_an_image_is_brought(tmp_path):
    counts = COUNTS.copy()
    counts[30:50, 30:50] = 0
    write_image(tmp_path / "v.tif", RGB, georeference=place(500000, 4000000))
    tags = [(t.number, t.type, t.count, t.values, True) for t in place(500005, 4000000)]
    tifffile.imwrite(
        tmp_path / "i.tif", counts, extratags=[*tags, *nodata_tag("0")["extratags"]], byteorder="<"
    )
    pair = read_pair(tmp_path / "i.tif", tmp_path / "v.tif")
    inside = np.zeros((H, W), bool)
    inside[30:50, 40:60] = True
    np.testing.assert_array_equal(~pair.valid, inside)
    assert pair.record["infrared"]["range"][0] > 29000


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_16_bit_visible_image_of_fewer_bits_is_as_bright_as_it_was(tmp_path, bits):
    top = 2**bits - 1
    visible = RNG.integers(0, top + 1, (H, W), np.uint16)
    visible[0, 0] = top
    write_image(tmp_path / "i.png", COUNTS)
    write_image(tmp_path / "v.png", visible)
    files = tmp_path / "i.png", tmp_path / "v.png"
    pair = read_pair(*files)
    np.testing.assert_allclose(pair.visible, visible / top, atol=1e-6)
    assert (
        pair.record["visible"] | {"range": [0.0, top], "rule": f"{bits} bits"}
        == (pair.record["visible"])
    )
    assert pair.dtype == np.uint16
    assert from_unit(pair.visible, np.uint16).max() == 65535
    np.testing.assert_allclose(
        read_pair(*files, visible_range="full").visible, visible / 65535, atol=1e-6
    )
    fixed = read_pair(*files, visible_range=f"0:{2 * top}")
    np.testing.assert_allclose(fixed.visible, visible / (2 * top), atol=1e-6)
    with pytest.raises(UserError, match="The visible range 'x' is not understood"):
        read_pair(*files, visible_range="x")


def test_alpha_keeps_its_own_range(tmp_path):
    visible = np.dstack([RGB.astype(np.uint16) * 16, np.full((H, W), 40000, np.uint16)])
    write_image(tmp_path / "i.png", COUNTS)
    write_image(tmp_path / "v.png", visible)
    pair = read_pair(tmp_path / "i.png", tmp_path / "v.png")
    assert pair.record["visible"]["rule"] == "12 bits"
    np.testing.assert_allclose(pair.alpha, 40000 / 65535, atol=1e-6)


def test_an_image_of_more_bits_than_were_said_is_told(tmp_path):
    write_image(tmp_path / "i.png", COUNTS)
    write_image(tmp_path / "v.png", np.linspace(0, 4000, H * W).reshape(H, W).astype(np.uint16))
    files = tmp_path / "i.png", tmp_path / "v.png"
    said = "v.png has values up to 4000, more than 10 bits hold: all above 1023 are white"
    assert any(said in note for note in read_pair(*files, visible_range="10 bits").record["notes"])
    enough = read_pair(*files, visible_range="12 bits").record
    assert not any("white" in note for note in enough.get("notes", ()))


# --- palettes -----------------------------------------------------------------------------------
def in_palette(values, name):
    if name.startswith("iron"):
        return np.rint(_table(name)[values]).astype(np.uint8)
    return cv2.applyColorMap(values, getattr(cv2, f"COLORMAP_{name.upper()}"))[..., ::-1]


@pytest.fixture
def scene():
    blurred = cv2.GaussianBlur(RNG.random((H, W)).astype(np.float32), (0, 0), 6)
    return np.rint(np.interp(blurred, (blurred.min(), blurred.max()), (10, 245))).astype(np.uint8)


@pytest.mark.parametrize(
    "palette", ["jet", "turbo", "rainbow", "hot", "inferno", "viridis", "iron", "iron, full range"]
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_palette_is_turned_back_into_values(tmp_path, scene, palette, suffix):
    write_image(tmp_path / f"i.{suffix}", in_palette(scene, palette))
    write_image(tmp_path / "v.png", RGB)
    files = tmp_path / f"i.{suffix}", tmp_path / "v.png"
    pair = read_pair(*files)
    assert np.abs(pair.infrared * 255 - scene).mean() < (4 if suffix == "jpg" else 0.5)
    assert pair.record["infrared"]["false_colour"] == palette
    assert f"coloured by the palette {palette}" in pair.record["notes"][0]
    assert "false_colour" not in read_pair(*files, false_colour="off").record["infrared"]
    assert "false_colour" not in read_pair(*files, colour="infrared").record["infrared"]


def test_the_other_end_of_a_palette_may_be_hot(tmp_path, scene):
    """A camera's rainbow has red for hot, OpenCV's for cold; nothing in the image says which."""
    write_image(tmp_path / "i.png", in_palette(255 - scene, "rainbow"))
    write_image(tmp_path / "v.png", RGB)
    files = tmp_path / "i.png", tmp_path / "v.png"
    pair = read_pair(*files, false_colour="reversed")
    assert np.abs(pair.infrared * 255 - scene).mean() < 0.5
    assert pair.record["infrared"]["reversed"] is True
    assert "red for the hottest. --false-colour auto takes" in pair.record["notes"][0]
    other = read_pair(*files)
    np.testing.assert_allclose(other.infrared, 1 - pair.infrared, atol=1e-6)
    assert "red for the coldest. --false-colour reversed takes" in other.record["notes"][0]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_piece_of_a_rainbow_is_not_turned_round(tmp_path, scene, suffix):
    """Red to yellow is the cold end of one rainbow, and the hot end of another run backwards."""
    write_image(tmp_path / f"i.{suffix}", in_palette(scene, "autumn"))
    write_image(tmp_path / "v.png", RGB)
    pair = read_pair(tmp_path / f"i.{suffix}", tmp_path / "v.png")
    assert pair.record["infrared"].get("false_colour") not in ("jet", "turbo", "rainbow")
    assert np.corrcoef(pair.infrared.ravel(), scene.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("palette", ["hsv", "cool", "twilight"])
def test_a_palette_that_is_not_known_is_told(tmp_path, scene, palette, suffix):
    write_image(tmp_path / f"i.{suffix}", in_palette(scene, palette))
    write_image(tmp_path / "v.png", RGB)
    pair = read_pair(tmp_path / f"i.{suffix}", tmp_path / "v.png")
    assert "false_colour" not in pair.record["infrared"]
    assert "by no palette that is known" in pair.record["notes"][0]


def test_colours_of_no_palette_are_told(tmp_path):
    write_image(tmp_path / "i.png", RGB[::-1])
    write_image(tmp_path / "v.png", RGB)
    pair = read_pair(tmp_path / "i.png", tmp_path / "v.png")
    assert "by no palette that is known" in pair.record["notes"][0]
    assert "white hot" in pair.record["notes"][0]


@pytest.mark.parametrize("visible", [RGB[..., 0], np.repeat(RGB[..., :1], 3, axis=2)])
def test_a_scan_lends_its_colours_to_a_grey_image(tmp_path, scene, visible):
    """PET in the palette hot, with MRI, stays as it is; a rainbow would turn hot and cold round."""
    write_image(tmp_path / "i.png", in_palette(scene, "hot"))
    write_image(tmp_path / "v.png", visible)
    files = tmp_path / "i.png", tmp_path / "v.png"
    assert read_pair(*files).record["colour"] == "infrared"
    write_image(tmp_path / "i.png", in_palette(scene, "jet"))
    assert read_pair(*files).record["infrared"]["false_colour"] == "jet"


def test_a_grey_image_stored_as_colour_is_grey(tmp_path, scene):
    write_image(tmp_path / "i.jpg", np.repeat(scene[..., None], 3, axis=2))
    write_image(tmp_path / "v.png", RGB)
    assert "notes" not in read_pair(tmp_path / "i.jpg", tmp_path / "v.png").record


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_name_that_is_no_utf_8_goes_into_the_record_and_comes_back(tmp_path, suffix):
    name = os.fsdecode(b"caf\xe9.png")
    write_image(tmp_path / name, RGB)
    pair = read_pair(tmp_path / name, tmp_path / name)
    assert pair.record["visible"]["name"] == "caf\\xe9.png"
    target = tmp_path / f"x.{suffix}"
    write_image(target, RGB, {"name": name})
    assert read_record(target) == {"name": name}
    with pytest.raises(UserError, match="caf"):
        read_pair(tmp_path / os.fsdecode(b"\xff caf.png"), tmp_path / name)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_photograph_as_the_infrared_image_of_a_grey_one_is_told(tmp_path, scene, suffix):
    day = RGB.astype(np.uint16) * 200 if suffix == "tif" else RGB
    write_image(tmp_path / f"day.{suffix}", day)
    write_image(tmp_path / "thermal.png", np.repeat(scene[..., None], 3, axis=2))
    record = read_pair(tmp_path / f"day.{suffix}", tmp_path / "thermal.png").record
    assert record["seems_swapped"] is True
    said = record["notes"][-1]
    assert said.startswith(f"The order seems wrong: day.{suffix}, which was given as the infrared")
    for files, options in (
        ((f"day.{suffix}", "thermal.png"), {"colour": "infrared"}),
        (("thermal.png", f"day.{suffix}"), {}),
        ((f"day.{suffix}", f"day.{suffix}"), {}),
        (("thermal.png", "thermal.png"), {}),
    ):
        record = read_pair(*(tmp_path / file for file in files), **options).record
        assert "seems_swapped" not in record
