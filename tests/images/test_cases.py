"""Files after public bug reports of other tools, where they are; each gives the right pixels."""

import os
from pathlib import Path

import numpy as np
import pytest

from emma_fusion.images.metadata import load_exif, read_metadata
from emma_fusion.images.raster import read_decoded, read_pair, write_image

CASES = (
    Path(os.environ.get("EMMA_DATA", Path(__file__).parents[3] / "shared" / "data")).parent
    / "cases"
)
TIFF, COLOUR = CASES / "tiff", CASES / "colour"
pytestmark = pytest.mark.skipif(not TIFF.is_dir(), reason="the cases are not here")


def reference(name):
    return np.load(TIFF / f"ref_{name}.npy")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("rgb16", "rgb16"),
        ("rgb16_photorgb_band", "rgb16"),
        ("rgb8", "rgb8"),
        ("rgb8_mask", "rgb8"),
        ("rgbn8", "rgb8"),
        ("th16", "th"),
        ("th16_zstd", "th"),
        ("th16_shift", "th"),
    ],
)
def test_pixels(file, name):
    np.testing.assert_array_equal(read_decoded(TIFF / f"{file}.tif").pixels, reference(name))


def test_near_infrared_is_left_out_and_said():
    pair = read_pair(TIFF / "th16.tif", TIFF / "rgbn8.tif")
    assert pair.alpha is None
    assert "near-infrared" in pair.record["notes"][0]


def test_nodata():
    pair = read_pair(TIFF / "th16_nodata0.tif", TIFF / "rgb8.tif")
    assert pair.record["infrared"]["range"] == [29420, 30180]
    assert pair.record["infrared"]["nodata_pixels"] == (~pair.valid).sum() == 1088
    masked = read_pair(TIFF / "th16.tif", TIFF / "rgb8_mask.tif")
    assert (~masked.valid).sum() == 1088


def test_the_georeference():
    pair = read_pair(TIFF / "th16_shift.tif", TIFF / "rgb8.tif", infrared_range="full")
    expected = reference("th")[:, :76] / 65535
    np.testing.assert_allclose(pair.infrared[:, 20:], expected, atol=1e-6)
    assert not pair.cover[:, :20].any()


@pytest.mark.parametrize("file", ["th32_celsius", "th32_nan"])
def test_temperatures(file):
    pair = read_pair(TIFF / f"{file}.tif", TIFF / "rgb8.tif", infrared_range="15:40")
    celsius = reference("th") / 100 - 273.15
    valid = np.ones((64, 96), bool) if pair.valid is None else pair.valid
    np.testing.assert_allclose(pair.infrared[valid], ((celsius - 15) / 25)[valid], atol=1e-4)
    assert valid.all() == (file == "th32_celsius")


def test_signed_values():
    pair = read_pair(TIFF / "int16.tif", TIFF / "rgb8.tif", infrared_range="-80:680")
    low = reference("th").astype(float) - 29420
    np.testing.assert_allclose(pair.infrared, low / 760, atol=1e-5)


def test_the_full_page_and_not_its_preview():
    pair = read_pair(TIFF / "ir_prev.tif", TIFF / "vis_prev.tif")
    plain = read_pair(TIFF / "ir.tif", TIFF / "vis.tif")
    np.testing.assert_array_equal(pair.infrared, plain.infrared)
    np.testing.assert_array_equal(pair.colour, plain.colour)


def test_one_alpha_in_two_formats():
    first = read_pair(TIFF / "alpha_ir.png", TIFF / "alpha_unassociated.tif")
    second = read_pair(TIFF / "alpha_ir.png", TIFF / "alpha.png")
    for part in ("infrared", "visible", "colour", "alpha"):
        np.testing.assert_array_equal(getattr(first, part), getattr(second, part))


def test_12_bits_in_16():
    deep = read_pair(COLOUR / "ir8.png", COLOUR / "vis12in16.png")
    plain = read_pair(COLOUR / "ir8.png", COLOUR / "vis8.png")
    np.testing.assert_allclose(deep.visible, plain.visible, atol=1.1 / 255)
    assert deep.record["visible"]["rule"] == "12 bits"


def test_false_colour():
    pair = read_pair(COLOUR / "ir_jet.jpg", COLOUR / "vis.png")
    truth = read_pair(COLOUR / "ir_grey.png", COLOUR / "vis.png")
    assert np.abs(pair.infrared - truth.infrared).mean() < 1 / 255
    assert np.corrcoef(pair.infrared.ravel(), truth.infrared.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_metadata(tmp_path, suffix):
    metadata = read_metadata(COLOUR / "vis_gps.jpg")
    write_image(
        tmp_path / f"x.{suffix}", read_decoded(COLOUR / "vis_gps.jpg").pixels, metadata=metadata
    )
    again = read_metadata(tmp_path / f"x.{suffix}")
    place = load_exif(again.exif).get_ifd(34853)
    assert (place[1], place[2], place[6]) == ("N", (47.0, 22.0, 30.0), 412.5)
    assert len(again.profile) == 588
    if suffix != "webp":
        assert again.dpi == pytest.approx((300, 300), abs=0.1)
