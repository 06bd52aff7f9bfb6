"""emma calibrate INFRARED VISIBLE -o rig.json: one transform for all images of a fixed rig."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from emma_fusion.cli.progress import Terminal, bar


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
        typer.Option(help="The most general transform that is considered."),
    ] = "affine",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Find the transform between two cameras that do not move against each other.

    Each pair is registered; those without confidence are left out, and of the others the median
    is taken. Give the file to emma fuse --align or emma align --align.
    """
    from emma_fusion.align import calibrate as find_rig
    from emma_fusion.errors import UserError
    from emma_fusion.images.raster import read_image, write_whole
    from emma_fusion.jobs.targets import Targets, find_pairs

    if output.is_dir():
        raise UserError(f"{output} is a folder: name the calibration's file, such as rig.json.")
    Targets((infrared, visible), overwrite).check(output)
    pairs = find_pairs(infrared, visible, Terminal())
    failures: list[str] = []

    with bar("Calibrating") as show:

        def images() -> Iterator[tuple[Any, Any]]:
            for number, (_, i, v) in enumerate(pairs):
                show(number, len(pairs))
                try:
                    yield read_image(i), read_image(v)
                except UserError as error:
                    failures.append(f"{i.stem}: {error}")

        rig, left_out = find_rig(images(), model)
        show(len(pairs), len(pairs))
    write_whole({output: rig.to_json()})
    print(
        f"Wrote {output}: {rig.pairs} pairs, whose corners lie {rig.residual:.1f} pixels from the "
        f"rig's (median); {left_out} could not be aligned and were left out.",
        file=sys.stderr,
    )
    for failure in failures:
        print(f"Failed {failure}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)
