"""Which palette a scan is shown in where none is asked for."""

from __future__ import annotations

import re
from pathlib import Path

from emma_fusion.scans.volume import Volume

_FUNCTIONAL = ("PT", "NM")  # DICOM's names of the modalities
# Words in the name of a file that say of what modality it is, where the file itself does not.
_GREY_WORDS = {
    *("ct", "cta", "cbct", "ncct", "scct", "hu"),
    *("mr", "mri", "mprage", "t1", "t1w", "t1c", "t1ce", "t2", "t2w", "flair", "pd", "dwi"),
}
# Air has about -1000 HU, and no functional scan is so far below 0.
_AIR_HU = -500.0


def choose_palette(volume: Volume, path: Path | str) -> str | None:
    """The palette of a scan that has no colour of its own: hot for functional ones, as clinics do.

    DICOM says what a scan is. NIfTI does not: there a scan counts as functional unless its file is
    named as CT or MRI (`sub-01_ct.nii.gz`), or its values are Hounsfield units.

    Args:
        volume: the scan.
        path: of its file or folder.

    Returns:
        "hot", or None for a scan that is shown grey.
    """
    if volume.modality:
        return "hot" if volume.modality in _FUNCTIONAL else None
    words = set(re.split(r"[^a-z0-9]+", Path(path).name.lower()))
    grey = words & _GREY_WORDS or volume.unit == "HU" or float(volume.values.min()) < _AIR_HU
    return None if grey else "hot"
