"""What a scan is, in numbers and words that name no patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emma_fusion.scans.colour import choose_palette
from emma_fusion.scans.display import name_plane, slice_axis
from emma_fusion.scans.volume import Volume
from emma_fusion.scans.window import find_window


def describe(volume: Volume, path: Path | str) -> dict[str, Any]:
    """The facts of a scan as `emma info` shows them.

    Args:
        volume: the scan.
        path: of its file or folder, as the user gave it.

    Returns:
        The shape and spacing in voxels and millimetres, the plane of its slices, its modality and
        unit ("" where the file does not say), the values that become black and white and by which
        rule, whether it is inverted, the share of voxels that are known, the palette that it is
        shown in, and the notes.

    Raises:
        UserError: every voxel has the same value.
    """
    kind, low, high = find_window(volume, "auto", str(path))
    return {
        "name": str(path),
        "shape": list(volume.voxels.shape),
        "spacing_mm": [round(float(step), 4) for step in volume.spacing],
        "plane": name_plane(slice_axis(volume, "auto")),
        "modality": volume.modality,
        "unit": volume.unit,
        "values": [float(volume.values.min()), float(volume.values.max())],
        "range": [low, high],
        "rule": kind,
        "inverted": volume.inverted,
        "known": 1.0 if volume.known is None else round(float(np.mean(volume.known)), 4),
        "palette": choose_palette(volume, path),
        "notes": list(volume.notes),
    }


def describe_in_words(facts: dict[str, Any]) -> str:
    """One line of what `describe` gives.

    >>> facts = dict(name="a.nii", shape=[4, 5, 6], spacing_mm=[1.0, 1.0, 2.5], plane="axial",
    ...              modality="CT", unit="HU", range=[0.0, 80.0], rule="window", inverted=False)
    >>> describe_in_words(facts)
    'a.nii: CT, 4x5x6 voxels of 1x1x2.5 mm, axial, 0 becomes black and 80 white in HU (window)'
    """
    shape = "x".join(map(str, facts["shape"]))
    spacing = "x".join(f"{step:g}" for step in facts["spacing_mm"])
    black, white = reversed(facts["range"]) if facts["inverted"] else facts["range"]
    modality = f"{facts['modality']}, " if facts["modality"] else ""
    unit = f" in {facts['unit']}" if facts["unit"] else ""
    return (
        f"{facts['name']}: {modality}{shape} voxels of {spacing} mm, {facts['plane']}, {black:g} "
        f"becomes black and {white:g} white{unit} ({facts['rule']})"
    )
