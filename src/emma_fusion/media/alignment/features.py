"""What two modalities have in common: where contours are and how they run, not their contrast."""

from __future__ import annotations

import cv2
import numpy as np

from emma_fusion.pair import FloatArray

CHANNELS = 4
# Pixels (standard deviations): of the smoothing against noise, and of that which makes
# contours that are a little apart still meet.
_NOISE_SIGMA, _REACH_SIGMA = 0.8, 1.2


def oriented_gradients(plane: FloatArray) -> FloatArray:
    """Channels of oriented gradients, the same for a contour and for its negative.

    Channel k is |g_x cos t_k + g_y sin t_k| with t_k = k pi / 4, smoothed, and each pixel's
    channels are divided by their norm plus half the picture's median norm, so that a faint contour
    counts nearly as much as a strong one and noise does not. The mean over the channels is
    taken off, so that two pixels whose contours cross have a negative product. (After CFOG, Ye et
    al., IEEE TGRS 2019, whose orientations are smoothed too.)

    Args:
        plane: (H, W) float32, of any range.

    Returns:
        (H, W, 4) float32.
    """
    smooth = cv2.GaussianBlur(plane, (0, 0), _NOISE_SIGMA)
    right, down = (cv2.Scharr(smooth, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
    angles = np.arange(CHANNELS, dtype=np.float32) * np.float32(np.pi / CHANNELS)
    channels = np.abs(right[..., None] * np.cos(angles) + down[..., None] * np.sin(angles))
    channels = cv2.GaussianBlur(channels, (0, 0), _REACH_SIGMA)
    norm = np.sqrt(np.einsum("yxk,yxk->yx", channels, channels))
    channels /= (norm + 0.5 * np.median(norm) + np.float32(1e-6))[..., None]
    found: FloatArray = channels - channels.mean(axis=-1, keepdims=True)
    return found
