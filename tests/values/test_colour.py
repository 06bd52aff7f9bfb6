import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emma_fusion.values.arrays import from_unit
from emma_fusion.values.colour import is_coloured, luminance, replace_luminance

RNG = np.random.default_rng(0)
unit = st.floats(0, 1, width=32)


def as_rgb(plane):
    return np.repeat(plane[..., None], 3, axis=-1)


def ycbcr(rgb):
    """BT.601 full range by its definition: Cb and Cr are scaled B - Y and R - Y."""
    y = rgb @ np.array([0.299, 0.587, 0.114])
    return np.stack([y, (rgb[..., 2] - y) / 1.772, (rgb[..., 0] - y) / 1.402], axis=-1)


def test_luminance_is_bt601_and_keeps_grey():
    np.testing.assert_allclose(luminance(np.eye(3, dtype=np.float32)), [0.299, 0.587, 0.114])
    grey = np.linspace(0, 1, 256, dtype=np.float32)
    np.testing.assert_array_equal(from_unit(luminance(as_rgb(grey)), np.uint8), np.arange(256))


@given(
    hnp.arrays(np.float32, (2, 2, 3), elements=unit),
    hnp.arrays(np.float32, (2, 2), elements=unit),
)
def test_replaced_luminance_is_exact_and_the_hue_stays(rgb, fused):
    image = replace_luminance(rgb, fused)
    assert image.min() >= 0
    assert image.max() <= 1
    np.testing.assert_allclose(luminance(image), fused, atol=2e-6)
    before, after = ycbcr(rgb.astype(float))[..., 1:], ycbcr(image.astype(float))[..., 1:]
    # the chroma has the old direction and is never longer
    cross = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    np.testing.assert_allclose(cross, 0, atol=2e-6)
    assert (np.linalg.norm(after, axis=-1) <= np.linalg.norm(before, axis=-1) + 2e-6).all()


def test_inside_the_gamut_cb_and_cr_stay():
    rgb = np.float32([[[0.6, 0.4, 0.3]]])
    image = replace_luminance(rgb, np.float32([[0.55]]))
    np.testing.assert_allclose(ycbcr(image)[..., 1:], ycbcr(rgb)[..., 1:], atol=1e-6)
    np.testing.assert_allclose(luminance(image), 0.55, atol=1e-6)


def test_a_bright_red_turns_pink_not_yellow():
    """Clipping a channel of rgb + (fused - Y) would turn the hue."""
    image = replace_luminance(np.float32([[[0.9, 0.3, 0.1]]]), np.float32([[0.85]]))[0, 0]
    np.testing.assert_allclose(
        colorsys.rgb_to_hsv(*map(float, image))[0],
        colorsys.rgb_to_hsv(0.9, 0.3, 0.1)[0],
        atol=1e-5,
    )
    assert image.max() == pytest.approx(1)


def test_rounding_is_no_colour():
    grey = as_rgb(RNG.integers(0, 255, (6, 5), np.int16))
    noisy = np.clip(grey + RNG.integers(-1, 2, grey.shape), 0, 255).astype(np.float32) / 255
    assert not is_coloured(noisy)
    assert is_coloured(RNG.random((6, 5, 3), np.float32))


def test_integers_are_rounded_to_nearest():
    np.testing.assert_array_equal(
        from_unit(np.float32([0.4 / 255, 0.6 / 255, 254.6 / 255]), np.uint8), [0, 1, 255]
    )
    every = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(from_unit(every.astype(np.float32) / 65535, np.uint16), every)
