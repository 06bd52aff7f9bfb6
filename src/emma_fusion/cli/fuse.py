"""emma fuse INFRARED VISIBLE -o OUT: two images, two folders, two videos or two scans."""

from __future__ import annotations

import typer

from emma_fusion.cli.options import takes
from emma_fusion.cli.progress import Terminal
from emma_fusion.jobs.request import FuseRequest


@takes(FuseRequest)
def fuse(request: FuseRequest) -> None:
    """Fuse two images, the images of two folders that have the same stem, or two videos or scans.

    The fused image has the visible image's size and depth, and in a folder its format.

    Nothing that exists is replaced without --overwrite; with folders it is skipped.
    """
    from emma_fusion.jobs.fuse import fuse as run

    outcome = run(request, Terminal())
    if outcome.interrupted:
        raise typer.Exit(130)
    if outcome.failures:
        raise typer.Exit(1)
