"""Fusion with guided filtering (GFF)."""

import cv2
import numpy as np
from numpy.typing import NDArray

BASE_SIDE = 31
BASE_RADIUS, BASE_EPSILON = 45, 0.3
DETAIL_RADIUS, DETAIL_EPSILON = 7, 1e-6
SALIENCY_SIDE, SALIENCY_SIGMA = 11, 5.0


def guided_filtering(
    infrared: NDArray[np.float64], visible: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weigh a base and a detail layer by saliency maps that were smoothed along the edges.

    Li, Kang and Hu, Image fusion with guided filtering, IEEE TIP 22(7), 2013, with its
    settings: a 31x31 mean splits base from detail; the saliency of a source is the blurred
    strength of its Laplacian; the more salient source has weight one at a pixel; a guided filter
    with that source as the guide (radius 45, eps 0.3 for the base; radius 7, eps 1e-6 for
    the detail) makes the weights follow its edges.

    Args:
        infrared: (H, W) in [0, 1].
        visible: (H, W) in [0, 1].

    Returns:
        (H, W); may leave [0, 1] a little.
    """
    sources = np.stack([infrared, visible])
    base = np.stack([_blur(source) for source in sources])
    saliency = np.stack([_saliency(source) for source in sources])
    winner = saliency == saliency.max(axis=0)
    fused = np.zeros_like(infrared)
    for layer, radius, epsilon in (
        (base, BASE_RADIUS, BASE_EPSILON),
        (sources - base, DETAIL_RADIUS, DETAIL_EPSILON),
    ):
        weights = np.stack(
            [
                guided_filter(guide, chosen.astype(np.float64), radius, epsilon)
                for guide, chosen in zip(sources, winner, strict=True)
            ]
        ).clip(0.0, 1.0)
        total = weights.sum(axis=0)
        # Both weights may be clipped to zero at a pixel: neither source is preferred there.
        weights = np.where(total > 1e-6, weights / np.maximum(total, 1e-6), 0.5)
        fused += (weights * layer).sum(axis=0)
    return fused


def guided_filter(
    guide: NDArray[np.float64], plane: NDArray[np.float64], radius: int, epsilon: float
) -> NDArray[np.float64]:
    """Smooth a plane so that it is a linear function of the guide around each pixel.

    He, Sun and Tang, Guided image filtering, IEEE TPAMI 35(6), 2013, algorithm 1.

    Args:
        guide: (H, W) in [0, 1].
        plane: (H, W), what is smoothed.
        radius: The windows have 2 * radius + 1 pixels a side, cut off at the image's border.
        epsilon: Variance of the guide below which a region counts as flat.

    Returns:
        (H, W).
    """
    # Windows without variation keep a variance of rounding errors, which may be negative.
    mean = _window_mean(guide, radius)
    variance = np.maximum(_window_mean(guide * guide, radius) - mean * mean, 0.0)
    mean_plane = _window_mean(plane, radius)
    covariance = _window_mean(guide * plane, radius) - mean * mean_plane
    slope = covariance / (variance + epsilon)
    offset = mean_plane - slope * mean
    return _window_mean(slope, radius) * guide + _window_mean(offset, radius)


def _window_mean(plane: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    size = (2 * radius + 1, 2 * radius + 1)
    total, count = (
        cv2.boxFilter(x, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
        for x in (plane, np.ones_like(plane))
    )
    return np.divide(total, count, dtype=np.float64)


def _blur(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    side = (BASE_SIDE, BASE_SIDE)
    blurred = cv2.boxFilter(plane, -1, side, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float64)


def _saliency(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    strength = np.abs(cv2.Laplacian(plane, -1, ksize=1, borderType=cv2.BORDER_REPLICATE))
    side = (SALIENCY_SIDE, SALIENCY_SIDE)
    blurred = cv2.GaussianBlur(strength, side, SALIENCY_SIGMA, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float64)
