import numpy as np
import pytest

from emma_fusion.pair import Pair
from emma_fusion.values.arrays import from_unit
from emma_fusion.values.contrast import spread, stretch, tone_curve

GREY = np.zeros((2, 2), np.uint8)


def test_stretch():
    plane = np.float32([[0.2, 0.3], [0.4, 0.7]])
    stretched = Pair.from_arrays(GREY, GREY).compose(plane, "stretch")
    np.testing.assert_array_equal(stretched, [[0, 51], [102, 255]])
    constant = np.full((2, 2), 0.3, np.float32)
    np.testing.assert_array_equal(stretch(constant), constant)
    np.testing.assert_array_equal(spread(constant), constant)


def test_automatic_contrast_has_a_gain_of_at_most_one_and_a_half():
    plane = np.linspace(0.2, 0.4, 1000).reshape(40, 25).astype(np.float32)
    low, high = np.percentile(plane, (0.5, 99.8))
    free = 1 - 1.5 * (high - low)  # in the ratio of what was free below and above
    expected = 1.5 * (plane - low) + free * low / (low + 1 - high)
    np.testing.assert_allclose(spread(plane), expected, atol=1e-6)
    pair = Pair.from_arrays(np.zeros((40, 25), np.uint8), np.zeros((40, 25), np.uint8))
    np.testing.assert_array_equal(pair.compose(plane, "auto"), from_unit(expected, np.uint8))


def test_automatic_contrast_leaves_a_little_room_to_what_is_darker_or_brighter():
    plane = np.linspace(0.1, 0.85, 1000).reshape(40, 25).astype(np.float32)
    plane.flat[:4], plane.flat[-1] = 0.02, 0.99
    result = spread(plane)
    order = plane.ravel().argsort(kind="stable")
    assert (np.diff(result.ravel()[order]) >= 0).all()  # as bright as before beside each other
    low, high = np.percentile(plane, (0.5, 99.8))
    bulk = result[(plane >= low) & (plane <= high)]
    assert np.ptp(bulk) == pytest.approx(0.96, abs=2e-3)
    free = 0.04
    assert bulk.min() == pytest.approx(free * low / (low + 1 - high), abs=1e-3)
    assert result.min() == pytest.approx(0, abs=1e-6)  # not clipped: no two values became one
    assert result.max() == pytest.approx(1)
    assert len(np.unique(result)) == len(np.unique(plane))


def test_automatic_contrast_leaves_images_alone_that_are_full_constant_or_without_data():
    full = np.linspace(0, 1, 1000, dtype=np.float32).reshape(40, 25)
    constant = np.full((40, 25), 0.3, np.float32)
    constant[0, 0] = 0.8  # one hot pixel
    for plane in (full, constant):
        np.testing.assert_array_equal(spread(plane), plane)
    half = full / 2
    np.testing.assert_array_equal(spread(half, np.zeros(half.shape, bool)), half)


def test_automatic_contrast_of_a_large_image_takes_pixels_of_all_its_columns():
    """3000 by 2000 pixels are too many: every sixth is taken, and 6 divides the width."""
    plane = np.tile(np.linspace(0.2, 0.6, 3000, dtype=np.float32), (2000, 1))
    plane[:, ::6] = 0.9
    low, high = np.percentile(plane, (0.5, 99.8))
    knots, _ = tone_curve(plane, None, "auto")
    assert knots[1:3] == pytest.approx([low, high], abs=2e-3)
