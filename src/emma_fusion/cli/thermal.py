"""emma thermal FILE -o OUT: the temperatures of a FLIR camera's file as a TIFF file of floats."""

from __future__ import annotations

import typer

from emma_fusion.cli.options import takes
from emma_fusion.cli.progress import Terminal
from emma_fusion.jobs.camera_requests import ThermalRequest


@takes(ThermalRequest)
def thermal(request: ThermalRequest) -> None:
    """Write the temperatures of radiometric files of FLIR cameras, as TIFF files of floats.

    The record beside each file says the unit, the emissivity and what else the temperatures were
    computed with, and their range. Pixels without a temperature are marked. Needs the extra flir.

    Nothing that exists is replaced without --overwrite; with a folder it is skipped.
    """
    from emma_fusion.jobs.thermal import write_temperatures

    if write_temperatures(request, Terminal()).failures:
        raise typer.Exit(1)
