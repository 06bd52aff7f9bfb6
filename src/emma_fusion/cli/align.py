"""emma align INFRARED VISIBLE -o OUT: the infrared images on the visible images' pixels."""

from __future__ import annotations

import typer

from emma_fusion.cli.options import takes
from emma_fusion.cli.progress import Terminal
from emma_fusion.jobs.camera_requests import AlignRequest


@takes(AlignRequest)
def align(request: AlignRequest) -> None:
    """Write the infrared image aligned with the visible one, without fusing them.

    The result has the size of the visible image and the bit depth and format of the infrared one.
    It is black where the infrared camera saw nothing. Its record says how it was aligned.

    Files that exist are not replaced without --overwrite; in a folder they are skipped.
    """
    from emma_fusion.jobs.align import align as run

    if run(request, Terminal()).failures:
        raise typer.Exit(1)
