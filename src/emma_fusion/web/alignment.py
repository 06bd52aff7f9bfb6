"""Alignment by hand: what a visitor moved or clicked becomes a rig."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from emma_fusion.align import Rig, refine, rig_from_motion, rig_from_points, rig_of
from emma_fusion.align.geometry import Matrix, size_of
from emma_fusion.errors import UserError
from emma_fusion.images.pairing import PairOptions, infrared_values
from emma_fusion.web.images import Given

# More than anybody clicks.
_MOST_POINTS = 500


def set_by_hand(
    form: Mapping[str, Any], infrared: Given, visible: Given, begin: Rig | None
) -> tuple[Rig, str]:
    """The rig that a form stands for.

    Args:
        form: "points", {"infrared": [[x, y], ...], "visible": [[x, y], ...]}; or "motion", [right,
            down, turn, scale] as `rig_from_motion` takes them; and "refine", whether `auto` goes on
            from there.
        infrared: The image.
        visible: The image.
        begin: Where the infrared image lay before it was moved; None where the camera says, or
            else stretched over the visible one.

    Returns:
        The rig, and a sentence about it.

    Raises:
        UserError: Points or motion are no numbers, or do not tell where the image lies.
    """
    sizes = size_of(infrared.image), size_of(visible.image)
    if form.get("points"):
        there, here = (_numbers(form["points"], side) for side in ("infrared", "visible"))
        rig = rig_from_points(there, here, *sizes)
        said = (
            f"By {len(here)} point pairs, as a {rig.model}: each point left out lies "
            f"{rig.residual:.1f} infrared pixels off, on average."
        )
    else:
        motion = _numbers(form, "motion").ravel()
        if motion.shape != (4,):
            raise UserError("A motion is a shift to the right and down, a turn and a scale.")
        right, down, turn, scale = motion.tolist()
        begin = begin or _by_camera(visible, *sizes)
        rig = rig_from_motion(right, down, turn, scale, *sizes, begin=begin)
        said = "As it was set by hand."
    rig = replace(rig, notes={"by": "hand"})
    if not form.get("refine"):
        return rig, said
    values = np.asarray(infrared_values(infrared.decoded, PairOptions()))
    found = refine(values, visible.image, rig)
    if not found.trusted:
        return rig, (
            f"It stays as it was set: only {found.confidence:.0%} of the patches agree with what "
            f"auto finds from here, and it takes {found.least:.0%}. Move it nearer, or leave it so."
        )
    refined = replace(rig_of(found, *sizes), notes={"by": "hand, then auto"})
    return refined, f"Refined, as a {found.model}: {found.confidence:.0%} of the patches agree."


def _by_camera(visible: Given, infrared: tuple[int, int], size: tuple[int, int]) -> Rig | None:
    """Where a camera's own file places the infrared image, if both are from one."""
    placed = visible.thermogram.visible_to_infrared if visible.thermogram else None
    return None if placed is None else Rig(placed, "similarity", infrared, size, 1, 0.0)


def _numbers(form: Any, key: str) -> Matrix:
    """Numbers from outside."""
    try:
        numbers = np.asarray(form[key], np.float64)
    except (TypeError, ValueError, KeyError, IndexError):
        raise UserError("Points and motions are lists of numbers.") from None
    if len(numbers) > _MOST_POINTS or not np.isfinite(numbers).all():
        raise UserError(f"Points and motions are at most {_MOST_POINTS} finite numbers.")
    return numbers
