"""The overlay that every viewer of scans has: colours laid over a grey image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.pair import FloatArray, Pair, from_unit
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


def has_own_colours(record: Mapping[str, Any]) -> bool:
    """Whether a pair's colours are those of its infrared image, such as a coloured PET's.

    Args:
        record: Of the pair or of its fused image.
    """
    return bool(record.get("colour") == "infrared")


def overlay_pair(
    pair: Pair, palette: str | None = None, opacity: float = 0.5
) -> npt.NDArray[np.uint8]:
    """Lay the infrared image of a pair over the visible luminance, see `overlay`.

    Args:
        pair: The two.
        palette: of the infrared values. Without one it is hot, but an infrared image whose colours
            the pair has keeps them: a coloured PET's scale does not run with its luminance.
        opacity: of the infrared, 0 to 1.

    Returns:
        (H, W, 3) uint8 RGB; where the infrared image does not reach, the visible luminance alone.
    """
    height, width = pair.visible.shape
    own = pair.colour if palette is None and has_own_colours(pair.record) else None
    first = pair.infrared if own is None else own
    laid, reached = np.empty((height, width, 3), np.uint8), pair.reached
    step = max(1, 2**20 // width)  # of a large image, few rows of floats in memory
    for start in range(0, height, step):
        rows = slice(start, start + step)
        grey = pair.visible[rows]
        plane = overlay(first[rows], grey, palette or "hot", opacity)
        laid[rows] = from_unit(np.where(reached[rows, :, None], plane, grey[..., None]), np.uint8)
    return laid
