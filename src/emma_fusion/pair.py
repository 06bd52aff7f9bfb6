"""Pair: two registered luminance planes, the colour that belongs to them, depth and name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.values.arrays import FloatArray, from_unit, strips_of, without_alpha
from emma_fusion.values.colour import is_coloured, luminance, replace_luminance
from emma_fusion.values.contrast import Contrast, tone_curve
from emma_fusion.values.ranges import find_range, scale_to_unit, white_of

Colour = Literal["auto", "visible", "infrared", "none"]


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
        comparable: whether an image was read by values that were given, so that brightness is to
            compare from image to image.
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
    comparable: bool = False
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
                dtype, "12 bits" is 0 to 4095 (and so with 8, 10 and 14), "LOW:HIGH" are fixed
                values in the image's own units, and "percentile:LOW:HIGH" are percentiles of the
                image; these two take floats outside [0, 1]. "auto" is "full", except for floats
                that leave [0, 1], as temperatures do, and for a uint16 image whose percentiles 0.1
                to 99.9 span less than half the 65535: thermal cameras fill a small part of their
                16 bits. There it is "percentile:0.1:99.9".
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
        i_rule, i_low, i_high = find_range(i, i_valid, infrared_range, labels[0], "infrared")
        v_rule, v_low, v_high = find_range(v, v_valid, visible_range, labels[1], "visible")
        i_scaled = scale_to_unit(without_alpha(i), i_low, i_high)
        v_scaled = scale_to_unit(without_alpha(v), v_low, v_high)

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
            alpha=scale_to_unit(v[..., 3], 0.0, white_of(v)) if v.shape[2:] == (4,) else None,
            cover=cover,
            valid=_both(i_valid, v_valid),
            comparable="fixed" in (i_rule, v_rule),
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

    def in_palette(self, palette: str) -> Pair:
        """The pair with its infrared values in a palette as the colour that the fused image takes.

        Raises:
            UserError: there is no such palette.
        """
        from emma_fusion.values.palettes import apply_palette

        record = {**self.record, "colour": f"palette {palette}"}
        return replace(self, colour=self.fade(apply_palette(self.infrared, palette)), record=record)

    def settle(self, contrast: Contrast) -> Contrast:
        """What is done to the fused image's contrast where this is asked for.

        "auto" is "none" where brightness is to compare from image to image, and where the infrared
        image covers a part alone, since the rest stays the visible image.

        Raises:
            UserError: if `contrast` is unknown.
        """
        if contrast not in get_args(Contrast):
            options = ", ".join(get_args(Contrast))
            raise UserError(f"contrast is {contrast!r}; it must be one of {options}.")
        kept = self.comparable or self.cover is not None
        return "none" if contrast == "auto" and kept else contrast

    def compose(self, fused: FloatArray, contrast: Contrast = "none") -> npt.NDArray[Any]:
        """Make the fused image from a fused luminance.

        Args:
            fused: (H, W) float32 in [0, 1].
            contrast: "none", "stretch" or "auto"; see `settle` and `tone_curve`.

        Returns:
            (H, W), (H, W, 3) where the pair has colour, or (H, W, 4) where it has alpha, of the
            pair's dtype.

        Raises:
            UserError: if `contrast` is unknown.
        """
        contrast = self.settle(contrast)
        if self.cover is not None:
            from emma_fusion.values.blending import blend  # which imports OpenCV, as palettes do

            fused = blend(self.visible, fused, self.cover)
        curve = tone_curve(fused, self.valid, contrast)
        channels = () if self.colour is None else (3,)
        image = np.empty(fused.shape + (channels if self.alpha is None else (4,)), self.dtype)
        for rows in strips_of(fused):
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


def _both(
    first: npt.NDArray[np.bool_] | None, second: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_] | None:
    """Where both hold data; None for everywhere."""
    if first is None or second is None:
        return second if first is None else first
    return first & second


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
