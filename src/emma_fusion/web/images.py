"""Images as a visitor gives and gets them: bytes in, a pair, bytes out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion import __version__
from emma_fusion.bench.scoring import Rules, score_images, without_alpha
from emma_fusion.errors import UserError
from emma_fusion.images.header import read_header
from emma_fusion.images.raster import ALPHA_SUFFIXES, decode_image, encode_image
from emma_fusion.metrics import METRICS
from emma_fusion.metrics.conventions import NINE
from emma_fusion.pair import Colour, Contrast, FloatArray, Pair, from_unit
from emma_fusion.values.palettes import Palette, colour_by_infrared
from emma_fusion.web.limits import MEGA, Limits
from emma_fusion.web.names import shown_name

# A view is for the eye: more than this in a row is not seen.
_VIEW_SIDE = 2048


@dataclass(frozen=True)
class Choices:
    """What a visitor chose; see `Pair.from_arrays` and `Pair.compose`."""

    model: str
    colour: Colour = "auto"
    contrast: Contrast = "none"
    palette: Palette | None = None

    @classmethod
    def parse(cls, request: Mapping[str, Any]) -> Choices:
        """Read the choices of a request from outside.

        Raises:
            UserError: One is none that there is.

        >>> Choices.parse({"model": "base", "palette": ""})
        Choices(model='base', colour='auto', contrast='none', palette=None)
        """
        chosen = {}
        for name, options, usual in (
            ("colour", get_args(Colour), "auto"),
            ("contrast", get_args(Contrast), "none"),
            ("palette", ("", *get_args(Palette)), ""),
        ):
            value = request.get(name, usual)
            if value not in options:
                raise UserError(f"The {name} is none of {', '.join(filter(None, options))}.")
            chosen[name] = value or None
        return cls(model=str(request.get("model", "")), **cast("dict[str, Any]", chosen))


@dataclass(frozen=True, eq=False)
class Given:
    """An image that a visitor gave.

    Attributes:
        image: (H, W), (H, W, 3) or (H, W, 4); uint8 or uint16.
        name: To be shown.
        format: "png", "jpg", "bmp", "tif" or "webp".
    """

    image: npt.NDArray[Any]
    name: str
    format: str

    @classmethod
    def read(cls, data: bytes, name: str, limits: Limits) -> Given:
        """Read the bytes of an image's file.

        Raises:
            UserError: It is no image, damaged, or beyond the limits.
        """
        name = shown_name(name)
        if len(data) > limits.image_bytes:
            raise UserError(
                f"{name} has {len(data) / MEGA:.0f} MB; an image may have {limits.image_megabytes}."
            )
        image = decode_image(data, name, limits.pixels)
        return cls(image, name, read_header(data).format)

    def describe(self) -> dict[str, Any]:
        """What the page says of it."""
        height, width = self.image.shape[:2]
        return {
            "name": self.name,
            "width": width,
            "height": height,
            "bits": 8 * self.image.dtype.itemsize,
            "format": self.format,
        }


def make_pair(infrared: Given, visible: Given, choices: Choices) -> Pair:
    """The pair of two images, in the form in which it goes out in the visible's format.

    Raises:
        UserError: The two do not fit; see `Pair.from_arrays`.
    """
    labels = infrared.name, visible.name
    if labels[0] == labels[1]:
        labels = f"infrared {labels[0]}", f"visible {labels[1]}"
    pair = Pair.from_arrays(infrared.image, visible.image, colour=choices.colour, labels=labels)
    if choices.palette:
        pair = colour_by_infrared(pair, choices.palette)
    if pair.alpha is not None and f".{visible.format}" not in ALPHA_SUFFIXES:
        pair = replace(pair, alpha=None)
    return pair


def write_fused(
    pair: Pair, fused: FloatArray, suffix: str, choices: Choices
) -> tuple[npt.NDArray[Any], bytes]:
    """The fused image in the pair's depth, and its file with the record of how it was made.

    Args:
        pair: See `make_pair`.
        fused: (H, W), its fused luminance.
        suffix: Of the format, such as ".png".
        choices: For the record.
    """
    image = pair.compose(fused, choices.contrast)
    return image, encode_image(f"fused{suffix}", image, record(pair, choices))


def record(pair: Pair, choices: Choices) -> dict[str, Any]:
    """How a fused image was made."""
    return {
        "software": f"emma-fusion {__version__}",
        "model": choices.model,
        "contrast": choices.contrast,
        **pair.record,
    }


def score(fused: npt.NDArray[Any], infrared: Given, visible: Given) -> list[dict[str, Any]]:
    """The values that `emma evaluate` gives, with what a reader needs to know of each.

    Of images too small for a metric the value is None.
    """
    f, i, v = (without_alpha(x) for x in (fused, infrared.image, visible.image))
    listed = []
    for name in NINE:
        try:
            value = score_images(f, i, v, Rules(metrics=(name,)))[name]
        except UserError:
            value = math.nan
        metric = METRICS[name]
        listed.append(
            {
                "name": name,
                "title": metric.title,
                "better": metric.better,
                "value": value if math.isfinite(value) else None,
            }
        )
    return listed


def view(image: npt.NDArray[Any]) -> bytes:
    """A PNG of 8 bit for the browser, without alpha, of at most 2048 pixels a side.

    Args:
        image: (H, W), (H, W, 3) or (H, W, 4); uint8, uint16 or floats in [0, 1].
    """
    image = without_alpha(image)
    longest = max(image.shape[:2])
    if longest > _VIEW_SIDE:
        height, width = (max(1, round(side * _VIEW_SIDE / longest)) for side in image.shape[:2])
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    if image.dtype == np.uint16:
        image = np.rint(image / 257).astype(np.uint8)
    elif image.dtype != np.uint8:
        image = from_unit(image.astype(np.float32), np.uint8)
    return encode_image("view.png", image)


def view_infrared(given: Given) -> bytes:
    """A view of an infrared image in the range that it is fused with."""
    image = without_alpha(given.image)
    if image.dtype == np.uint16 and image.ndim == 2:
        image = Pair.from_arrays(image, image).infrared
    return view(image)
