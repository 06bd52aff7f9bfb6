"""Two TIFF files of many pages: each page an image, with one range over all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images.raster import encode_pages, read_pages, write_whole
from emma_fusion.images.record import beside, to_json
from emma_fusion.jobs.image import Recipe, fuse, made_by, make_pair
from emma_fusion.jobs.targets import Files, check_record
from emma_fusion.values.mending import mend
from emma_fusion.values.ranges import common_range, parse_shares

if TYPE_CHECKING:
    from emma_fusion.fuser import Fuser


def fuse_pages(files: Files, recipe: Recipe, fuser: Fuser) -> None:
    """Fuse two TIFF files page by page, with one range over all pages.

    The range "auto" is the percentiles 0.1 to 99.9 of all pages together; "folder" and
    "percentile" are percentiles of all pages too.

    Raises:
        UserError: The numbers of pages differ, or the target is no TIFF.
    """
    check_record(files.target, recipe.request.overwrite)
    infrared, visible = read_pages(files.infrared), read_pages(files.visible)
    if len(infrared) != len(visible):
        raise UserError(
            f"{files.infrared} has {len(infrared)} pages and {files.visible} has {len(visible)}: "
            "a page is fused with the page of its number."
        )
    if files.target.suffix.lower() not in (".tif", ".tiff"):
        raise UserError(
            f"{files.target.name} cannot hold {len(infrared)} pages: write a .tif file."
        )
    recipe = _settle_range(infrared, recipe)
    labels = files.infrared.name, files.visible.name
    fused: list[npt.NDArray[Any]] = []
    record: dict[str, Any] = {}
    for pages in zip(infrared, visible, strict=True):
        pair = make_pair(
            *pages, recipe, labels=labels, name=files.visible.stem, target=files.target
        )
        fused.append(fuse(pair, recipe, fuser))
        record = record or pair.record
    record = made_by(recipe, fuser) | {"pages": len(fused)} | record
    write_whole({beside(files.target): to_json(record), files.target: encode_pages(fused)})


def _settle_range(infrared: list[npt.NDArray[Any]], recipe: Recipe) -> Recipe:
    """The recipe with the range that all pages have in common, where that is asked for."""
    shares = parse_shares(recipe.infrared_range.replace("percentile", "folder"))
    if recipe.infrared_range == "auto" and infrared[0].dtype == "uint16":
        shares = 0.1, 99.9
    if shares is None:
        return recipe
    mended = (mend(page, recipe.request.mending)[0] for page in infrared)
    low, high = common_range(mended, shares)
    rule = f"pages:{shares[0]:g}:{shares[1]:g}"
    return replace(recipe, infrared_range=f"{low!r}:{high!r}", range_rule=rule)
