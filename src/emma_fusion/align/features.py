"""What two modalities have in common: where contours are and how they run, not their contrast."""

from __future__ import annotations

import cv2
import numpy as np

from emma_fusion.values.arrays import FloatArray

# Pixels (standard deviations): of the smoothing against noise, and of that which makes
# contours that are a little apart still meet.
_NOISE_SIGMA, _REACH_SIGMA = 0.5, 0.8
_FLOOR = 1.5  # of the median magnitude: gradients well below it are noise


def oriented_gradients(plane: FloatArray) -> FloatArray:
    """Gradients of twice their angle, the same for a contour and for its negative.

    With g = m (cos t, sin t), the channels are m (cos 2t, sin 2t), smoothed, and divided by the
    smoothed m plus `_FLOOR` times its median, so that a faint contour counts nearly as much as a
    strong one and noise does not. Two pixels whose contours cross at right angles have a negative
    product. (The second harmonic of CFOG's orientation channels, Ye et al., IEEE TGRS 2019.)

    Args:
        plane: (H, W) float32, of any range.

    Returns:
        (H, W, 2) float32.
    """
    smooth = cv2.GaussianBlur(plane, (0, 0), _NOISE_SIGMA)
    right, down = (cv2.Scharr(smooth, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
    magnitude = cv2.magnitude(right, down)
    doubled = np.stack([right * right - down * down, 2 * right * down], axis=-1)
    doubled /= (magnitude + np.float32(1e-6))[..., None]
    doubled = cv2.GaussianBlur(doubled, (0, 0), _REACH_SIGMA)
    norm = cv2.GaussianBlur(magnitude, (0, 0), _REACH_SIGMA)
    found: FloatArray = doubled / (norm + _FLOOR * np.median(norm) + np.float32(1e-3))[..., None]
    return found
