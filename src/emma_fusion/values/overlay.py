"""The overlay that every viewer of scans has: colours laid over a grey image."""

from __future__ import annotations

import numpy as np

from emma_fusion.errors import UserError
from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.palettes import apply_palette


def check_opacity(opacity: float) -> None:
    """Check the opacity of an overlay.

    Raises:
        UserError: it is outside 0 to 1.
    """
    if not 0 <= opacity <= 1:
        raise UserError(f"The opacity of an overlay is between 0 and 1, and not {opacity:g}.")


def overlay(
    first: FloatArray, second: FloatArray, palette: str = "hot", opacity: float = 0.5
) -> FloatArray:
    """Lay an image in colours over a grey one: opacity * palette(first) + (1 - opacity) * second.

    Nothing is learned and nothing depends on the neighbours of a pixel, so that it is what a
    fused image can be checked against.

    Args:
        first: (H, W) in [0, 1], the functional scan or the infrared image; or (H, W, 3) RGB, which
            keeps its own colours.
        second: (H, W) in [0, 1], the MRI or the visible image.
        palette: a name of `Palette`, for a first image without colours.
        opacity: of the first, 0 to 1.

    Returns:
        (H, W, 3) float32 RGB in [0, 1].

    Raises:
        UserError: there is no such palette, or the opacity is outside 0 to 1.

    >>> overlay(np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32), "hot", 0.25).tolist()
    [[[0.25, 0.25, 0.25]]]
    """
    check_opacity(opacity)
    share = np.float32(opacity)
    colours = first if first.ndim == 3 else apply_palette(first, palette)
    laid: FloatArray = share * colours + (1 - share) * second[..., None]
    return laid
