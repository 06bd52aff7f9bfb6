"""Two TIFF files of many pages: each page an image, with one range over all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images.files import shown
from emma_fusion.images.geotiff import read_georeference
from emma_fusion.images.metadata import read_metadata
from emma_fusion.images.pairing import infrared_values
from emma_fusion.images.placement import by_georeference
from emma_fusion.images.raster import encode_pages, open_pages, write_whole
from emma_fusion.images.reading import Pages
from emma_fusion.images.record import beside, to_json
from emma_fusion.jobs.image import Recipe, fuse, made_by, make_pair, tell_notes
from emma_fusion.jobs.messages import Messages
from emma_fusion.jobs.overlay import check_overlay, lay, overlay_beside, overlay_record
from emma_fusion.jobs.targets import Files, check_record
from emma_fusion.jobs.visible_range import settle_visible_range
from emma_fusion.values.ranges import common_range, parse_shares

if TYPE_CHECKING:
    from emma_fusion.fuser import Fuser


def fuse_pages(files: Files, recipe: Recipe, fuser: Fuser, messages: Messages) -> None:
    """Fuse two TIFF files page by page, with one range over all pages.

    The range "auto" is the percentiles 0.1 to 99.9 of all pages together; "folder" and
    "percentile" are percentiles of all pages too. One page of each file is in memory at a time.

    Raises:
        UserError: The numbers of pages differ, or the target is no TIFF.
    """
    check_record(files.target, recipe.request.overwrite)
    check_overlay(files.target, recipe.request)
    labels = shown(files.infrared.name), shown(files.visible.name)
    with open_pages(files.infrared) as infrared, open_pages(files.visible) as visible:
        if len(infrared) != len(visible):
            raise UserError(
                f"{files.infrared} has {len(infrared)} pages and {files.visible} has "
                f"{len(visible)}: a page is fused with the page of its number."
            )
        if files.target.suffix.lower() not in (".tif", ".tiff"):
            raise UserError(
                f"{files.target.name} cannot hold {len(infrared)} pages: write a .tif file."
            )
        recipe = _settle_ranges(infrared, visible, recipe)
        placement = None
        if not recipe.aligner:
            placement = by_georeference(files.infrared, files.visible, labels)
        fused: list[npt.NDArray[Any]] = []
        laid: list[npt.NDArray[np.uint8]] = []
        valid: list[npt.NDArray[np.bool_] | None] = []
        record: dict[str, Any] = {}
        told: set[str] = set()
        for pages in zip(infrared, visible, strict=True):
            pair = make_pair(
                *pages,
                recipe,
                labels=labels,
                name=files.visible.stem,
                target=files.target,
                placement=placement,
            )
            tell_notes(pair.record, messages, told)
            fused.append(fuse(pair, recipe, fuser))
            if (overlay := lay(pair, recipe.request)) is not None:
                laid.append(overlay)
            valid.append(pair.valid)
            record = record or pair.record
    record = made_by(recipe, fuser) | {"pages": len(fused)} | record
    georeference = read_georeference(files.visible) or read_georeference(files.infrared)
    metadata = None if recipe.request.strip_metadata else read_metadata(files.visible)
    written = {}
    if laid:
        path, record_of_it = overlay_beside(files.target), overlay_record(record, recipe.request)
        written[beside(path)] = to_json({"pages": len(laid), **record_of_it})
        written[path] = encode_pages(laid, georeference, metadata, valid)
    written[beside(files.target)] = to_json(record)
    written[files.target] = encode_pages(fused, georeference, metadata, valid)
    write_whole(written)


def _settle_ranges(infrared: Pages, visible: Pages, recipe: Recipe) -> Recipe:
    """The recipe with the ranges that all pages have in common, where that is asked for."""
    recipe = settle_visible_range((page.pixels for page in visible), recipe.as_series(), "pages")
    shares = parse_shares(recipe.infrared_range.replace("percentile", "folder"))
    if recipe.infrared_range == "auto" and infrared[0].pixels.dtype != np.uint8:
        shares = 0.1, 99.9
    if shares is None:
        return recipe
    low, high = common_range((infrared_values(page, recipe.options) for page in infrared), shares)
    rule = f"pages:{shares[0]:g}:{shares[1]:g}"
    return replace(recipe, infrared_range=f"{low!r}:{high!r}", range_rule=rule)
