import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import strips_of
from emma_fusion.values.colour import luminance
from emma_fusion.values.ranges import parse_range

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, (6, 5), np.uint8)
RGB = RNG.integers(0, 255, (6, 5, 3), np.uint8)


def as_rgb(plane):
    return np.repeat(plane[..., None], 3, axis=-1)


def test_the_same_luminance_gives_the_same_image():
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        visible = RNG.integers(0, top, (9, 8, 3), dtype, endpoint=True)
        pair = Pair.from_arrays(visible, visible)
        assert np.abs(pair.compose(pair.visible).astype(int) - visible).max() <= (top > 255)
        if top == 255:
            np.testing.assert_array_equal(pair.compose(pair.visible), visible)


def test_planes_are_the_luminance():
    pair = Pair.from_arrays(RGB, GREY)
    np.testing.assert_allclose(pair.infrared, luminance(RGB.astype(np.float32) / 255), atol=1e-6)
    np.testing.assert_allclose(pair.visible, GREY / 255, atol=1e-7)
    assert pair.infrared.dtype == pair.visible.dtype == np.float32


@pytest.mark.parametrize(
    ("infrared", "visible", "colour", "source", "shape"),
    [
        (GREY, RGB, "auto", "visible", (6, 5, 3)),
        (RGB, RGB, "auto", "visible", (6, 5, 3)),
        (RGB, GREY, "auto", "infrared", (6, 5, 3)),  # PET with MRI
        (RGB, as_rgb(GREY), "auto", "infrared", (6, 5, 3)),
        (GREY, GREY, "auto", "none", (6, 5)),
        (as_rgb(GREY), GREY, "auto", "none", (6, 5)),
        (GREY, as_rgb(GREY), "auto", "none", (6, 5, 3)),
        (RGB, RGB, "infrared", "infrared", (6, 5, 3)),
        (RGB, GREY, "visible", "none", (6, 5)),
        (GREY, RGB, "infrared", "none", (6, 5, 3)),
        (RGB, GREY, "none", "none", (6, 5)),
        (RGB, RGB, "none", "none", (6, 5, 3)),
    ],
)
def test_whose_colour(infrared, visible, colour, source, shape):
    pair = Pair.from_arrays(infrared, visible, colour=colour)
    assert pair.record["colour"] == source
    fused = pair.compose(np.full((6, 5), 0.5, np.float32))
    assert fused.shape == shape
    if source == "none" and len(shape) == 3:
        assert (fused == fused[..., :1]).all()
    if source != "none":
        expected = {"visible": visible, "infrared": infrared}[source].astype(np.float32) / 255
        np.testing.assert_array_equal(pair.colour, expected)


def test_alpha_goes_through():
    visible = np.dstack([RGB, GREY])
    pair = Pair.from_arrays(GREY, visible)
    fused = pair.compose(np.full((6, 5), 0.5, np.float32))
    assert fused.shape == (6, 5, 4)
    np.testing.assert_array_equal(fused[..., 3], GREY)
    assert Pair.from_arrays(visible, RGB).alpha is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_in_float_out(dtype):
    pair = Pair.from_arrays(GREY, (GREY / 255).astype(dtype))
    assert pair.dtype == dtype
    assert pair.compose(pair.visible).dtype == dtype


def thermal(low=7000, high=9000):
    return np.linspace(low, high, 10_000).astype(np.uint16).reshape(100, 100)


def scaled(infrared, rule="auto"):
    pair = Pair.from_arrays(infrared, np.zeros(infrared.shape[:2], np.uint8), infrared_range=rule)
    return pair.infrared, pair.record["infrared"]


def test_a_narrow_16_bit_image_is_scaled_by_percentiles():
    plane, record = scaled(thermal())
    low, high = np.percentile(thermal(), [0.1, 99.9])
    assert record["rule"] == "percentile:0.1:99.9"
    np.testing.assert_allclose(record["range"], [low, high])
    assert plane.min() == 0
    assert plane.max() == 1
    middle = (thermal()[50, 50] - low) / (high - low)
    assert plane[50, 50] == pytest.approx(middle, abs=1e-5)


