"""emma align INFRARED VISIBLE -o OUT: the infrared images on the visible images' pixels."""

from __future__ import annotations

import typer

from emma_fusion.cli.options import takes
from emma_fusion.cli.progress import Terminal
from emma_fusion.jobs.camera_requests import AlignRequest


@takes(AlignRequest)
def align(request: AlignRequest) -> None:
    """Write the infrared image alone, on the visible image's pixels.

    It has the visible image's size and the infrared one's depth and format, and is black where
    the infrared camera did not see. How it was aligned is in its record.

    Nothing that exists is replaced without --overwrite; with folders it is skipped.
    """
    from emma_fusion.jobs.align import align as run

    if run(request, Terminal()).failures:
        raise typer.Exit(1)
