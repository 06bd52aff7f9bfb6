"""emma calibrate INFRARED VISIBLE -o rig.json: one transform for all images of a fixed rig."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from emma_fusion.cli.progress import Terminal


def calibrate(
    infrared: Annotated[Path, typer.Argument(help="The folder of infrared images.")],
    visible: Annotated[
        Path, typer.Argument(help="The folder of visible images, which have the same stems.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The file that the calibration is written to.",
            metavar="FILE.json",
        ),
    ],
    model: Annotated[
        Literal["translation", "rigid", "similarity", "affine", "homography"],
        typer.Option(help="The most general transform that is considered without --board."),
    ] = "affine",
    board: Annotated[
        str | None,
        typer.Option(
            help="The images show a checkerboard with so many inner corners along its two sides, "
            "such as 11x8. The lenses are then undistorted too.",
            metavar="11x8",
        ),
    ] = None,
    square: Annotated[
        float,
        typer.Option(
            help="The side of a square of the board, in the unit that distances are to have, such "
            "as 0.03 for metres. The default counts distances in squares."
        ),
    ] = 1.0,
    distance: Annotated[
        float | None,
        typer.Option(
            help="The distance at which the transform is to be right, in the unit of --square. The "
            "default is the median distance of the boards."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Find the transform between two cameras that do not move against each other.

    Each pair is registered; those without confidence are left out, and of the others the median
    is taken. Give the file to emma fuse --align or emma align --align.

    With --board, three or more images of a checkerboard that both cameras see are taken instead,
    near and far and in all parts of the image. The error is measured on boards that are left out,
    and drawn into a PNG beside the file.
    """
    from emma_fusion.errors import UserError
    from emma_fusion.jobs.calibrate import calibrate_from_board, calibrate_scenes

    if board is None:
        if square != 1.0 or distance is not None:
            raise UserError("--square and --distance are for images of a board: add --board.")
        outcome = calibrate_scenes(infrared, visible, output, model, overwrite, Terminal())
    else:
        outcome = calibrate_from_board(
            infrared, visible, output, board, square, distance, overwrite, Terminal()
        )
    if outcome.failures:
        raise typer.Exit(1)
