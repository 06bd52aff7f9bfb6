"""The overlay beside a fused image, where a request asks for one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.jobs.request import FuseRequest
from emma_fusion.jobs.targets import check_record
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import from_unit, strips_of
from emma_fusion.values.overlay import overlay


def overlay_beside(target: Path) -> Path:
    """Where the overlay beside a fused image goes.

    >>> overlay_beside(Path("out/a.b.png")).name
    'a.b_overlay.png'
    """
    return target.with_stem(f"{target.stem}_overlay")


def check_overlay(target: Path, request: FuseRequest) -> None:
    """Check that the overlay beside a fused image, if one is asked for, replaces nothing unasked.

    Raises:
        UserError: It does.
    """
    if request.overlay is None:
        return
    path = overlay_beside(target)
    if path.exists() and not request.overwrite:
        raise UserError(f"{path} exists: write to another place, or replace it: --overwrite.")
    check_record(path, request.overwrite)


def has_own_colours(record: Mapping[str, Any]) -> bool:
    """Whether a pair's colours are those of its infrared image, such as a coloured PET's.

    Args:
        record: Of the pair or of its fused image.
    """
    return bool(record.get("colour") == "infrared")


def lay(pair: Pair, request: FuseRequest) -> npt.NDArray[np.uint8] | None:
    """Lay the infrared image of a pair over its visible luminance, see `overlay`.

    Without a palette that is asked for it is hot, but an infrared image whose colours the pair has
    keeps them: a coloured PET's scale does not run with its luminance.

    Returns:
        (H, W, 3) uint8 RGB; where the infrared image does not reach, the visible luminance alone.
        None where no overlay is asked for.
    """
    if request.overlay is None:
        return None
    palette = _palette(request)
    own = pair.colour if palette is None and has_own_colours(pair.record) else None
    first = pair.infrared if own is None else own
    laid, reached = np.empty((*pair.visible.shape, 3), np.uint8), pair.reached
    for rows in strips_of(pair.visible):  # of a large image, few rows of floats in memory
        grey = pair.visible[rows]
        plane = overlay(first[rows], grey, palette or "hot", request.overlay)
        laid[rows] = from_unit(np.where(reached[rows, :, None], plane, grey[..., None]), np.uint8)
    return laid


def overlay_record(record: dict[str, Any], request: FuseRequest) -> dict[str, Any]:
    """The record of an overlay, from that of the fused image beside it."""
    kept = {key: record[key] for key in ("software", "infrared", "visible")}
    own = "its own" if has_own_colours(record) else "hot"
    return {**kept, "overlay": {"palette": _palette(request) or own, "opacity": request.overlay}}


def _palette(request: FuseRequest) -> str | None:
    """The palette that is asked for, if any."""
    return None if request.palette == "none" else request.palette
