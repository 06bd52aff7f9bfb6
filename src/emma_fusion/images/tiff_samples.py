"""What the samples of a TIFF page mean: colour, alpha, nodata, palettes, black and white."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from emma_fusion.images.decoded import Decoded
from emma_fusion.images.formats import Damaged

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR = 0, 1, 2, 3, 4, 5, 6
_JPEG = (6, 7)  # compressions: as TIFF 6.0 has it, and as its supplement does
_ASSOCIATED, _UNASSOCIATED = 1, 2  # alpha; 0 is a sample that means nothing that is stated
_NODATA = 42113


def interpret(planes: npt.NDArray[Any], page: tifffile.TiffPage, plane: int | None) -> Decoded:
    """Make an image of the samples of a page.

    Args:
        planes: (planes, H, W, S), as stored.
        page: its directory.
        plane: which image of those that the page holds; None where it holds one.

    Raises:
        Damaged: the samples mean what is not read.
    """
    samples = planes[0]
    if plane is not None:  # a plane of its own, or one of the samples
        samples = planes[plane] if len(planes) > 1 else samples[..., plane : plane + 1]
    photometric, bits = int(page.photometric), page.bitspersample
    if not isinstance(bits, int):
        raise Damaged("has channels of different depth, which is not read: save it with 8 bit")
    if photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE, _MASK):
        # colour that its writer did not call so, as GDAL does for 16 bit
        colours = 3 if photometric == _BLACK_IS_ZERO and samples.shape[2] in (3, 4) else 1
    elif photometric == _YCBCR and int(page.compression) not in _JPEG:  # which gives RGB
        raise Damaged("has the colours YCbCr without JPEG, which are not read: save it as RGB")
    elif photometric in (_RGB, _YCBCR):
        colours = 3 if samples.shape[2] >= 3 else 1
    elif photometric == _CMYK and samples.shape[2] >= 4:
        colours = 4
    else:
        name = getattr(page.photometric, "name", photometric)
        raise Damaged(f"has colours of the kind {name}, which are not read: save it as RGB")
    extras = [int(extra) for extra in page.extrasamples][-(samples.shape[2] - colours) :]
    if samples.shape[2] == colours:
        extras = []
    elif not extras and photometric == _RGB:
        extras = [_UNASSOCIATED]  # so libtiff takes a fourth sample of which nothing is said
    values = samples[..., :colours]
    valid = _holds_data(values, page)
    pixels = _to_depth(_to_colour(values, page, bits), bits, photometric)
    alpha, notes = _find_alpha(samples[..., colours:], extras, colours)
    if alpha is not None and pixels.dtype in (np.uint8, np.uint16) and photometric != _CMYK:
        kind, channel = alpha
        pixels = _with_alpha(pixels, _to_depth(channel, bits, _BLACK_IS_ZERO), kind)
    elif alpha is not None:
        notes += ("has an alpha channel, which is left out",)
    stored = "" if pixels.dtype == page.dtype else str(page.dtype)
    return Decoded(np.ascontiguousarray(pixels), valid, stored, notes)


def _to_colour(values: npt.NDArray[Any], page: tifffile.TiffPage, bits: int) -> npt.NDArray[Any]:
    """(H, W) or (H, W, 3) of samples; palettes and inks become RGB, and 0 black."""
    photometric = int(page.photometric)
    if photometric == _PALETTE:
        table = page.colormap
        if table is None or table.shape != (3, 2**bits):
            raise Damaged("is damaged: its palette has not the size that it claims")
        # 16 bit, but some writers put 8 there; libtiff tells the two apart in this way
        eight = table if table.max() < 256 else table >> 8
        colours: npt.NDArray[Any] = eight.T.astype(np.uint8)[values[..., 0]]
        return colours
    if photometric == _CMYK:
        if values.dtype not in (np.uint8, np.uint16):
            raise Damaged("has inks of another depth than 8 or 16 bit: save it as RGB")
        top = np.iinfo(values.dtype).max
        light = (top - values).astype(np.float32) / top
        mixed: npt.NDArray[Any] = np.rint(light[..., :3] * light[..., 3:] * top)
        return mixed.astype(values.dtype)
    if photometric == _WHITE_IS_ZERO and values.dtype.kind in "ub":
        inverted = ~values if values.dtype == bool else (2**bits - 1 - values).astype(values.dtype)
        values = inverted
    return values[..., 0] if values.shape[2] == 1 else values


def _to_depth(values: npt.NDArray[Any], bits: int, photometric: int) -> npt.NDArray[Any]:
    """Values of fewer than 8 bit spread over 8, and what is no uint8 or uint16 as floats."""
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint8 and bits < 8 and photometric != _PALETTE:
        return np.rint(values * np.float32(255 / (2**bits - 1))).astype(np.uint8)
    if values.dtype in (np.uint8, np.uint16):
        return values
    # float32 holds 16 bit exactly
    wide = values.dtype.itemsize > (4 if values.dtype.kind == "f" else 2)
    return values.astype(np.float64 if wide else np.float32)


def _holds_data(values: npt.NDArray[Any], page: tifffile.TiffPage) -> npt.NDArray[np.bool_] | None:
    """Which pixels are numbers and not GDAL's nodata value in every channel; None for all."""
    missing = np.zeros(values.shape[:2], bool)
    if values.dtype.kind == "f":
        missing |= ~np.isfinite(values).all(axis=2)
    text = page.tags.valueof(_NODATA)
    try:
        nodata = float(str(text).strip(" \0"))
    except ValueError:  # no tag, or one of something else
        nodata = np.nan
    if np.isfinite(nodata):
        if values.dtype.kind == "f":  # the text is rounded: compare as the file's own type
            missing |= (values == values.dtype.type(nodata)).all(axis=2)
        elif nodata == int(nodata):
            missing |= (values == int(nodata)).all(axis=2)
    return None if not missing.any() else ~missing


def _find_alpha(
    others: npt.NDArray[Any], extras: list[int], colours: int
) -> tuple[tuple[int, npt.NDArray[Any]] | None, tuple[str, ...]]:
    """The alpha among the samples beside the colours, with its kind, and what is left out."""
    kinds = (extras + [0] * others.shape[2])[: others.shape[2]]
    alpha = next(
        (
            (kind, others[..., place])
            for place, kind in enumerate(kinds)
            if kind in (_ASSOCIATED, _UNASSOCIATED)
        ),
        None,
    )
    left = others.shape[2] - (alpha is not None)
    if not left:
        return alpha, ()
    which = f"band {colours + 1}" if others.shape[2] == 1 else f"{left} bands beside its colours"
    what = "which may be near-infrared" if colours == 3 else "of which nothing is stated"
    return alpha, (f"has {which}, {what} and is no alpha: left out",)


def _with_alpha(pixels: npt.NDArray[Any], alpha: npt.NDArray[Any], kind: int) -> npt.NDArray[Any]:
    """RGBA whose colours are not multiplied by their alpha."""
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    if kind == _ASSOCIATED:
        top = np.iinfo(rgb.dtype).max
        share = np.maximum(alpha, 1).astype(np.float64)[..., None] / top
        rgb = np.rint(np.minimum(rgb / share, top)).astype(rgb.dtype)
    return np.dstack([rgb, alpha])
