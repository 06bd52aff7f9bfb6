"""What a run's images are like: metrics over whole validation pairs, as rows of its log."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from emma_fusion import metrics
from emma_fusion.metrics.hidden_pattern import hidden_pattern_ratio
from emma_fusion.metrics.protocol import prepare
from emma_fusion.values.arrays import FloatArray

NAMES = ("EN", "SD", "SF", "AG", "SCD", "VIF", "Qabf")
VIF_SIDE = 41
"""Pixels that an image's sides must have for VIF."""
BLUR = 2.0
"""Standard deviation in pixels: what is darker over a few pixels, not a line between two."""


def darkening(fused: FloatArray, infrared: FloatArray, visible: FloatArray) -> float:
    """How much darker the fused image is than both sources, mean over the blurred images, in 1/255.

        255 · mean max(0, min(i, v) − f)

    Args:
        fused: ``(H, W)`` in [0, 1].
        infrared: The same shape.
        visible: The same shape.

    Returns:
        0 or more; 0 to about 7 for published methods.
    """
    f, i, v = (cv2.GaussianBlur(plane, (0, 0), BLUR) for plane in (fused, infrared, visible))
    return float(255 * np.maximum(np.minimum(i, v) - f, 0).mean())


def validation_row(images: Iterable[tuple[FloatArray, FloatArray, FloatArray]]) -> dict[str, float]:
    """The means of seven metrics (convention ``paper``), period-2 ratio and darkening.

    Args:
        images: Fused, infrared and visible, ``(H, W)`` in [0, 1] each. The seven metrics are of the
            fused image as the paper's protocol has it, stretched to its own range.

    Returns:
        Name → mean, with the largest period-2 ratio as ``pattern_largest``. VIF is left out where
        an image is too small for it.
    """
    rows: list[dict[str, float]] = []
    for fused, infrared, visible in images:
        planes = prepare(fused, "paper"), infrared, visible
        names = [name for name in NAMES if name != "VIF" or min(fused.shape) >= VIF_SIDE]
        row = metrics.score(*planes, convention="paper", metrics=names)
        row["pattern"] = float(hidden_pattern_ratio(fused, infrared, visible))
        row["darkening"] = darkening(fused, infrared, visible)
        rows.append(row)
    means = {
        name: float(np.mean([row[name] for row in rows]))
        for name in rows[0]
        if all(name in row for row in rows)
    }
    return means | {"pattern_largest": max(row["pattern"] for row in rows)}
