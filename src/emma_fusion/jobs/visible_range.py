"""One range for the visible images of a camera that stores 10, 12 or 14 bits in 16."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images.raster import open_pages
from emma_fusion.jobs.image import Recipe
from emma_fusion.jobs.messages import Messages
from emma_fusion.values.arrays import without_alpha
from emma_fusion.values.ranges import camera_range


def settle_visible_range(images: Iterable[npt.NDArray[Any]], recipe: Recipe, over: str) -> Recipe:
    """The recipe with the visible range of 16-bit images that belong together, such as a video's.

    Each by itself a dark frame would be taken for one of fewer bits and come out brighter than the
    next.

    Args:
        images: (H, W), or (H, W, 3 or 4); none is asked for where the recipe has a range, and none
            after the first that is not of 16 bit: then each has its own.
        recipe: what is asked for.
        over: what the record calls the images together: "video", "pages" or "folder".
    """
    if recipe.request.visible_range not in ("auto", "folder"):
        return recipe
    recipe = replace(recipe, request=replace(recipe.request, visible_range="auto"))
    low, high = 2**16, 0
    for image in images:
        if image.dtype != np.uint16:
            return recipe
        values = without_alpha(image)
        low, high = min(low, int(values.min())), max(high, int(values.max()))
    if low > high:
        return recipe
    rule, *_ = camera_range(low, high)
    request = replace(recipe.request, visible_range=rule)
    return replace(recipe, request=request, visible_rule=f"{rule}, {over}")


def settle_visible_folder(
    visible: Iterable[Path], recipe: Recipe, over: str, messages: Messages
) -> Recipe:
    """The recipe with the visible range of a folder's 16-bit images, which is said.

    Args:
        visible: the images; those that cannot be read are left out.
        recipe: what is asked for.
        over: see `settle_visible_range`.
        messages: takes what is to be said.
    """

    def images() -> Iterator[npt.NDArray[Any]]:
        for path in visible:
            with suppress(UserError), open_pages(path) as pages:
                yield from (page.pixels for page in pages)

    recipe = settle_visible_range(images(), recipe, over)
    if recipe.visible_rule:
        messages.say(
            "The visible images are of 16 bit, and all of them are read by the same rule: "
            f"--visible-range {shlex.quote(recipe.request.visible_range)}."
        )
    return recipe
