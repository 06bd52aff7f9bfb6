"""emma calibrate INFRARED VISIBLE -o rig.json: one transform for all images of a fixed rig."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from emma_fusion.cli.options import takes
from emma_fusion.cli.progress import Terminal, bar
from emma_fusion.jobs.request import CalibrateRequest


@takes(CalibrateRequest)
def calibrate(request: CalibrateRequest) -> None:
    """Find the transform between two cameras that do not move against each other.

    Each pair is registered; those without confidence are left out, and of the others the median
    is taken. Give the file to emma fuse --align or emma align --align.
    """
    from emma_fusion.align import calibrate as find_rig
    from emma_fusion.errors import UserError
    from emma_fusion.images.pairing import read_infrared_values
    from emma_fusion.images.raster import read_image, write_whole
    from emma_fusion.jobs.targets import Targets, find_pairs

    output = request.output
    if output.is_dir():
        raise UserError(f"{output} is a folder: name the calibration's file, such as rig.json.")
    inputs = request.infrared, request.visible
    Targets(inputs, request.overwrite).check(output)
    pairs = find_pairs(*inputs, Terminal(), request.pairing)
    failures: list[str] = []

    with bar("Calibrating") as show:

        def images() -> Iterator[tuple[Any, Any]]:
            for number, (_, i, v) in enumerate(pairs):
                show(number, len(pairs))
                try:
                    yield read_infrared_values(i), read_image(v)
                except UserError as error:
                    failures.append(f"{i.stem}: {error}")

        rig, left_out = find_rig(images(), request.model)
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
