"""A fused frame alone, or with what it was made of."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.pair import Pair
from emma_fusion.values.arrays import from_unit

Layout = Literal["fused", "side-by-side", "picture-in-picture"]

# Of the small image: its share of the large one's width, its distance from the corner and the
# width of its frame as shares of the height.
_INSET, _MARGIN, _LINE = 0.3, 0.03, 0.006


def lay_out(fused: npt.NDArray[Any], pair: Pair, layout: Layout) -> npt.NDArray[Any]:
    """Lay a fused image out.

    Args:
        fused: (H, W) or (H, W, 3), of the pair's dtype.
        pair: What it was made of.
        layout: "fused" is the image alone; "side-by-side" is infrared, visible and fused in a
            row; "picture-in-picture" has the infrared small in the lower right corner.

    Returns:
        (H, W), (H, W, 3), or (H, 3 W, 3) side by side; of the same dtype.
    """
    if layout == "fused":
        return fused
    infrared = _rgb(from_unit(pair.infrared, fused.dtype))
    image = _rgb(fused)
    if layout == "side-by-side":
        visible = pair.visible if pair.colour is None else pair.colour
        if pair.record.get("colour") not in (None, "visible", "none"):
            visible = pair.visible  # the colour is the infrared's, or a palette
        return np.concatenate([infrared, _rgb(from_unit(visible, fused.dtype)), image], axis=1)
    height, width = fused.shape[:2]
    small = max(1, round(_INSET * height)), max(1, round(_INSET * width))
    line, margin = max(1, round(_LINE * height)), round(_MARGIN * height)
    inset = cv2.resize(infrared, small[::-1], interpolation=cv2.INTER_AREA)
    white = np.iinfo(fused.dtype).max if fused.dtype.kind == "u" else 1
    inset = np.pad(inset, ((line, line), (line, line), (0, 0)), constant_values=white)
    inset = inset[:height, :width]
    bottom, right = height - min(margin, height - len(inset)), 0
    right = width - min(margin, width - inset.shape[1])
    image = image.copy()
    image[bottom - len(inset) : bottom, right - inset.shape[1] : right] = inset
    return image


def _rgb(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    return image[..., :3]
