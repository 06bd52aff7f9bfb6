"""Pixels that hold no data: what the network sees there, and what the fused image shows."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.blending import rise

# Of the longer side: the width from which a region without data is one that the infrared camera
# did not see, and not single pixels, and over how much the fused image goes over there.
_REGION, _FEATHER = 0.02, 0.04


def fill(image: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Give pixels without data the value of the nearest that has some.

    So the network sees no edge there, and interpolation mixes in nothing that was not measured.

    Args:
        image: (H, W) or (H, W, C).
        valid: (H, W), which pixels hold data; one at least.

    >>> fill(np.array([[7, 0, 9]]), np.array([[True, False, True]])).tolist()
    [[7, 7, 9]]
    """
    _, labels = cv2.distanceTransformWithLabels(
        (~valid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # every valid pixel has a label of its own
    places = np.zeros(int(labels.max()) + 1, np.int64)
    places[labels[valid]] = np.flatnonzero(valid)
    flat = image.reshape(-1, *image.shape[2:])
    filled: npt.NDArray[Any] = flat[places[labels.ravel()]].reshape(image.shape)
    return filled


def cover_of(valid: npt.NDArray[np.bool_]) -> FloatArray | None:
    """How much of the fused luminance is taken at each pixel, where data are missing.

    Into regions without data it fades (see `blending.rise`); single pixels are no regions.

    Args:
        valid: (H, W), where the infrared image holds data.

    Returns:
        (H, W) float32 in [0, 1]; None for all of it everywhere.
    """
    longer = max(valid.shape)
    width = max(3, round(_REGION * longer)) | 1
    missing = cv2.morphologyEx(
        (~valid).astype(np.uint8), cv2.MORPH_OPEN, np.ones((width, width), np.uint8)
    )
    if not missing.any():
        return None
    return rise((missing == 0).astype(np.float32), max(4.0, _FEATHER * longer))
