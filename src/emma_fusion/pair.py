"""Pair: two registered luminance planes, the colour that belongs to them, depth and name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError

FloatArray: TypeAlias = npt.NDArray[np.float32]
Colour = Literal["auto", "visible", "infrared", "none"]
Contrast = Literal["auto", "none", "stretch"]
GENTLE = 1.5
"""The largest gain of contrast "auto": more would bring out the noise of dark or foggy images."""
BULK = (0.5, 99.8)
"""The percentiles that contrast "auto" spreads: a few lamps would hold back all the rest."""
TAILS = 0.04
"""How much of the range contrast "auto" keeps for what is darker or brighter than that."""

SAMPLE = 1_000_000
"""Of how many pixels, evenly taken, these percentiles are at most: large images stay fast."""

# A channel spread up to this is the rounding of a grey image stored as colour, not colour.
GREY_TOLERANCE = 4 / 255
# How far a float may lie outside [0, 1]: rounding, not another scale.
FLOAT_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Pair:
    """Two registered images of one scene, ready for the network.

    Attributes:
        infrared: (H, W) float32 in [0, 1]; for medical pairs the functional scan or the CT.
        visible: (H, W) float32 in [0, 1]; for medical pairs the MRI.
        colour: (H, W, 3) float32 RGB in [0, 1] whose chroma the fused image takes, or None
            when the fused image is grey.
        alpha: (H, W) float32 in [0, 1] that the fused image gets unchanged, or None.
        cover: (H, W) float32 in [0, 1], how much of the fused image is taken at each pixel (see
            `blend`); the rest is the visible one, which stands alone where the infrared does not
            reach. None where it reaches everywhere.
        valid: (H, W), which pixels hold data in both images; elsewhere the fused image is the
            visible one as it is. None where all do.
        dtype: of the fused image: uint8, uint16 or a float.
        name: what the pair is called, usually the stem of its files.
        record: how the inputs were scaled and where the colour is from, for the output's metadata.
    """

    infrared: FloatArray
    visible: FloatArray
    colour: FloatArray | None = None
    alpha: FloatArray | None = None
    cover: FloatArray | None = None
    valid: npt.NDArray[np.bool_] | None = None
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    name: str = ""
    record: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_arrays(
        cls,
        infrared: npt.NDArray[Any],
        visible: npt.NDArray[Any],
        *,
        colour: Colour = "auto",
        infrared_range: str = "auto",
        visible_range: str = "auto",
        name: str = "",
        labels: tuple[str, str] = ("infrared", "visible"),
        cover: FloatArray | None = None,
    ) -> Pair:
        """Make a pair of two arrays.

        Args:
            infrared: (H, W), or (H, W, 3) RGB, or (H, W, 4) RGBA whose alpha is left out.
                uint8, uint16, or floats. Pixels that a masked array masks hold no data: they are
                left out of every range, and there the fused image is the visible one.
            visible: the same, with floats in [0, 1]; the fused image takes its dtype and alpha.
            colour: whose colour the fused image takes. "auto" is the visible image's where
                that is coloured, else the infrared's where that is (PET, SPECT), else none.
            infrared_range: which infrared values become 0 and 1. "full" is the whole range of the
                dtype, "LOW:HIGH" are fixed values in the image's own units, and
                "percentile:LOW:HIGH" are percentiles of the image; these two take floats outside
                [0, 1]. "auto" is "full", except for floats that leave [0, 1], as temperatures
                do, and for a uint16 image whose percentiles 0.1 to 99.9 span less than half the
                65535: thermal cameras fill a small part of their 16 bits. There it is
                "percentile:0.1:99.9".
            visible_range: the same for the visible image, where "auto" is "full", except for a
                uint16 image whose values all fit into 8, 10, 12 or 14 bits: cameras store as
                many in 16, and there it is 0 to 255, 1023, 4095 or 16383.
            name: of the pair.
            labels: what to call the two in errors and in the record, usually their file names.
            cover: (H, W), where the infrared image reaches; see `Pair`.

        Raises:
            UserError: sizes differ, a shape or dtype is not one of these, a value is not finite
                or outside [0, 1], or an option is unknown.

        >>> pair = Pair.from_arrays(np.zeros((2, 3), np.uint8), np.full((2, 3, 3), 255, np.uint8))
        >>> pair.visible.max(), pair.colour.shape, pair.dtype
        (np.float32(1.0), (2, 3, 3), dtype('uint8'))
        """
        if colour not in get_args(Colour):
            raise UserError(
                f"colour is {colour!r}; it must be one of {', '.join(get_args(Colour))}."
            )
        i, i_valid = _as_image(infrared, labels[0])
        v, v_valid = _as_image(visible, labels[1])
        if i.shape[:2] != v.shape[:2]:
            raise UserError(
                f"{labels[0]} is {i.shape[1]}x{i.shape[0]} pixels and {labels[1]} is "
                f"{v.shape[1]}x{v.shape[0]}. The two must be of one size and show the same scene "
                "pixel for pixel: align them first, with --align auto or emma align."
            )
        i_rule, i_low, i_high = _find_range(i, i_valid, infrared_range, labels[0], "infrared")
        v_rule, v_low, v_high = _find_range(v, v_valid, visible_range, labels[1], "visible")
        i_scaled = _scale(_without_alpha(i), i_low, i_high)
        v_scaled = _scale(_without_alpha(v), v_low, v_high)

        i_rgb = i_scaled if i.ndim == 3 else None
        v_rgb = v_scaled if v.ndim == 3 else None
        source = _colour_source(colour, i_rgb, v_rgb)
        chroma = {"visible": v_rgb, "infrared": i_rgb, "none": None}[source]
        v_plane = luminance(v_rgb) if v_rgb is not None else v_scaled
        if chroma is None and v_rgb is not None:  # three channels in, three channels out
            chroma = np.repeat(v_plane[..., None], 3, axis=2)
        pair = cls(
            infrared=luminance(i_rgb) if i_rgb is not None else i_scaled,
            visible=v_plane,
            colour=chroma,
            alpha=_scale(v[..., 3], 0.0, _top(v)) if v.shape[2:] == (4,) else None,
            cover=cover,
            valid=_both(i_valid, v_valid),
            dtype=v.dtype,
            name=name,
            record={
                "infrared": _describe(labels[0], i, i_valid, i_rule, i_low, i_high),
                "visible": _describe(labels[1], v, v_valid, v_rule, v_low, v_high),
                "colour": source,
            },
        )
        if source == "infrared" and pair.colour is not None:
            pair = replace(pair, colour=pair.fade(pair.colour))
        return pair

    @property
    def reached(self) -> npt.NDArray[np.bool_]:
        """(H, W), where the infrared image reaches and both images hold data."""
        reached = np.ones(self.visible.shape, bool) if self.valid is None else self.valid
        return reached if self.cover is None else reached & (np.asarray(self.cover) > 0)

    def fade(self, colour: FloatArray) -> FloatArray:
        """Colour of the infrared image, and grey where that image does not reach."""
        if self.cover is None:
            return colour
        share = self.cover[..., None]
        faded: FloatArray = share * colour + (1 - share) * self.visible[..., None]
        return faded

    def compose(self, fused: FloatArray, contrast: Contrast = "none") -> npt.NDArray[Any]:
        """Make the fused image from a fused luminance.

        Args:
            fused: (H, W) float32 in [0, 1].
            contrast: "none", "stretch" or "auto"; see `tone_curve`. Where the infrared image covers
                a part alone, "auto" is "none": the rest stays the visible image.

        Returns:
            (H, W), (H, W, 3) where the pair has colour, or (H, W, 4) where it has alpha, of the
            pair's dtype.

        Raises:
            UserError: if `contrast` is unknown.
        """
        if contrast not in get_args(Contrast):
            options = ", ".join(get_args(Contrast))
            raise UserError(f"contrast is {contrast!r}; it must be one of {options}.")
        if self.cover is not None:
            from emma_fusion.blending import blend

            fused = blend(self.visible, fused, self.cover)
            contrast = "none" if contrast == "auto" else contrast
        curve = tone_curve(fused, self.valid, contrast)
        channels = () if self.colour is None else (3,)
        image = np.empty(fused.shape + (channels if self.alpha is None else (4,)), self.dtype)
        for rows in _strips(fused):
            strip = fused[rows]
            if curve is not None:
                strip = np.interp(strip, *curve).astype(np.float32)
            if self.valid is not None:
                strip = np.where(self.valid[rows], strip, self.visible[rows])
            if self.colour is not None:
                strip = replace_luminance(self.colour[rows], strip)
            if self.alpha is not None:
                rgb = strip if strip.ndim == 3 else np.repeat(strip[..., None], 3, axis=2)
                strip = np.dstack([rgb, self.alpha[rows]])
            image[rows] = from_unit(strip, self.dtype)
        return image


def luminance(rgb: FloatArray) -> FloatArray:
    """Luminance of ITU-R BT.601: Y = 0.299 R + 0.587 G + 0.114 B.

    Args:
        rgb: (..., 3) floats.

    Returns:
        (...) floats in the same range.

    >>> luminance(np.float32([[1, 0, 0], [0.5, 0.5, 0.5]])).round(3)
    array([0.299, 0.5  ], dtype=float32)
    """
    # weighted by hand: a matrix product would round differently on different machines
    y: FloatArray = np.float32(0.587) * rgb[..., 1]
    y += np.float32(0.114) * rgb[..., 2]
    y += np.float32(0.299) * rgb[..., 0]
    return y


def replace_luminance(rgb: FloatArray, fused: FloatArray) -> FloatArray:
    """Give a colour image another luminance, with its hue and, where possible, its chroma.

    Replacing Y in full-range BT.601 YCbCr and keeping Cb and Cr is the same as adding the
    difference of the luminances to R, G and B: rgb + (fused - Y). Where that leaves [0, 1],
    clipping a channel would change both luminance and hue; here the chroma rgb - Y is shrunk by
    the largest factor that fits instead.

    Args:
        rgb: (H, W, 3) in [0, 1].
        fused: (H, W) in [0, 1], the new luminance.

    Returns:
        (H, W, 3) in [0, 1] whose luminance is `fused`.

    >>> replace_luminance(np.float32([[[0.6, 0.4, 0.4]]]), np.float32([[0.5]])).round(4)
    array([[[0.6402, 0.4402, 0.4402]]], dtype=float32)
    """
    y = luminance(rgb)
    image = rgb + (fused - y)[..., None]
    low, high = _over_channels(np.minimum, image), _over_channels(np.maximum, image)
    outside = (low < 0) | (high > 1)
    chroma, target = rgb[outside] - y[outside, None], fused[outside, None]
    need, room = np.abs(chroma), np.where(chroma > 0, 1 - target, target)
    fits = np.divide(room, need, out=np.ones_like(need), where=need > room).min(axis=1)
    image[outside] = np.clip(target + fits[:, None] * chroma, 0, 1)  # to the last bit
    return image


def stretch(plane: FloatArray, valid: npt.NDArray[np.bool_] | None = None) -> FloatArray:
    """Stretch a plane's minimum to 0 and its maximum to 1; a constant plane stays as it is.

    Args:
        plane: (H, W) in [0, 1].
        valid: (H, W), which pixels have a say; None for all.

    >>> stretch(np.float32([[0.25, 0.5, 0.75]]))
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    return spread(plane, valid, "stretch")


