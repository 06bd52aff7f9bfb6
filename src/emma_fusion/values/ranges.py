"""Ranges: which values of an image become 0 and 1, of one image or of many together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.values.arrays import FloatArray, strips_of, without_alpha
from emma_fusion.values.colour import luminance

CAMERA_BITS = (8, 10, 12, 14)
"""How many bits cameras store in 16."""
# How far a float may lie outside [0, 1]: rounding, not another scale.
FLOAT_TOLERANCE = 1e-5


def parse_range(rule: str, side: str = "infrared") -> tuple[str, tuple[float, float]]:
    """Split a range (see `Pair.from_arrays`) into its kind and its two numbers.

    Args:
        rule: the range.
        side: "infrared" or "visible", for the error.

    Returns:
        "auto" or "full" with (0, 0); "fixed" or "percentile" with the two; or "bits" with 0 and
        the largest value of so many.

    Raises:
        UserError: it is none of these.

    >>> parse_range("percentile:1:99"), parse_range("7000:9000"), parse_range("10 bits")
    (('percentile', (1.0, 99.0)), ('fixed', (7000.0, 9000.0)), ('bits', (0.0, 1023.0)))
    """
    if rule in ("auto", "full"):
        return rule, (0.0, 0.0)
    if rule in (f"{bits} bits" for bits in CAMERA_BITS):
        return "bits", (0.0, 2.0 ** int(rule.split()[0]) - 1)
    kind, numbers = "fixed", rule
    if rule.startswith("percentile:"):
        kind, numbers = rule.split(":", 1)
    try:
        low, high = (float(number) for number in numbers.split(":"))
    except ValueError:
        low, high = 0.0, 0.0
    inside = kind == "fixed" or (low >= 0 and high <= 100)
    if not (np.isfinite([low, high]).all() and low < high and inside):
        raise UserError(
            f"The {side} range {rule!r} is not understood; use auto, full, LOW:HIGH (values), "
            "percentile:LOW:HIGH (0 to 100), LOW below HIGH, or 8, 10, 12 or 14 bits."
        )
    return kind, (low, high)


def camera_range(low: int, high: int) -> tuple[str, float, float]:
    """The range of the fewest bits that hold all values of a camera's images in 16.

    Args:
        low: the smallest value.
        high: the largest.

    Returns:
        What the rule is called, and the values of black and white.

    >>> camera_range(16, 900), camera_range(0, 40000)
    (('10 bits', 0.0, 1023.0), ('full', 0.0, 65535.0))
    """
    for bits in CAMERA_BITS:
        if high < 2**bits and high > low:  # a constant image tells nothing
            return f"{bits} bits", 0.0, float(2**bits - 1)
    return "full", 0.0, 65535.0


def find_range(
    image: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_] | None,
    rule: str,
    label: str,
    side: Literal["infrared", "visible"],
) -> tuple[str, float, float]:
    """The rule that applies, and the values of the image that become 0 and 1.

    Args:
        image: (H, W), (H, W, 3) RGB or (H, W, 4); uint8, uint16 or floats.
        valid: (H, W), which pixels count; None for all.
        rule: see `Pair.from_arrays`.
        label: what errors call the image.
        side: which of the two it is; "auto" is another rule for each.

    Raises:
        UserError: the rule is not understood or not for such an image, or floats are not finite,
            or outside [0, 1] where nothing says what they mean.
    """
    image = without_alpha(image)
    values, top = image if valid is None else image[valid], white_of(image)
    kind, numbers = parse_range(rule, side)
    if image.dtype.kind == "f":
        low, high = float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all():
            raise UserError(f"{label} holds values that are not finite (NaN or infinity).")
        outside = low < -FLOAT_TOLERANCE or high > 1 + FLOAT_TOLERANCE
        if outside and kind == "auto" and side == "infrared" and high > low:
            kind, numbers = "percentile", (0.1, 99.9)
        if outside and kind in ("auto", "full"):
            raise UserError(
                f"{label} holds floats from {low:.6g} to {high:.6g}; floats must be in [0, 1]. "
                f"Give the values that become black and white, with --{side}-range LOW:HIGH "
                f"({side}_range in Python), or pass integers."
            )
    if kind == "bits":
        if image.dtype != np.uint16:
            raise UserError(
                f"{label} is of {image.dtype}, and --{side}-range '{rule}' ({side}_range in "
                "Python) is for images of 16 bit: use auto or full."
            )
        return rule, *numbers
    if kind == "fixed":
        return "fixed", *numbers
    if kind == "auto" and side == "visible" and image.dtype == np.uint16:
        return camera_range(int(values.min()), int(values.max()))
    percentiles = numbers if kind == "percentile" else (0.1, 99.9)
    if kind == "percentile" or (kind == "auto" and image.dtype == np.uint16):
        wide = values if values.dtype == np.float64 else values.astype(np.float32)
        plane = luminance(wide) if image.ndim == 3 else wide
        low, high = (float(p) for p in np.percentile(plane, percentiles))
        narrow = high - low < top / 2
        # a constant image has no range of its own
        if high > low and (kind == "percentile" or narrow):
            return f"percentile:{percentiles[0]:g}:{percentiles[1]:g}", low, high
        if image.dtype.kind == "f" and outside:
            raise UserError(
                f"{label} has the same value {low:g} at its percentiles {percentiles[0]:g} and "
                f"{percentiles[1]:g}: give the values that become black and white, with "
                f"--{side}-range LOW:HIGH ({side}_range in Python)."
            )
    return "full", 0.0, top


def scale_to_unit(image: npt.NDArray[Any], low: float, high: float) -> FloatArray:
    """Map low to 0 and high to 1, clipped; of integers, every value once.

    Args:
        image: (H, W) or (H, W, C), unsigned integers or floats.
        low: what becomes 0.
        high: what becomes 1.

    Returns:
        float32 in [0, 1], of the image's shape.
    """
    whole = image.dtype.kind == "u"

    def scale(values: npt.NDArray[Any]) -> FloatArray:
        # in float64: fixed values may lie close together, or beyond what float32 holds
        scaled = (values.astype(np.float64) - low) / (high - low)
        return np.clip(scaled, 0, 1).astype(np.float32)

    table = scale(np.arange(np.iinfo(image.dtype).max + 1)) if whole else np.empty(0, np.float32)
    scaled = np.empty(image.shape, np.float32)
    for rows in strips_of(image):
        scaled[rows] = table[image[rows]] if whole else scale(image[rows])
    return scaled


def white_of(image: npt.NDArray[Any]) -> float:
    """The value of white."""
    return 1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype).max)


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
