"""One range for the visible images of a camera that stores 10, 12 or 14 bits in 16."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.jobs.image import Recipe
from emma_fusion.pair import camera_range


def settle_visible_range(images: Iterable[npt.NDArray[Any]], recipe: Recipe, over: str) -> Recipe:
    """The recipe with the visible range of 16-bit images that belong together, such as a video's.

    Each by itself a dark frame would be taken for one of fewer bits and come out brighter than the
    next.

    Args:
        images: (H, W), or (H, W, 3 or 4); no more than the first is asked for where that is not of
            16 bit, or where the recipe has a range.
        recipe: what is asked for.
        over: what the record calls the images together: "video" or "pages".
    """
    if recipe.request.visible_range != "auto":
        return recipe
    low, high = 2**16, 0
    for image in images:
        if image.dtype != np.uint16:
            break
        values = image[..., :3] if image.ndim == 3 else image  # no alpha
        low, high = min(low, int(values.min())), max(high, int(values.max()))
    if low > high:
        return recipe
    rule, bottom, top = camera_range(low, high)
    request = replace(recipe.request, visible_range=f"{bottom:g}:{top:g}")
    return replace(recipe, request=request, visible_rule=f"{rule}, {over}")
