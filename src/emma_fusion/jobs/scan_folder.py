"""Two folders of scans, fused pair after pair; one bad pair does not cost the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from emma_fusion.errors import UserError
from emma_fusion.images.folders import pair_stems
from emma_fusion.jobs.folder import report
from emma_fusion.jobs.image import open_fuser
from emma_fusion.jobs.messages import Messages, Outcome
from emma_fusion.jobs.request import FuseRequest
from emma_fusion.jobs.scan import fuse_scans, need_extra
from emma_fusion.jobs.targets import Files, Targets, tell_pairing
from emma_fusion.scans.open import is_volume_file

if TYPE_CHECKING:
    from emma_fusion.fuser import Fuser


def fuse_scan_folder(
    request: FuseRequest,
    functional: Mapping[str, Path],
    anatomical: Mapping[str, Path],
    messages: Messages,
) -> Outcome:
    """Fuse the scans of two folders that have the same name into a third folder.

    A fused scan is a NIfTI file where its anatomical scan is a file, and a folder of DICOM files
    where that is one.

    Args:
        request: What is asked for; its inputs and output are folders.
        functional: The scans of the first folder by name.
        anatomical: Those of the second.
        messages: Takes what there is to say.

    Raises:
        UserError: No two scans have the same name, or the output is an input.
    """
    need_extra()
    output = Path(request.output)
    targets = Targets((Path(request.infrared), Path(request.visible)), request.overwrite)
    targets.check_folder(output)
    try:
        found = pair_stems(
            dict(functional),
            dict(anatomical),
            request.infrared,
            request.visible,
            pattern=request.pairing.match,
        )
    except UserError:
        if request.pairing.match:
            raise
        raise UserError(
            f"No pairs: {request.infrared} has {len(functional)} scans and {request.visible} has "
            f"{len(anatomical)}, and no two of them share a name."
        ) from None
    tell_pairing(found, messages)
    jobs = targets.choose(
        [
            Files(first, second, output / (f"{name}.nii.gz" if is_volume_file(second) else name))
            for name, first, second in found.pairs
        ],
        messages,
    )

    @cache
    def get_fuser() -> Fuser:
        return open_fuser(request.network)

    failures = []
    for job in jobs:
        first, second, target = map(str, job)
        try:
            fuse_scans(
                replace(request, infrared=first, visible=second, output=target), messages, get_fuser
            )
        except UserError as error:
            failures.append(f"{job.target.name}: {error}")
    return report("Fused", failures, len(jobs), output, messages) if jobs else Outcome()
