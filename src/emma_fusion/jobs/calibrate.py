"""A rig's file, from many pairs of scenes or from images of a checkerboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emma_fusion.align import BoardCalibration, calibrate, calibrate_board
from emma_fusion.errors import UserError
from emma_fusion.images.pairing import read_infrared_values
from emma_fusion.images.raster import encode_image, read_image, write_whole
from emma_fusion.jobs.camera_requests import CalibrateRequest
from emma_fusion.jobs.messages import Messages, Outcome
from emma_fusion.jobs.targets import Targets, find_pairs


def calibrate_scenes(request: CalibrateRequest, messages: Messages | None = None) -> Outcome:
    """Write the median of what the pairs of two folders are registered by.

    Args:
        request: What is asked for, without a board.
        messages: Takes what there is to say; without it, nothing is said.

    Raises:
        UserError: See `find_pairs`, `Targets.check` and `align.calibrate`.
    """
    messages = messages or Messages()
    output = request.output
    _check(request, (output,))
    failures: list[str] = []
    images = _images(request, failures, messages)
    rig, left_out = calibrate(((i, v) for _, i, v in images), request.model)
    write_whole({output: rig.to_json()})
    left = f"{left_out} could not be aligned and were left out."
    if rig.pairs == 1:
        messages.say(
            f"Wrote {output} from one pair alone: nothing tells how exact it is, so give more "
            f"pairs, or a checkerboard (--board). {left}"
        )
    else:
        messages.say(
            f"Wrote {output}: {rig.pairs} pairs, whose corners lie {rig.residual:.1f} pixels from "
            f"the rig's (median); {left}"
        )
    return _outcome(failures, messages)


def calibrate_from_board(
    request: CalibrateRequest, board: str, messages: Messages | None = None
) -> Outcome:
    """Write the rig that images of a checkerboard tell of, and beside it an image of its errors.

    Args:
        request: What is asked for.
        board: How many inner corners the board has, such as "11x8".
        messages: Takes what there is to say; without it, nothing is said.

    Raises:
        UserError: See `parse_board`, `find_pairs`, `Targets.check` and `align.calibrate_board`.
    """
    messages = messages or Messages()
    corners = parse_board(board)
    square, distance = request.square, request.distance
    for value, name in ((square, "--square"), (distance, "--distance")):
        if value is not None and not 0 < value < float("inf"):
            raise UserError(f"{name} is {value}: give a number above 0.")
    output, errors = request.output, request.output.with_suffix(".png")
    _check(request, (output, errors))
    failures: list[str] = []
    images = _images(request, failures, messages)
    found = calibrate_board(images, corners, square=square, distance=distance)
    write_whole({output: found.rig.to_json(), errors: encode_image(errors.name, found.residuals)})
    for line in _lines(found, output, errors, "" if square != 1.0 else " squares"):
        messages.say(line)
    return _outcome(failures, messages)


def parse_board(text: str) -> tuple[int, int]:
    """How many inner corners a board has along its two sides.

    >>> parse_board("11x8")
    (11, 8)

    Raises:
        UserError: It is no such text.
    """
    found = re.fullmatch(r"(\d{1,3})[xX×](\d{1,3})", text.strip())
    sides = tuple(map(int, found.groups())) if found else (0, 0)
    if min(sides) < 3:
        raise UserError(
            f"{text!r} is not a checkerboard: give how many inner corners it has along its two "
            "sides, three or more, such as --board 11x8."
        )
    return sides[0], sides[1]


def _lines(found: BoardCalibration, output: Path, errors: Path, unit: str) -> Iterator[str]:
    """What there is to say of a calibration."""
    for name in found.not_found:
        yield f"No board found in {name}"
    for one in found.boards:
        if not one.used:
            yield (
                f"{one.name} was left out: it lies {one.error:.1f} pixels from where the others "
                "put it, as if a camera had moved between the two exposures."
            )
    used = [one for one in found.boards if one.used]
    yield (
        f"Wrote {output}: {len(used)} boards; left out one by one, their corners lie "
        f"{found.error:.2f} pixels of the infrared from where the others put them."
    )
    yield (
        f"The transform is right at a distance of {found.distance:.3g}{unit}. A thing in the "
        "middle is off "
        + ", ".join(
            f"by {pixels:.1f} pixels at {away}" if away != "infinity" else f"{pixels:.1f} far away"
            for away, pixels in found.parallax.items()
        )
        + "."
    )
    yield f"The infrared lens: {found.lenses[0]}. The visible lens: {found.lenses[1]}."
    yield f"Wrote {errors}: the errors of every corner."


def _check(request: CalibrateRequest, outputs: tuple[Path, ...]) -> None:
    """Check that the files may be written."""
    if outputs[0].is_dir():
        raise UserError(f"{outputs[0]} is a folder: name the calibration's file, such as rig.json.")
    targets = Targets((request.infrared, request.visible), request.overwrite)
    for path in outputs:
        targets.check(path)


def _images(
    request: CalibrateRequest, failures: list[str], messages: Messages
) -> Iterator[tuple[str, Any, Any]]:
    """The pairs of two folders, read one after the other past those that cannot be."""
    pairs = find_pairs(request.infrared, request.visible, messages, request.pairing)
    with messages.bar("Calibrating") as show:
        for number, (stem, i, v) in enumerate(pairs):
            show(number, len(pairs))
            try:
                yield stem, read_infrared_values(i), read_image(v)
            except UserError as error:
                failures.append(f"{i.stem}: {error}")
        show(len(pairs), len(pairs))


def _outcome(failures: list[str], messages: Messages) -> Outcome:
    """Name what could not be read."""
    for failure in failures:
        messages.say(f"Failed {failure}")
    return Outcome(tuple(failures))
