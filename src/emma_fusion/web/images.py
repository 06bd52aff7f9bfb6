"""Images as a visitor gives and gets them: a form to a request, bytes in, bytes out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast, get_args

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.bench.scoring import Rules, score_images, without_alpha
from emma_fusion.errors import UserError
from emma_fusion.images.decoded import Decoded
from emma_fusion.images.header import read_header
from emma_fusion.images.metadata import Metadata, read_metadata
from emma_fusion.images.raster import encode_image
from emma_fusion.images.reading import decode_bytes
from emma_fusion.jobs.image import Recipe, fuse, made_by, make_pair
from emma_fusion.jobs.request import FuseRequest
from emma_fusion.metrics import METRICS
from emma_fusion.metrics.conventions import NINE
from emma_fusion.pair import Colour, Contrast, Pair, from_unit
from emma_fusion.values.palettes import Palette
from emma_fusion.video.layout import Layout
from emma_fusion.web.limits import MEGA, Limits
from emma_fusion.web.names import shown_name
from emma_fusion.web.networks import Networks

# A view is for the eye: more than this in a row is not seen.
_VIEW_SIDE = 2048


def read_form(form: Mapping[str, Any]) -> FuseRequest:
    """The request that a form from outside stands for.

    Its inputs and output are on the shelf, so that it names none.

    Raises:
        UserError: A choice is none that there is.

    >>> request = read_form({"model": "base", "colour": "none", "palette": ""})
    >>> request.network.model, request.colour, request.palette
    ('base', 'none', None)
    """
    request = FuseRequest(infrared="", visible="", output="")
    chosen = {
        name: _choose(form, name, options, getattr(request, name))
        for name, options in (
            ("colour", get_args(Colour)),
            ("contrast", get_args(Contrast)),
            ("palette", get_args(Palette)),
        )
    }
    layout: Any = _choose(form, "layout", get_args(Layout), request.video.layout)
    return replace(
        request,
        **cast("dict[str, Any]", chosen),
        network=replace(request.network, model=str(form.get("model", ""))),
        video=replace(request.video, layout=layout),
    )


def _choose(
    form: Mapping[str, Any], name: str, options: tuple[str, ...], usual: str | None
) -> str | None:
    """What a form has of a choice, or what is usual where it has none."""
    value = form.get(name, usual) or usual
    if value is not usual and value not in options:
        raise UserError(f"The {name} is none of {', '.join(options)}.")
    return value


@dataclass(frozen=True, eq=False)
class Given:
    """An image that a visitor gave.

    Attributes:
        decoded: What was read.
        name: To be shown.
        format: "png", "jpg", "bmp", "tif" or "webp".
        metadata: EXIF, colour profile and resolution.
    """

    decoded: Decoded
    name: str
    format: str
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def image(self) -> npt.NDArray[Any]:
        """(H, W), (H, W, 3) or (H, W, 4)."""
        return self.decoded.pixels

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
        decoded = decode_bytes(data, name, limits.pixels)
        return cls(decoded, name, read_header(data).format, read_metadata(data))

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


def fuse_given(
    infrared: Given, visible: Given, recipe: Recipe, networks: Networks
) -> tuple[npt.NDArray[Any], dict[str, Any], bytes]:
    """Fuse two images in the depth and format of the visible one, as `emma fuse` does.

    Returns:
        The fused image, its record, and its file, which holds the record where the format can.

    Raises:
        UserError: The two do not fit, or there is no such model.
    """
    labels = infrared.name, visible.name
    if labels[0] == labels[1]:
        labels = f"infrared {labels[0]}", f"visible {labels[1]}"
    target = Path(f"fused.{visible.format}")
    pair = make_pair(infrared.decoded, visible.decoded, recipe, labels=labels, target=target)
    fuser = networks.open(recipe.request.network.model)
    with networks.turn:
        image = fuse(pair, recipe, fuser)
    record = made_by(recipe, fuser) | pair.record
    file = encode_image(target.name, image, record, (), visible.metadata, pair.valid)
    return image, record, file


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
        image = from_unit(np.nan_to_num(image.astype(np.float32)), np.uint8)
    return encode_image("view.png", image)


def view_infrared(given: Given) -> bytes:
    """A view of an infrared image in the range that it is fused with."""
    image = without_alpha(given.image)
    if image.dtype != np.uint8 and image.ndim == 2:
        black = np.zeros(image.shape, np.uint8)
        valid = given.decoded.valid
        missing = False if valid is None else ~valid
        image = Pair.from_arrays(np.ma.masked_array(image, mask=missing), black).infrared
    return view(image)
