"""The overlay beside a fused image, where a request asks for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.jobs.request import FuseRequest
from emma_fusion.jobs.targets import check_record
from emma_fusion.pair import Pair
from emma_fusion.values.overlay import has_own_colours, overlay_pair


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


def lay(pair: Pair, request: FuseRequest) -> npt.NDArray[np.uint8] | None:
    """The overlay of a pair, see `overlay_pair`; None where none is asked for."""
    if request.overlay is None:
        return None
    return overlay_pair(pair, _palette(request), request.overlay)


def overlay_record(record: dict[str, Any], request: FuseRequest) -> dict[str, Any]:
    """The record of an overlay, from that of the fused image beside it."""
    kept = {key: record[key] for key in ("software", "infrared", "visible")}
    own = "its own" if has_own_colours(record) else "hot"
    return {**kept, "overlay": {"palette": _palette(request) or own, "opacity": request.overlay}}


def _palette(request: FuseRequest) -> str | None:
    """The palette that is asked for, if any."""
    return None if request.palette == "none" else request.palette
