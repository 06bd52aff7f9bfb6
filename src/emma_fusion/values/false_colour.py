"""Infrared images that a camera coloured by a palette, turned back into the values they show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.values.nodata import fill

KNOWN = (
    "jet", "turbo", "rainbow", "hot", "inferno", "magma", "plasma", "viridis", "cividis", "parula",
    "iron", "iron, full range",
)  # fmt: skip
# Those whose brightness does not rise with the value: their luminance turns hot and cold round.
MISLEADING = ("jet", "turbo", "rainbow")

# FLIR's Iron, every fifteenth of its 224 colours as their radiometric files hold them (in YCbCr,
# where Y counts up with the level). They lie in the 16 to 235 of video; some cameras write them
# spread over 0 to 255.
_IRON = (
    (0, 31, 37), (31, 17, 105), (77, 9, 145), (117, 11, 161), (150, 20, 159), (178, 34, 143),
    (200, 52, 115), (216, 75, 84), (230, 99, 55), (239, 125, 28), (243, 149, 12), (244, 174, 10),
    (243, 197, 27), (240, 216, 67), (233, 230, 136), (225, 239, 239),
)  # fmt: skip
# A pixel is coloured from this difference of its channels, and an image from this share of them.
_SPREAD, SHARE = 32, 0.05
# How far, of 441, half and nine tenths of the coloured pixels may be from a palette's curve: JPEG
# moves a few by 10, while an image of another palette is away by 30 and more.
_HALF, _MOST = 10.0, 30.0
# How many of the palette's 256 levels they must span, at the least; a photograph in one hue lies
# near a short piece of some curve.
_SPAN = 32
# ... and of a rainbow: a short piece of one is a piece of another run the other way.
_WIDE, _EXTREMES = 128, (0.1, 99.9)
_OFF = 45.0  # of 441: how far from the curve a pixel shows no value
_SAMPLE = 4096  # pixels that are looked at
_STEP = 2**16  # colours that are compared at a time


@dataclass(frozen=True)
class Fit:
    """How an image agrees with the palettes.

    Attributes:
        coloured: whether it has colours worth the name.
        palette: the one that it is coloured by, a name of `KNOWN`; "" where it is by none.
    """

    coloured: bool
    palette: str = ""


def coloured_pixels(image: npt.NDArray[Any]) -> tuple[float, npt.NDArray[Any]]:
    """Which pixels of an image are coloured, of some that lie evenly all over it.

    Args:
        image: (H, W), (H, W, 3) RGB or (H, W, 4), of any dtype.

    Returns:
        Their share, 0 to 1, and the pixels, (N, 3) from 0 to 255: uint8 as they are, and others
        as float32, by the largest value.
    """
    if image.ndim != 3:
        return 0.0, np.empty((0, 3), np.float32)
    pixels = image[..., :3].reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) // (8 * _SAMPLE))]
    if pixels.dtype != np.uint8:
        pixels = pixels * np.float32(255 / max(float(pixels.max()), 1e-6))
    coloured = pixels[np.ptp(pixels, axis=1) > _SPREAD]
    return len(coloured) / len(pixels), coloured


def recognise(image: npt.NDArray[Any]) -> Fit:
    """Find out whether an image is coloured by a known palette.

    Args:
        image: (H, W), (H, W, 3) RGB or (H, W, 4); what is not 8 bit has no palette.
    """
    if image.ndim != 3 or image.dtype != np.uint8:
        return Fit(False)
    share, coloured = coloured_pixels(image)
    if share < SHARE:
        return Fit(False)
    coloured = coloured[:: max(1, len(coloured) // _SAMPLE)]
    found: dict[str, float] = {}
    for name in KNOWN:
        levels, away = _nearest(coloured, name)
        half, most = np.percentile(away, (50, 90))
        span = np.ptp(np.percentile(levels, (2, 98)))
        wide = name not in MISLEADING or np.ptp(np.percentile(levels, _EXTREMES)) >= _WIDE
        if half <= _HALF and most <= _MOST and span >= _SPAN and wide:
            found[name] = float(most)
    return Fit(True, min(found, key=found.__getitem__) if found else "")


def levels_of(image: npt.NDArray[np.uint8], palette: str) -> npt.NDArray[np.uint8]:
    """The values that an image in a palette shows, by the nearest of the palette's colours.

    A pixel that is far from all of them, such as writing, or an edge whose colours JPEG has
    mixed, has the value of the nearest pixel that is not.

    Args:
        image: (H, W, 3) RGB or (H, W, 4), uint8.
        palette: a name of `KNOWN`.

    Returns:
        (H, W) uint8.

    >>> import cv2
    >>> values = np.arange(256, dtype=np.uint8)[None]
    >>> coloured = cv2.applyColorMap(values, cv2.COLORMAP_JET)[..., ::-1]
    >>> bool((levels_of(coloured, "jet") == values).all())
    True
    """
    wide = image[..., :3].astype(np.uint32)
    packed = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    colours, places = np.unique(packed, return_inverse=True)
    split = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    levels, away = _nearest(split.astype(np.uint8), palette)
    found = levels[places].reshape(image.shape[:2])
    on_it = (away <= _OFF)[places].reshape(image.shape[:2])
    return fill(found, on_it) if on_it.any() else found


def _nearest(
    colours: npt.NDArray[np.uint8], palette: str
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """The level of the nearest colour of a palette, and how far it is, for each of (N, 3)."""
    table = _table(palette)
    square = (table**2).sum(axis=1)
    levels, away = np.empty(len(colours), np.uint8), np.empty(len(colours), np.float32)
    for start in range(0, len(colours), _STEP):
        part = colours[start : start + _STEP].astype(np.float32)
        distance = (part**2).sum(axis=1)[:, None] - 2 * part @ table.T + square
        nearest = distance.argmin(axis=1)
        levels[start : start + _STEP] = nearest
        least = np.take_along_axis(distance, nearest[:, None], axis=1)[:, 0]
        away[start : start + _STEP] = np.sqrt(np.maximum(least, 0))
    return levels, away


@cache
def _table(palette: str) -> npt.NDArray[np.float32]:
    """(256, 3) RGB, 0 to 255."""
    if palette.startswith("iron"):
        places = np.linspace(0, len(_IRON) - 1, 256)
        channels = [
            np.interp(places, range(len(_IRON)), channel) for channel in zip(*_IRON, strict=True)
        ]
        iron = np.stack(channels, axis=1)
        if palette != "iron":
            iron = np.clip((iron - 16) * (255 / 219), 0, 255)
        return iron.astype(np.float32)
    levels = np.arange(256, dtype=np.uint8)[:, None]
    bgr = cv2.applyColorMap(levels, getattr(cv2, f"COLORMAP_{palette.upper()}"))
    table: npt.NDArray[np.float32] = bgr[:, 0, ::-1].astype(np.float32)
    return table
