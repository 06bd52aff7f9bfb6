"""emma align INFRARED VISIBLE -o OUT: the infrared images on the visible images' grids."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emma_fusion.cli.progress import bar

if TYPE_CHECKING:
    from emma_fusion.align import Aligner


def align(
    infrared: Annotated[Path, typer.Argument(help="Infrared image or folder.")],
    visible: Annotated[Path, typer.Argument(help="Visible image or folder of the same scene.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A file, or a folder for folders.", metavar="OUT")
    ],
    how: Annotated[
        str,
        typer.Option(
            "--align",
            help="translation, rigid, similarity, affine, homography, auto (the simplest that "
            "explains it), or FILE of emma calibrate.",
            metavar="HOW",
        ),
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
) -> None:
    """Write the infrared image alone, on the visible image's pixels.

    It has the visible image's size and the infrared one's depth and format, and is black where
    the infrared camera did not see. How it was aligned is in its record.

    Nothing that exists is replaced without --overwrite; with folders it is skipped.
    """
    from emma_fusion.align import Aligner
    from emma_fusion.errors import UserError

    aligner = Aligner(how)
    pairs = find_pairs(infrared, visible)
    if infrared.is_dir():
        if output.exists() and not output.is_dir():
            raise UserError(f"{output} is a file: the aligned images of two folders need one.")
        jobs = [(i, v, output / i.name) for i, v in pairs]
    else:
        target = output / infrared.name if output.is_dir() else output
        jobs = [(infrared, visible, target)]
    for i, v, target in jobs:
        if target.exists() and any(target.samefile(path) for path in (i, v)):
            raise UserError(f"{target} is one of the inputs: write to another place.")
    if not infrared.is_dir():
        if jobs[0][2].exists() and not overwrite:
            raise UserError(f"{output} exists: write to another file, or replace it: --overwrite.")
        write(*jobs[0], aligner)
        print(f"Wrote {jobs[0][2]}", file=sys.stderr)
        return
    todo = jobs if overwrite else [job for job in jobs if not job[2].exists()]
    if len(todo) < len(jobs):
        skipped = len(jobs) - len(todo)
        print(f"Skipped {skipped} that exist; --overwrite makes them anew.", file=sys.stderr)
    failures = []
    with bar("Aligning") as show:
        for number, job in enumerate(todo, 1):
            try:
                write(*job, aligner)
            except Exception as error:  # one bad pair must not cost the others their night
                failures.append(f"{job[0].stem}: {str(error) or type(error).__name__}")
            show(number, len(todo))
    print(f"Aligned {len(todo) - len(failures)} of {len(todo)} into {output}", file=sys.stderr)
    for failure in failures:
        print(f"Failed {failure}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


def find_pairs(infrared: Path, visible: Path) -> list[tuple[Path, Path]]:
    """The pair of two files, or those of two folders; those without a partner are named.

    Raises:
        UserError: something does not exist, or one is a folder and one a file.
    """
    from emma_fusion.errors import UserError
    from emma_fusion.images.folders import match_pairs

    for path in (infrared, visible):
        if not path.exists():
            raise UserError(f"{path} does not exist.")
    if infrared.is_dir() != visible.is_dir():
        folder, file = (infrared, visible) if infrared.is_dir() else (visible, infrared)
        raise UserError(
            f"{folder} is a folder and {file} is a file: give two files or two folders."
        )
    if not infrared.is_dir():
        return [(infrared, visible)]
    pairs, unmatched = match_pairs(infrared, visible)
    for path in unmatched:
        print(f"No partner for {path}", file=sys.stderr)
    return [(i, v) for _, i, v in pairs]


def write(infrared: Path, visible: Path, target: Path, aligner: Aligner) -> None:
    """Align one image and write it with the record of how."""
    import numpy as np

    from emma_fusion import __version__
    from emma_fusion.images.raster import read_image, write_image

    thermal, image = read_image(infrared), read_image(visible)
    aligned = aligner(thermal, image, (infrared.name, visible.name))
    warped = aligned.image
    if aligned.covered is not None:
        shown = aligned.covered > 0
        warped = np.where(shown if warped.ndim == 2 else shown[..., None], warped, 0)
    made = {"software": f"emma-fusion {__version__}", "of": infrared.name, "onto": visible.name}
    write_image(target, warped, made | aligned.record)