def spread(
    plane: FloatArray, valid: npt.NDArray[np.bool_] | None = None, contrast: Contrast = "auto"
) -> FloatArray:
    """A plane whose values lie otherwise in [0, 1], by its `tone_curve`.

    Args:
        plane: (H, W) in [0, 1].
        valid: (H, W), which pixels have a say; None for all.
        contrast: "auto", "stretch" or "none".
    """
    curve = tone_curve(plane, valid, contrast)
    return plane if curve is None else np.interp(plane, *curve).astype(np.float32)


def tone_curve(
    plane: FloatArray, valid: npt.NDArray[np.bool_] | None, contrast: Contrast
) -> tuple[list[float], list[float]] | None:
    """Where the values of a plane go: a rising line of straight pieces.

    "stretch" leads the minimum to 0 and the maximum to 1. "auto" spreads what lies between the
    percentiles of `BULK` over all but `TAILS` of the range, by a gain of at most `GENTLE`; what is
    left free below and above keeps its ratio, and the few darker and brighter values share it, by
    the same gain where there is room. So nothing is clipped.

    Args:
        plane: (H, W) in [0, 1].
        valid: (H, W), which pixels have a say; None for all.
        contrast: "auto", "stretch" or "none".

    Returns:
        The values at the ends of the pieces before and after; None where all stay as they are.

    >>> tone_curve(np.float32([[0.25, 0.5, 0.75]]), None, "stretch")
    ([0.25, 0.75], [0.0, 1.0])
    """
    values = plane if valid is None else plane[valid]
    if contrast == "none" or values.size == 0:
        return None
    darkest, brightest = float(values.min()), float(values.max())
    if contrast == "stretch":
        return None if darkest == brightest else ([darkest, brightest], [0.0, 1.0])
    every = math.ceil(values.size / SAMPLE)
    while math.gcd(every, plane.shape[-1]) > 1:  # else it would meet the same columns again
        every += 1
    low, high = np.percentile(values.ravel()[::every], BULK).tolist()
    gain = min((1 - TAILS) / (high - low), GENTLE) if high > low else 1.0
    if gain <= 1:
        return None
    free = 1 - gain * (high - low)
    bottom = free * low / (low + 1 - high)
    top = bottom + gain * (high - low)
    below = max(0.0, bottom - gain * (low - darkest))
    above = min(1.0, top + gain * (brightest - high))
    return [darkest, low, high, brightest], [below, bottom, top, above]


