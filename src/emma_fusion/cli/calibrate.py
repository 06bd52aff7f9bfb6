"""emma calibrate INFRARED VISIBLE -o rig.json: one transform for all images of a fixed rig."""

from __future__ import annotations

import typer

from emma_fusion.cli.options import takes
from emma_fusion.cli.progress import Terminal
from emma_fusion.jobs.camera_requests import CalibrateRequest


@takes(CalibrateRequest)
def calibrate(request: CalibrateRequest) -> None:
    """Find the transform between two cameras that are mounted together.

    Each pair is registered. Pairs that cannot be registered with confidence are left out, and the
    result is the median of the others. Give the file to emma fuse --align or emma align --align.

    With --board, three or more images of a checkerboard that both cameras see are taken instead,
    near and far and in all parts of the image. The error is measured on boards that are left out,
    and drawn into a PNG beside the file.
    """
    from emma_fusion.errors import UserError
    from emma_fusion.jobs.calibrate import calibrate_from_board, calibrate_scenes

    if request.board is None:
        if request.square != 1.0 or request.distance is not None:
            raise UserError("--square and --distance are for images of a board: add --board.")
        outcome = calibrate_scenes(request, Terminal())
    else:
        outcome = calibrate_from_board(request, request.board, Terminal())
    if outcome.failures:
        raise typer.Exit(1)