def test_one_hot_pixel_does_not_darken_the_rest():
    image = thermal()
    image[0, 0] = 65535
    assert scaled(image)[0].mean() == pytest.approx(0.5, abs=0.01)


def test_a_wide_16_bit_image_keeps_its_range():
    plane, record = scaled(thermal(1000, 60000))
    assert record["rule"] == "full"
    np.testing.assert_allclose(plane, thermal(1000, 60000) / 65535, atol=1e-6)


def test_a_constant_16_bit_image_keeps_its_range():
    plane, record = scaled(np.full((4, 4), 8000, np.uint16))
    assert record["rule"] == "full"
    np.testing.assert_allclose(plane, 8000 / 65535, atol=1e-6)


@pytest.mark.parametrize("rule", ["full", "7000:9000", "percentile:0:100", "percentile:2:98"])
def test_a_range_that_is_asked_for(rule):
    plane, record = scaled(thermal(), rule)
    expected = {
        "full": [0, 65535],
        "7000:9000": [7000, 9000],
        "percentile:0:100": [7000, 9000],
        "percentile:2:98": np.percentile(thermal(), [2, 98]),
    }[rule]
    np.testing.assert_allclose(record["range"], expected)
    low, high = record["range"]
    np.testing.assert_allclose(plane, np.clip((thermal() - low) / (high - low), 0, 1), atol=1e-5)


def test_a_fixed_range_takes_floats_in_their_own_unit():
    celsius = np.float32([[-5, 10], [25, 60]])
    np.testing.assert_allclose(scaled(celsius, "-10:40")[0], [[0.1, 0.4], [0.7, 1]], atol=1e-6)


def test_8_bit_infrared_and_16_bit_visible_are_not_stretched():
    assert scaled(GREY)[1]["rule"] == "full"
    pair = Pair.from_arrays(GREY[:4, :4], np.full((4, 4), 4000, np.uint16))
    np.testing.assert_allclose(pair.visible, 4000 / 65535, atol=1e-7)


@pytest.mark.parametrize(
    "rule",
    ["", "half", "5", "1:2:3", "9:5", "5:5", "nan:5", "percentile:-1:99", "percentile:1:101"],
)
def test_a_range_that_is_not_understood(rule):
    with pytest.raises(UserError, match="infrared range"):
        parse_range(rule)


# --- mistakes ------------------------------------------------------------------------------------
def test_unequal_sizes_are_both_named():
    with pytest.raises(UserError, match=r"a\.png is 5x6 pixels and b\.png is 7x6.*align"):
        Pair.from_arrays(GREY, np.zeros((6, 7), np.uint8), labels=("a.png", "b.png"))


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (np.full((6, 5), np.nan, np.float32), "not finite"),
        (np.full((6, 5), np.inf, np.float32), "not finite"),
        (np.full((6, 5), 1.01, np.float32), r"from 1\.01 to 1\.01"),
        (np.full((6, 5), -0.01, np.float64), r"must be in \[0, 1\]"),
        (np.full((6, 5), 255.0, np.float32), r"must be in \[0, 1\]"),
        (np.zeros((6, 5), np.int32), "int32"),
        (np.zeros((6, 5), bool), "bool"),
        (np.zeros((3, 6, 5), np.uint8), "channels last"),
        (np.zeros((6, 5, 2), np.uint8), "channels last"),
        (np.zeros(6, np.uint8), "shape"),
        (np.zeros((0, 5), np.uint8), "empty"),
    ],
)
def test_a_bad_array_is_named(bad, complaint):
    with pytest.raises(UserError, match=f"(?s)infrared .*{complaint}"):
        Pair.from_arrays(bad, GREY)
    with pytest.raises(UserError, match=f"(?s)visible .*{complaint}"):
        Pair.from_arrays(GREY, bad)


def test_a_float_may_miss_the_range_by_rounding():
    pair = Pair.from_arrays(np.full((6, 5), 1 + 1e-6), np.full((6, 5), -1e-6))
    assert pair.infrared.max() == 1
    assert pair.visible.min() == 0


def test_one_channel_is_a_plane():
    assert Pair.from_arrays(GREY[..., None], GREY[..., None]).visible.shape == (6, 5)


