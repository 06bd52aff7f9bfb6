"""Filters that run in float64 wherever the image is.

PyTorch has no fast float64 convolution: a CPU takes OpenCV's, any other device sums of shifted
planes.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

STRIP = 2**16  # pixels


def correlate(plane: Tensor, rows: Sequence[float], columns: Sequence[float]) -> Tensor:
    """Correlate a plane with a separable kernel, where the kernel lies wholly inside.

    Args:
        plane: (H, W).
        rows: The n taps down the rows.
        columns: The m taps along the columns.

    Returns:
        (H - n + 1, W - m + 1).
    """
    if plane.device.type != "cpu":
        return shifted_sums(shifted_sums(plane, columns, -1), rows, -2)
    everywhere = cv2.sepFilter2D(
        plane.numpy(), -1, np.array(columns), np.array(rows), borderType=cv2.BORDER_CONSTANT
    )
    top, left = len(rows) // 2, len(columns) // 2
    height, width = plane.shape[0] - len(rows) + 1, plane.shape[1] - len(columns) + 1
    return torch.from_numpy(everywhere)[top : top + height, left : left + width]


def strips(plane: Tensor, window: int = 1) -> Iterator[slice]:
    """Cut a plane into strips of rows that a CPU's cache holds; a GPU takes it at once.

    Args:
        plane: (H, W).
        window: Rows that each output row needs: strips overlap by one less.

    Returns:
        Slices of the input rows, for all H - window + 1 output rows in order.
    """
    height = plane.shape[0] - window + 1
    step = max(STRIP // plane.shape[1], window) if plane.device.type == "cpu" else height
    for start in range(0, height, step):
        yield slice(start, min(start + step, height) + window - 1)


def shifted_sums(plane: Tensor, taps: Sequence[float], dim: int) -> Tensor:
    """Correlate along one dimension, -1 or -2, where the taps lie wholly inside."""
    size = plane.shape[dim] - len(taps) + 1
    total = plane.narrow(dim, 0, size) * taps[0]
    for start, tap in enumerate(taps[1:], 1):
        if tap:
            total.add_(plane.narrow(dim, start, size), alpha=tap)
    return total


def gaussian(side: int, sigma: float) -> list[float]:
    """Return the taps of a Gaussian that sum to one.

    >>> [round(tap, 3) for tap in gaussian(3, 1.0)]
    [0.274, 0.452, 0.274]
    """
    x = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    taps = torch.exp(-(x**2) / (2 * sigma**2))
    return [float(tap) for tap in taps / taps.sum()]


def windows(
    fused: Tensor, sources: Sequence[Tensor], taps: Sequence[float]
) -> Iterator[tuple[Tensor, Tensor, list[tuple[Tensor, Tensor, Tensor]]]]:
    """Give the moments of all windows that lie wholly inside, strip by strip.

    Args:
        fused: (H, W).
        sources: Planes (H, W).
        taps: Of the window, in both directions; their sum is one.

    Returns:
        Mean and variance of the fused image, and of each source mean, variance and covariance.
    """
    for strip in strips(fused, len(taps)):
        f = fused[strip]
        mean_f = correlate(f, taps, taps)
        variance_f = correlate(f * f, taps, taps).addcmul_(mean_f, mean_f, value=-1)
        moments = []
        for source in sources:
            s = source[strip]
            mean = correlate(s, taps, taps)
            variance = correlate(s * s, taps, taps).addcmul_(mean, mean, value=-1)
            covariance = correlate(f * s, taps, taps).addcmul_(mean_f, mean, value=-1)
            moments.append((mean, variance, covariance))
        yield mean_f, variance_f, moments


def sobel(plane: Tensor) -> tuple[Tensor, Tensor]:
    """Return the Sobel differences along the columns and down the rows.

    Whole levels give exact whole numbers, so that equal strengths compare as equal.

    Args:
        plane: (H + 2, W + 2).

    Returns:
        Two planes (H, W).
    """
    smooth, difference = (1.0, 2.0, 1.0), (-1.0, 0.0, 1.0)
    return correlate(plane, smooth, difference), correlate(plane, difference, smooth)


def arctan_(plane: Tensor) -> Tensor:
    """Take the arctangent in place: on a CPU NumPy's, which is several times as fast."""
    if plane.device.type != "cpu":
        return plane.atan_()
    np.arctan(plane.numpy(), out=plane.numpy())
    return plane


def extend(plane: Tensor, margin: int, border: str) -> Tensor:
    """Return the plane with a margin on all four sides, of "zeros" or "replicate"."""
    if border == "zeros":
        return pad(plane, (margin,) * 4)
    return pad(plane[None, None], (margin,) * 4, mode="replicate")[0, 0]


def ratio(numerator: Tensor, denominator: Tensor, empty: float) -> Tensor:
    """Divide, with a value of choice where nothing is divided by nothing."""
    nothing = (numerator == 0) & (denominator == 0)
    return torch.where(nothing, empty, numerator / denominator)
