"""Whether two images were given in the wrong order, as far as their colours can tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.values.colour import luminance
from emma_fusion.values.false_colour import SHARE, coloured_pixels, recognise

# What is called grey may have a few coloured pixels, such as a cross or a logo of the camera.
_FEW = 0.01
_BIN = 10.0  # differences of blue and of red from the brightness that count as one, of 255
# How far, of 255, half and a quarter of the coloured pixels must at least be from the brightness
# that is usual for their chroma. Palettes saved as poor JPEG reach 8 and 14; photographs of a
# single colour of light stay below, too, and are passed over.
_HALF, _QUARTER = 9.0, 18.0


def seems_swapped(infrared: npt.NDArray[Any], visible: npt.NDArray[Any]) -> bool:
    """Whether the infrared image has a photograph's colours, and the visible image none.

    A palette gives each value one colour, so that pixels of one chroma are equally bright, in
    thermal images and in PET and SPECT alike. In a photograph light and shade make them differ.

    Args:
        infrared: (H, W), (H, W, 3) RGB or (H, W, 4), of any dtype, as it was given.
        visible: the same.
    """
    share, coloured = coloured_pixels(infrared)
    if share < SHARE or coloured_pixels(visible)[0] > _FEW:
        return False
    half, quarter = np.percentile(_away(coloured.astype(np.float32)), (50, 75))
    return bool(half >= _HALF and quarter >= _QUARTER) and not recognise(infrared).palette


def _away(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How far each pixel is from the median brightness of those of its chroma."""
    brightness = luminance(pixels)
    chroma = np.rint((pixels[:, [0, 2]] - brightness[:, None]) / _BIN).astype(np.int32)
    kinds = chroma[:, 0] * 1000 + chroma[:, 1]
    order = np.argsort(kinds, kind="stable")
    starts = np.flatnonzero(np.diff(kinds[order])) + 1
    return np.concatenate(
        [np.abs(group - np.median(group)) for group in np.split(brightness[order], starts)]
    )