@pytest.mark.parametrize("option", [{"colour": "red"}, {"infrared_range": "x"}])
def test_unknown_options(option):
    with pytest.raises(UserError):
        Pair.from_arrays(GREY, GREY, **option)


def test_contrast_is_left_alone_where_images_compare_or_the_infrared_covers_a_part():
    plane = np.linspace(0.2, 0.4, 30, dtype=np.float32).reshape(6, 5)
    pairs = [
        Pair.from_arrays(GREY, GREY, infrared_range="10:200"),
        Pair.from_arrays(GREY, GREY, visible_range="10:200"),
        Pair.from_arrays(GREY, GREY, cover=np.float32([[1, 1, 1, 0.5, 0]] * 6)),
    ]
    for pair in pairs:
        assert [pair.settle(c) for c in ("auto", "none", "stretch")] == ["none", "none", "stretch"]
        np.testing.assert_array_equal(pair.compose(plane, "auto"), pair.compose(plane, "none"))
        assert (pair.compose(plane, "stretch") != pair.compose(plane, "none")).any()
    for rule in ("full", "percentile:1:99"):  # of one image by itself
        assert Pair.from_arrays(GREY, GREY, visible_range=rule).settle("auto") == "auto"


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_camera_of_so_many_bits(bits):
    image = (GREY.astype(np.uint16) + 1) << (bits - 8)
    pair = Pair.from_arrays(GREY, image, visible_range=f"{bits} bits")
    assert pair.record["visible"]["range"] == [0, 2**bits - 1]
    assert pair.record["visible"]["rule"] == f"{bits} bits"
    np.testing.assert_allclose(pair.visible, image / (2**bits - 1), atol=1e-7)
    assert pair.settle("auto") == "auto"
    with pytest.raises(UserError, match=rf"vi is of uint8, and --visible-range '{bits} bits'"):
        Pair.from_arrays(GREY, GREY, visible_range=f"{bits} bits", labels=("ir", "vi"))


def test_unknown_contrast():
    pair = Pair.from_arrays(GREY, GREY)
    with pytest.raises(UserError, match="contrast"):
        pair.compose(pair.visible, "more")


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4", "<f8"])
def test_the_byte_order_makes_no_difference(dtype):
    top = 60000 if "u" in dtype else 1
    image = (np.random.default_rng(0).random((5, 6, 3)) * top).astype(dtype)
    native = image.astype(image.dtype.newbyteorder("="))
    pair, expected = Pair.from_arrays(image, image), Pair.from_arrays(native, native)
    np.testing.assert_array_equal(pair.visible, expected.visible)
    assert pair.dtype == native.dtype
    assert pair.compose(pair.visible).dtype.isnative


@pytest.mark.parametrize(
    ("values", "rule", "expected"),
    [
        ([0.0, 1e200], "0:2e200", [0, 0.5]),  # beyond float32
        ([1.0, 1 + 5e-11], "1:1.0000000001", [0, 0.5]),  # closer together than float32 tells apart
        ([-1.0, 1.0], "-1e300:1e300", [0.5, 0.5]),
    ],
)
def test_fixed_ranges_of_any_size(values, rule, expected):
    pair = Pair.from_arrays(np.array([values]), np.zeros((1, 2)), infrared_range=rule)
    np.testing.assert_allclose(pair.infrared[0], expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_large_images_go_by_strips_that_nobody_sees(monkeypatch, dtype):
    rng = np.random.default_rng(0)
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    infrared, visible = ((rng.random(shape) * top).astype(dtype) for shape in ((8, 5), (8, 5, 4)))
    fused = rng.random((8, 5), dtype=np.float32)

    def composed():
        pair = Pair.from_arrays(infrared, visible)
        return pair.infrared, pair.visible, pair.colour, pair.compose(fused)

    whole = composed()
    monkeypatch.setattr("emma_fusion.values.arrays.STRIP", 3 * 5)
    assert [rows.stop for rows in strips_of(fused)] == [3, 6, 9]
    for before, after in zip(whole, composed(), strict=True):
        np.testing.assert_array_equal(before, after)
