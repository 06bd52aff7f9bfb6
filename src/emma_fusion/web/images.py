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

from emma_fusion.bench.scoring import Rules, score_images
from emma_fusion.errors import UserError
from emma_fusion.images.decoded import Decoded
from emma_fusion.images.header import read_header
from emma_fusion.images.metadata import Metadata, read_metadata
from emma_fusion.images.radiometric import (
    Thermogram,
    as_infrared,
    decode_thermogram,
    find_placement,
    is_radiometric,
)
from emma_fusion.images.raster import encode_image
from emma_fusion.images.reading import decode_bytes
from emma_fusion.jobs.image import Recipe, fuse, make_pair, record_of
from emma_fusion.jobs.overlay import has_own_colours
from emma_fusion.jobs.request import FuseRequest
from emma_fusion.metrics import METRICS
from emma_fusion.metrics.conventions import NINE
from emma_fusion.pair import Colour, Pair
from emma_fusion.values.arrays import from_unit, without_alpha
from emma_fusion.values.contrast import Contrast
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
            ("align", ("off", "auto", "hand")),
        )
    }
    if chosen["align"] == "hand":  # by a rig, which is on the shelf
        chosen["align"] = "off"
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
        thermogram: What the file holds, of a radiometric one that was read as such.
    """

    decoded: Decoded
    name: str
    format: str
    metadata: Metadata = field(default_factory=Metadata)
    thermogram: Thermogram | None = None

    @property
    def image(self) -> npt.NDArray[Any]:
        """(H, W), (H, W, 3) or (H, W, 4)."""
        return self.decoded.pixels

    @classmethod
    def read(cls, data: bytes, name: str, limits: Limits, infrared: bool = False) -> Given:
        """Read the bytes of an image's file.

        Args:
            data: The whole file.
            name: What the visitor calls it.
            limits: What is refused.
            infrared: Whether it is to be the infrared image: of a radiometric file these are the
                temperatures, and otherwise the image that every program shows.

        Raises:
            UserError: It is no image, damaged, or beyond the limits.
        """
        name = shown_name(name)
        if len(data) > limits.image_bytes:
            raise UserError(
                f"{name} has {len(data) / MEGA:.0f} MB; an image may have {limits.image_megabytes}."
            )
        if infrared and is_radiometric(data):
            thermogram = decode_thermogram(data, name, limits.pixels)
            decoded = as_infrared(thermogram)
            return cls(decoded, name, "jpg", read_metadata(data), thermogram)
        decoded = decode_bytes(data, name, limits.pixels)
        return cls(decoded, name, read_header(data).format, read_metadata(data))

    def inside(self) -> Given | None:
        """The visible image inside a radiometric file; None where there is none."""
        if self.thermogram is None or self.thermogram.visible is None:
            return None
        return replace(self, decoded=Decoded(self.thermogram.visible))

    def describe(self) -> dict[str, Any]:
        """What the page says of it."""
        height, width = self.image.shape[:2]
        facts = self.decoded.facts
        known = {"unit": facts["unit"], "values": facts["temperatures"]} if facts else {}
        return {
            "name": self.name,
            "width": width,
            "height": height,
            "bits": 8 * self.image.dtype.itemsize,
            "format": self.format,
            **known,
        }


def read_two(
    infrared: tuple[bytes, str], visible: tuple[bytes, str] | None = None, *, limits: Limits
) -> tuple[Given, Given]:
    """Read two images, or both from one radiometric file.

    Args:
        infrared: The bytes and the name of its file.
        visible: The same; None where it is inside the first file.
        limits: What is refused.

    Raises:
        UserError: See `Given.read`, or there is no visible image inside.
    """
    first = Given.read(*infrared, limits, infrared=True)
    second = first.inside() if visible is None else Given.read(*visible, limits)
    if second is None:
        raise UserError(f"{first.name} holds no visible image: give one of the same scene, too.")
    return first, second


@dataclass(frozen=True, eq=False)
class Fused:
    """What came of two images.

    Attributes:
        image: As the file has it.
        pair: What was fused.
        record: How.
        file: The bytes of its file, which holds the record where the format can.
    """

    image: npt.NDArray[Any]
    pair: Pair
    record: dict[str, Any]
    file: bytes


def fuse_given(infrared: Given, visible: Given, recipe: Recipe, networks: Networks) -> Fused:
    """Fuse two images in the depth and format of the visible one, as `emma fuse` does.

    Where the visible image is the one inside the infrared's radiometric file, the camera says where
    it lies.

    Raises:
        UserError: The two do not fit, or there is no such model.
    """
    labels = infrared.name, visible.name
    if labels[0] == labels[1]:
        labels = f"infrared {labels[0]}", f"visible {labels[1]}"
    target = Path(f"fused.{visible.format}")
    placement = None
    if visible.thermogram is not None:
        placement = find_placement(visible.thermogram, infrared.name, recipe.aligner)
    pair = make_pair(
        infrared.decoded,
        visible.decoded,
        recipe,
        labels=labels,
        target=target,
        placement=placement,
    )
    fuser = networks.open(recipe.request.network.model)
    with networks.turn:
        image = fuse(pair, recipe, fuser)
    record = record_of(pair, recipe, fuser)
    file = encode_image(target.name, image, record, (), visible.metadata, pair.valid)
    return Fused(image, pair, record, file)


def score(fused: Fused, infrared: Given, visible: Given) -> list[dict[str, Any]]:
    """The values that `emma evaluate` gives, with what a reader needs to know of each.

    An infrared image that was moved, or holds temperatures, is scored as it was fused, and black
    where it does not reach. Of images
    too small for a metric the value is None.
    """
    source = infrared.image
    if source.dtype.kind == "f" or "alignment" in fused.record["infrared"]:
        seen = np.where(fused.pair.reached, fused.pair.infrared, np.float32(0))
        source = from_unit(seen, np.uint8)
    f, i, v = (without_alpha(x) for x in (fused.image, source, visible.image))
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
    image = _small(without_alpha(image))
    if image.dtype == np.uint16:
        image = np.rint(image / 257).astype(np.uint8)
    elif image.dtype != np.uint8:
        image = from_unit(np.nan_to_num(image.astype(np.float32)), np.uint8)
    return encode_image("view.png", image)


def view_planes(pair: Pair) -> dict[str, bytes]:
    """The two luminance planes that were fused, as views.

    The infrared one is transparent where it does not reach, so that it can be laid over the other;
    it keeps its colours where the fused image takes them.
    """
    own = pair.colour if has_own_colours(pair.record) else None
    infrared = from_unit(_small(pair.infrared if own is None else own), np.uint8)
    alpha = 255 * _small(pair.reached.astype(np.uint8))
    laid = np.dstack([infrared] * (3 if own is None else 1) + [alpha])
    return {"infrared": encode_image("view.png", laid), "visible": view(pair.visible)}


def _small(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An image of at most 2048 pixels a side."""
    longest = max(image.shape[:2])
    if longest <= _VIEW_SIDE:
        return image
    height, width = (max(1, round(side * _VIEW_SIDE / longest)) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def infrared_plane(given: Given) -> npt.NDArray[Any]:
    """An infrared image in the range that it is fused with."""
    image = without_alpha(given.image)
    if image.dtype == np.uint8 or image.ndim == 3:
        return image
    black = np.zeros(image.shape, np.uint8)
    valid = given.decoded.valid
    missing = False if valid is None else ~valid
    return Pair.from_arrays(np.ma.masked_array(image, mask=missing), black).infrared
