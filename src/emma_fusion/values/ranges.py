"""One range of values over many images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.pair import luminance, parse_range


def parse_shares(rule: str) -> tuple[float, float] | None:
    """The percentiles of a range over a folder, "folder" or "folder:LOW:HIGH"; None for others.

    Raises:
        UserError: what follows the colon is no pair of percentiles.

    >>> parse_shares("folder"), parse_shares("folder:1:99"), parse_shares("auto")
    ((0.1, 99.9), (1.0, 99.0), None)
    """
    if rule.split(":")[0] != "folder":
        return None
    if rule == "folder":
        return 0.1, 99.9
    return parse_range("percentile" + rule.removeprefix("folder"))[1]


def common_range(
    images: Iterable[npt.NDArray[Any]], shares: tuple[float, float]
) -> tuple[float, float]:
    """Percentiles of the values of many images together, exactly, one image in memory.

    Args:
        images: (H, W), or (H, W, 3 or 4) of which the luminance counts; all of one dtype. Masked
            pixels of a masked array hold no data.
        shares: two percentiles, 0 to 100.

    Raises:
        UserError: there is no image, depths differ, or the two percentiles are the same value.

    >>> common_range([np.array([[0, 10]], np.uint8), np.array([[20]], np.uint8)], (0, 75))
    (0.0, 15.0)
    """
    values, counts = np.empty(0), np.empty(0, np.int64)
    dtype = None
    for image in images:
        if dtype not in (None, image.dtype):
            raise UserError(
                "Images of 8 and of 16 bit, or of integers and floats, have no "
                "common range of values."
            )
        dtype = image.dtype
        found, often = np.unique(values_of(image), return_counts=True)
        # a camera counts in steps, so that there are few values however many pixels
        values, places = np.unique(np.concatenate([values, found]), return_inverse=True)
        counts = np.bincount(places, np.concatenate([counts, often])).astype(np.int64)
    if not counts.sum():
        raise UserError("There is no readable infrared image to take a range from.")
    ends = np.cumsum(counts)
    low, high = (_percentile(values, ends, share) for share in shares)
    if low == high:
        raise UserError(
            f"The infrared images have no range: their percentiles {shares[0]:g} and "
            f"{shares[1]:g} are both {low:g}. Give the values: --infrared-range LOW:HIGH."
        )
    return low, high


def note_missed(
    values: npt.NDArray[Any], low: float, high: float, label: str, option: str
) -> list[str]:
    """A sentence where a range holds none of an image's values; else nothing.

    Args:
        values: those that count.
        low: what becomes 0.
        high: what becomes 1.
        label: what the sentence calls the image.
        option: the option that the range is given by.

    >>> note_missed(np.array([29420, 30180]), 15, 40, "ir.tif", "--infrared-range")[0][:51]
    'ir.tif has no value between 15 and 40: its values r'
    """
    lowest, highest = values.min(), values.max()
    if lowest < high and highest > low:
        return []
    return [
        f"{label} has no value between {low:g} and {high:g}: its values run from {lowest:g} to "
        f"{highest:g}, so all of it has one brightness. {option} takes values in the file's own "
        "units."
    ]


def values_of(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values of an image that count: not masked ones, and of colours the luminance."""
    plane = np.asarray(image)
    if image.ndim == 3:
        grey = luminance(plane[..., :3].astype(np.float32))
        plane = np.rint(grey) if image.dtype.kind == "u" else grey
    if not np.ma.is_masked(image):
        return plane.ravel()
    missing = np.ma.getmaskarray(image)
    kept: npt.NDArray[Any] = plane[~(missing if missing.ndim == 2 else missing.any(axis=2))]
    return kept


def _percentile(values: npt.NDArray[Any], ends: npt.NDArray[np.int64], share: float) -> float:
    """NumPy's linear percentile, from values and how many are no larger."""
    place = share / 100 * (ends[-1] - 1)
    below, above = (
        float(values[np.searchsorted(ends, index, side="right")])
        for index in (np.floor(place), np.ceil(place))
    )
    return float(below + (above - below) * (place - np.floor(place)))
