"""How far a pair is off, by mutual information."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from registered import best_shift, information, steepness


@pytest.fixture
def picture():
    noise = np.random.default_rng(0).random((96, 112))
    return gaussian_filter(noise, 2).astype(np.float32)


@pytest.mark.parametrize("moved", [(0, 0), (4, -3), (-9, 9)])
def test_the_shift_back_is_found_whatever_the_contrast(picture, moved):
    x, y = moved
    infrared = np.roll(-(picture**2), (-y, -x), axis=(0, 1))  # moving it by (x, y) undoes this
    assert tuple(best_shift(infrared, picture)) == moved
    assert tuple(best_shift(steepness(infrared), steepness(picture))) == moved


def test_information_of_a_picture_with_itself_is_its_entropy():
    values = np.repeat([0.0, 1.0], 50)
    assert information(values, values) == pytest.approx(np.log(2))
    assert information(values, np.tile([0.0, 1.0], 50)) == pytest.approx(0, abs=1e-9)