def settle_contrast(contrast: Contrast, ranges: Iterable[str]) -> Contrast:
    """What is done to the contrast of an image whose sources were read by some ranges.

    Args:
        contrast: What is asked for.
        ranges: As `Pair.from_arrays` takes them.

    Returns:
        "none" for "auto" where a range is of given values, since then images are to compare; else
        what is asked for.

    >>> settle_contrast("auto", ["auto", "full"]), settle_contrast("auto", ["7000:9000"])
    ('auto', 'none')
    """
    fixed = contrast == "auto" and any(parse_range(rule)[0] == "fixed" for rule in ranges)
    return "none" if fixed else contrast


def from_unit(image: FloatArray, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Turn floats in [0, 1] into a dtype; integers take their full range, rounded to nearest.

    >>> from_unit(np.float32([0, 0.5, 1]), np.uint8)
    array([  0, 128, 255], dtype=uint8)
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return image.astype(dtype)
    top = np.iinfo(dtype).max
    rounded: npt.NDArray[Any] = np.rint(np.clip(image, 0, 1) * np.float32(top)).astype(dtype)
    return rounded


def is_coloured(rgb: FloatArray) -> bool:
    """Whether any pixel of an (H, W, 3) image in [0, 1] is more than rounding away from grey."""
    for rows in _strips(rgb):
        strip = rgb[rows]
        spread = _over_channels(np.maximum, strip) - _over_channels(np.minimum, strip)
        if spread.max() > GREY_TOLERANCE:
            return True
    return False


def parse_range(rule: str, side: str = "infrared") -> tuple[str, tuple[float, float]]:
    """Split a range (see `Pair.from_arrays`) into its kind and its two numbers.

    Args:
        rule: the range.
        side: "infrared" or "visible", for the error.

    Returns:
        "auto" or "full" with (0, 0), or "fixed" or "percentile" with the two.

    Raises:
        UserError: it is none of these.

    >>> parse_range("percentile:1:99"), parse_range("7000:9000")
    (('percentile', (1.0, 99.0)), ('fixed', (7000.0, 9000.0)))
    """
    if rule in ("auto", "full"):
        return rule, (0.0, 0.0)
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
            f"The {side} range {rule!r} is not understood; use auto, full, LOW:HIGH (values) or "
            "percentile:LOW:HIGH (0 to 100), LOW below HIGH."
        )
    return kind, (low, high)


