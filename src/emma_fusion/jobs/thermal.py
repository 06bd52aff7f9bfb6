"""The temperatures of radiometric files alone, as TIFF files of floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emma_fusion import __version__
from emma_fusion.errors import UserError
from emma_fusion.images.files import shown
from emma_fusion.images.metadata import read_metadata
from emma_fusion.images.radiometric import read_thermogram
from emma_fusion.images.raster import write_image
from emma_fusion.jobs.camera_requests import ThermalRequest
from emma_fusion.jobs.folder import find_radiometric, report
from emma_fusion.jobs.messages import Messages, Outcome
from emma_fusion.jobs.targets import Files, Targets, check_exist, check_record


def write_temperatures(request: ThermalRequest, messages: Messages | None = None) -> Outcome:
    """Write the temperatures of one file, or of those of a folder past the damaged ones.

    Args:
        request: Which, and where to.
        messages: Takes what there is to say; without it, nothing is said.

    Raises:
        UserError: An input or an option is not right; then nothing was written.
    """
    messages = messages or Messages()
    source, output = request.input, request.output
    check_exist(source)
    targets = Targets((source,), request.overwrite, request.recursive)
    if not source.is_dir():
        target = output / f"{source.stem}.tif" if output.is_dir() else output
        if target.suffix.lower() not in (".tif", ".tiff"):
            raise UserError(f"{target.name} cannot hold temperatures: write a .tif file.")
        targets.check(target)
        messages.say(f"Wrote {target}: {_write(source, target, request)}")
        return Outcome()
    targets.check_folder(output)
    found = find_radiometric(source, request.recursive, messages)
    if not found:
        raise UserError(f"{source} holds no radiometric file of a FLIR camera.")
    jobs = [Files(path, path, output / f"{stem}.tif") for stem, path in found.items()]
    jobs = targets.choose(jobs, messages)
    failures = []
    with messages.bar("Reading") as show:
        for number, (path, _, target) in enumerate(jobs, 1):
            try:
                check_record(target, request.overwrite)
                _write(path, target, request)
            except Exception as error:  # one bad file must not cost the others their night
                failures.append(f"{path.stem}: {str(error) or type(error).__name__}")
            show(number, len(jobs))
    return report("Wrote", failures, len(jobs), output, messages, of="files")


def _write(source: Path, target: Path, request: ThermalRequest) -> str:
    """Write the temperatures of a file with their record; what they are in words."""
    thermogram = read_thermogram(source)
    if request.unit == "K":
        thermogram = thermogram.in_kelvin()
    valid = np.isfinite(thermogram.values)
    made = {"software": f"emma-fusion {__version__}", "of": shown(source.name)}
    write_image(
        target,
        thermogram.values,
        made | thermogram.facts,
        metadata=read_metadata(source),
        valid=None if valid.all() else valid,
    )
    low, high = thermogram.facts["temperatures"]
    return f"{low:g} to {high:g} {request.unit}, emissivity {thermogram.facts['emissivity']:g}"
