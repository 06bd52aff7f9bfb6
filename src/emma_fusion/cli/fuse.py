"""emma fuse INFRARED VISIBLE -o OUT: two images, two folders, two videos or two scans."""

from __future__ import annotations

import typer

from emma_fusion.cli.options import takes
from emma_fusion.cli.progress import Terminal
from emma_fusion.jobs.request import FuseRequest


@takes(FuseRequest)
def fuse(request: FuseRequest) -> None:
    """Fuse two images, two folders of images, two videos or two scans.

    The fused image has the size and the bit depth of the visible image, and in a folder also its
    format. Images of two folders belong together by their names.

    Files that exist are not replaced without --overwrite; in a folder they are skipped.
    """
    from emma_fusion.jobs.fuse import fuse as run

    outcome = run(request, Terminal())
    if outcome.interrupted:
        raise typer.Exit(130)
    if outcome.failures:
        raise typer.Exit(1)
