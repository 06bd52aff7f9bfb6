"""Two-scale fusion by visual saliency (TIF)."""

import cv2
import numpy as np
from numpy.typing import NDArray

BASE_SIDE = 35
MEDIAN_SIDE = 3


def two_scales(infrared: NDArray[np.float64], visible: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average the base layers, and weigh the detail layers by saliency.

    Bavirisetti and Dhuli, Two-scale image fusion of visible and infrared images using saliency
    detection, Infrared Physics & Technology 76, 2016, with its settings: a 35x35 mean splits base
    from detail, the saliency is the squared distance of that mean from a 3x3 median, and each
    detail layer's weight is its share of both saliencies. (The paper writes a norm; squares
    are what the authors' published images have.)

    Args:
        infrared: (H, W) in [0, 1].
        visible: (H, W) in [0, 1].

    Returns:
        (H, W); may leave [0, 1] a little.
    """
    sources = np.stack([infrared, visible])
    side = (BASE_SIDE, BASE_SIDE)
    base = np.stack([cv2.boxFilter(x, -1, side, borderType=cv2.BORDER_REFLECT) for x in sources])
    saliency = (base - np.stack([_median(x) for x in sources])) ** 2
    total = saliency.sum(axis=0)
    # Neither source is preferred where both are as plain as their surroundings.
    weights = np.where(total > 0, saliency / np.where(total > 0, total, 1.0), 0.5)
    fused: NDArray[np.float64] = base.mean(axis=0) + (weights * (sources - base)).sum(axis=0)
    return fused


def _median(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each 3x3 neighbourhood, the border repeated; OpenCV takes float32."""
    return cv2.medianBlur(plane.astype(np.float32), MEDIAN_SIDE).astype(np.float64)
