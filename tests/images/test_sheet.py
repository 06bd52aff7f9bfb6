"""Sheets: every image is on it, whole."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from emma_fusion.images.sheet import make_sheet


def contains(sheet: np.ndarray, image: np.ndarray) -> bool:
    windows = sliding_window_view(sheet, image.shape)
    corners = np.argwhere((sheet == image[0, 0]).all(-1))
    fits = corners[(corners <= np.subtract(sheet.shape, image.shape)[:2]).all(1)]
    return any((windows[r, c, 0] == image).all() for r, c in fits)


def test_every_image_is_on_the_sheet_unchanged() -> None:
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (60, 70), np.uint8), rng.integers(0, 256, (60, 50, 3), "u1")
    sheet = make_sheet({"grey": grey, "colour": colour})
    assert sheet.dtype == np.uint8
    assert contains(sheet, np.repeat(grey[..., None], 3, 2))
    assert contains(sheet, colour)


def test_captions_are_written() -> None:
    image = np.zeros((96, 128), np.uint8)
    assert (make_sheet({"fused": image}) != make_sheet({"": image})).any()


@pytest.mark.parametrize(
    "images",
    [
        {},
        {"a": np.zeros((4, 4))},
        {"a": np.zeros((4, 4), np.uint8), "b": np.zeros((5, 4), np.uint8)},
    ],
)
def test_what_does_not_fit_is_refused(images) -> None:
    with pytest.raises(ValueError, match="a sheet needs"):
        make_sheet(images)
