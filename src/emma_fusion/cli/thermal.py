"""emma fuse for thermal cameras: one range over a folder, and TIFF files of many pages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emma_fusion.align import align
from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images
from emma_fusion.images.raster import encode_pages, read_pages, write_whole
from emma_fusion.images.record import beside, to_json
from emma_fusion.pair import Pair
from emma_fusion.values.mending import mend
from emma_fusion.values.ranges import common_range, parse_shares

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from emma_fusion.cli.fuse import Request
    from emma_fusion.fuser import Fuser


def settle_range(infrared: Path, request: Request) -> Request:
    """Turn the range "folder" into values, over all infrared images that can be read.

    Raises:
        UserError: see `thermal.common_range`.
    """
    shares = parse_shares(request.infrared_range)
    if shares is None:
        return request

    def images() -> Iterator[npt.NDArray[np.generic]]:
        for path in list_images(infrared).values():
            try:
                pages = read_pages(path)
            except UserError:
                continue  # it fails, and is listed, when its turn comes
            yield from (mend(page, request.mending)[0] for page in pages)

    low, high = common_range(images(), shares)
    print(f"Infrared range over the folder: {low:g} to {high:g}", file=sys.stderr)
    rule = f"folder:{shares[0]:g}:{shares[1]:g}"
    return replace(request, infrared_range=f"{low!r}:{high!r}", range_rule=rule)


def fuse_pages(fuser: Fuser, infrared: Path, visible: Path, target: Path, request: Request) -> None:
    """Fuse two TIFF files page by page, with one range over all pages.

    The range "auto" is the percentiles 0.1 to 99.9 of all pages together; "folder" and
    "percentile" are percentiles of all pages too.

    Raises:
        UserError: the numbers of pages differ, or the target is no TIFF.
    """
    from emma_fusion.cli.fuse import check_target, prepare

    check_target(target, request)
    first, second = read_pages(infrared), read_pages(visible)
    if len(first) != len(second):
        raise UserError(
            f"{infrared} has {len(first)} pages and {visible} has {len(second)}: a page is fused "
            "with the page of its number."
        )
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise UserError(f"{target.name} cannot hold {len(first)} pages: write a .tif file.")
    mended = [mend(page, request.mending) for page in first]
    shares = parse_shares(request.infrared_range.replace("percentile", "folder"))
    if request.infrared_range == "auto" and first[0].dtype == "uint16":
        shares = 0.1, 99.9
    if shares is not None:
        low, high = common_range((page for page, _ in mended), shares)
        rule = f"pages:{shares[0]:g}:{shares[1]:g}"
        request = replace(request, infrared_range=f"{low!r}:{high!r}", range_rule=rule)
    fused: list[npt.NDArray[Any]] = []
    record: dict[str, Any] = {}
    for (thermal, found), page in zip(mended, second, strict=True):
        labels = infrared.name, visible.name
        aligned = align(thermal, page, request.aligner, labels)
        pair = Pair.from_arrays(
            aligned.image,
            page,
            colour=request.colour,
            infrared_range=request.infrared_range,
            name=visible.stem,
            labels=labels,
            cover=aligned.cover,
        )
        pair.record["infrared"] |= found | aligned.record
        pair = prepare(pair, target, request)
        fused.append(fuser.fuse_pair(pair, request.contrast))
        record = record or pair.record
    record = request.made_by(fuser) | {"pages": len(fused)} | record
    write_whole({beside(target): to_json(record), target: encode_pages(fused)})
