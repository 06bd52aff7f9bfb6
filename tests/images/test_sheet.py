"""Sheets: every picture is on it, whole."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from emma_fusion.images.sheet import make_sheet


def contains(sheet: np.ndarray, picture: np.ndarray) -> bool:
    windows = sliding_window_view(sheet, picture.shape)
    corners = np.argwhere((sheet == picture[0, 0]).all(-1))
    fits = corners[(corners <= np.subtract(sheet.shape, picture.shape)[:2]).all(1)]
    return any((windows[r, c, 0] == picture).all() for r, c in fits)


def test_every_picture_is_on_the_sheet_unchanged() -> None:
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (60, 70), np.uint8), rng.integers(0, 256, (60, 50, 3), "u1")
    sheet = make_sheet({"grey": grey, "colour": colour})
    assert sheet.dtype == np.uint8
    assert contains(sheet, np.repeat(grey[..., None], 3, 2))
    assert contains(sheet, colour)


def test_captions_are_written() -> None:
    picture = np.zeros((96, 128), np.uint8)
    assert (make_sheet({"fused": picture}) != make_sheet({"": picture})).any()


@pytest.mark.parametrize(
    "pictures",
    [
        {},
        {"a": np.zeros((4, 4))},
        {"a": np.zeros((4, 4), np.uint8), "b": np.zeros((5, 4), np.uint8)},
    ],
)
def test_what_does_not_fit_is_refused(pictures) -> None:
    with pytest.raises(ValueError, match="a sheet needs"):
        make_sheet(pictures)
