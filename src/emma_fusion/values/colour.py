"""Luminance and colour: one taken from the other, and replaced in it."""

from __future__ import annotations

import numpy as np

from emma_fusion.values.arrays import FloatArray, strips_of

# A channel spread up to this is the rounding of a grey image stored as colour, not colour.
GREY_TOLERANCE = 4 / 255


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


def is_coloured(rgb: FloatArray) -> bool:
    """Whether any pixel of an (H, W, 3) image in [0, 1] is more than rounding away from grey."""
    for rows in strips_of(rgb):
        strip = rgb[rows]
        spread = _over_channels(np.maximum, strip) - _over_channels(np.minimum, strip)
        if spread.max() > GREY_TOLERANCE:
            return True
    return False


def _over_channels(reduce: np.ufunc, rgb: FloatArray) -> FloatArray:
    """`reduce` over the three channels, several times as fast as NumPy along a short axis."""
    reduced: FloatArray = reduce(reduce(rgb[..., 0], rgb[..., 1]), rgb[..., 2])
    return reduced
