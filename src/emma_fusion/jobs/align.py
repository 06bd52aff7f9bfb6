"""The infrared images alone, on the visible images' pixels."""

from __future__ import annotations

import numpy as np

from emma_fusion import __version__
from emma_fusion.align import Aligner
from emma_fusion.images.files import shown
from emma_fusion.images.geotiff import read_georeference
from emma_fusion.images.pairing import carry
from emma_fusion.images.radiometric import read_infrared
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.jobs.camera_requests import AlignRequest
from emma_fusion.jobs.folder import report
from emma_fusion.jobs.messages import Messages, Outcome
from emma_fusion.jobs.targets import (
    Files,
    Targets,
    check_inputs,
    check_pairing,
    check_record,
    find_pairs,
)


def align(request: AlignRequest, messages: Messages | None = None) -> Outcome:
    """Align one image, or those of two folders past the ones that cannot be aligned.

    Args:
        request: What is to be aligned, how, and where to.
        messages: Takes what there is to say; without it, nothing is said.

    Raises:
        UserError: An input or an option is not right; then nothing was written.
    """
    messages = messages or Messages()
    aligner = Aligner(request.align)
    inputs = request.infrared, request.visible
    targets = Targets(inputs, request.overwrite, request.pairing.recursive)
    if not check_inputs(*inputs):
        check_pairing(request.pairing)
        output = request.output
        target = output / request.infrared.name if output.is_dir() else output
        targets.check(target)
        align_files(Files(request.infrared, request.visible, target), aligner)
        messages.say(f"Wrote {target}")
        return Outcome()
    targets.check_folder(request.output)
    pairs = find_pairs(*inputs, messages, request.pairing)
    jobs = targets.choose(
        [Files(i, v, request.output / i.relative_to(request.infrared)) for _, i, v in pairs],
        messages,
    )
    failures = []
    with messages.bar("Aligning") as show:
        for number, files in enumerate(jobs, 1):
            try:
                check_record(files.target, request.overwrite)
                align_files(files, aligner)
            except Exception as error:  # one bad pair must not cost the others their night
                failures.append(f"{files.infrared.stem}: {str(error) or type(error).__name__}")
            show(number, len(jobs))
    return report("Aligned", failures, len(jobs), request.output, messages)


def align_files(files: Files, aligner: Aligner) -> None:
    """Align one image and write it with the record of how.

    Raises:
        UserError: A file cannot be read or written, or the two could not be aligned.
    """
    infrared, visible, target = files
    labels = shown(infrared.name), shown(visible.name)
    image = read_infrared(infrared)
    aligned, valid = carry(image, lambda pixels: aligner(pixels, read_image(visible), labels))
    warped = aligned.image
    if aligned.covered is not None:
        seen = aligned.covered > 0
        warped = np.where(seen if warped.ndim == 2 else seen[..., None], warped, 0)
    made = {"software": f"emma-fusion {__version__}", "of": labels[0], "onto": labels[1]}
    # it lies where the visible image lies now
    georeference = read_georeference(visible)
    write_image(target, warped, made | aligned.record, georeference, valid=valid)
