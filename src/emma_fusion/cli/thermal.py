"""emma thermal FILE -o OUT: the temperatures of a FLIR camera's file as a TIFF file of floats."""

from __future__ import annotations

import typer

from emma_fusion.cli.options import takes
from emma_fusion.cli.progress import Terminal
from emma_fusion.jobs.camera_requests import ThermalRequest


@takes(ThermalRequest)
def thermal(request: ThermalRequest) -> None:
    """Write the temperatures in radiometric files of FLIR cameras as TIFF files of floats.

    The record beside each file names the unit, the emissivity and everything else that the
    temperatures were computed with, and their range. Pixels without a temperature are marked.
    This needs the extra flir.

    Files that exist are not replaced without --overwrite; in a folder they are skipped.
    """
    from emma_fusion.jobs.thermal import write_temperatures

    if write_temperatures(request, Terminal()).failures:
        raise typer.Exit(1)