def _as_image(
    array: npt.NDArray[Any], label: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Check shape and dtype; (H, W, 1) becomes (H, W), and another byte order the machine's.

    Returns:
        The image, and (H, W), where it holds data; None for everywhere.
    """
    missing: npt.NDArray[np.bool_] = np.zeros(np.shape(array), bool)
    if isinstance(array, np.ma.MaskedArray):
        missing = np.ma.getmaskarray(array)
    array = np.asarray(array)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.ndim == 3 and array.shape[2] == 1:
        array, missing = array[..., 0], missing[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise UserError(
            f"{label} has the shape {array.shape}; an image is (H, W), (H, W, 3) RGB or "
            "(H, W, 4) RGBA, channels last."
        )
    if array.size == 0:
        raise UserError(f"{label} is empty: its shape is {array.shape}.")
    if array.dtype not in (np.uint8, np.uint16) and array.dtype.kind != "f":
        raise UserError(
            f"{label} has the dtype {array.dtype}; use uint8, uint16, or floats in [0, 1]."
        )
    if not missing.any():
        return array, None
    valid = ~(missing if missing.ndim == 2 else np.logical_or.reduce(missing, axis=2))
    if not valid.any():
        raise UserError(f"{label} has no pixel that holds data.")
    if array.dtype.kind == "f":  # NaN would go on into every neighbour
        within = valid if array.ndim == 2 else valid[..., None]
        array = np.where(within | np.isfinite(array), array, array.dtype.type(0))
    return array, valid


def _find_range(
    image: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_] | None,
    rule: str,
    label: str,
    side: Literal["infrared", "visible"],
) -> tuple[str, float, float]:
    """The rule that applies, and the values of the image that become 0 and 1."""
    image = _without_alpha(image)
    values, top = image if valid is None else image[valid], _top(image)
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
    for bits in (8, 10, 12, 14):
        if high < 2**bits and high > low:  # a constant image tells nothing
            return f"{bits} bits", 0.0, float(2**bits - 1)
    return "full", 0.0, 65535.0


def _top(image: npt.NDArray[Any]) -> float:
    """The value of white."""
    return 1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype).max)


def _without_alpha(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The grey or the colours of an image."""
    return image[..., :3] if image.ndim == 3 else image


def _both(
    first: npt.NDArray[np.bool_] | None, second: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_] | None:
    """Where both hold data; None for everywhere."""
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _scale(image: npt.NDArray[Any], low: float, high: float) -> FloatArray:
    """Map low to 0 and high to 1, clipped; of integers, every value once."""
    whole = image.dtype.kind == "u"

    def scale(values: npt.NDArray[Any]) -> FloatArray:
        # in float64: fixed values may lie close together, or beyond what float32 holds
        scaled = (values.astype(np.float64) - low) / (high - low)
        return np.clip(scaled, 0, 1).astype(np.float32)

    table = scale(np.arange(np.iinfo(image.dtype).max + 1)) if whole else np.empty(0, np.float32)
    scaled = np.empty(image.shape, np.float32)
    for rows in _strips(image):
        scaled[rows] = table[image[rows]] if whole else scale(image[rows])
    return scaled


def _strips(image: npt.NDArray[Any]) -> Iterator[slice]:
    """The rows of an image, about a million pixels at a time.

    Steps of a calculation each leave an array behind; of a large image they would not fit in
    memory, of strips they stay in the processor's cache.
    """
    height, width = image.shape[:2]
    step = max(1, 2**20 // width)
    for start in range(0, height, step):
        yield slice(start, start + step)


def _over_channels(reduce: np.ufunc, rgb: FloatArray) -> FloatArray:
    """`reduce` over the three channels, several times as fast as NumPy along a short axis."""
    reduced: FloatArray = reduce(reduce(rgb[..., 0], rgb[..., 1]), rgb[..., 2])
    return reduced


def _colour_source(
    colour: Colour, infrared: FloatArray | None, visible: FloatArray | None
) -> Literal["visible", "infrared", "none"]:
    """Whose colour is taken: what was asked, as far as that image has three channels."""
    if colour == "auto":
        if visible is not None and is_coloured(visible):
            return "visible"
        return "infrared" if infrared is not None and is_coloured(infrared) else "none"
    if colour == "visible":
        return "none" if visible is None else "visible"
    if colour == "infrared":
        return "none" if infrared is None else "infrared"
    return "none"


def _describe(
    label: str,
    image: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_] | None,
    rule: str,
    low: float,
    high: float,
) -> dict[str, Any]:
    """One input's part of the record."""
    facts = {"name": label, "dtype": str(image.dtype), "range": [low, high], "rule": rule}
    return facts if valid is None else {**facts, "nodata_pixels": int((~valid).sum())}
