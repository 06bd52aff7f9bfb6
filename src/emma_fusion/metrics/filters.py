"""Filters that run in float64 wherever the picture is.

PyTorch has no fast float64 convolution on a CPU; sums of shifted planes are fast there
and the same code on a GPU.
"""

from collections.abc import Sequence

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
    height = plane.shape[0] - len(rows) + 1
    width = plane.shape[1] - len(columns) + 1
    # On a CPU the sums of a strip stay in its cache; a GPU takes the plane at once.
    step = max(STRIP // plane.shape[1], 1) if plane.device.type == "cpu" else height
    filtered = plane.new_empty(height, width)
    for start in range(0, height, step):
        strip = plane[start : start + step + len(rows) - 1]
        filtered[start : start + step] = _along(_along(strip, columns, -1), rows, -2)
    return filtered


def _along(plane: Tensor, taps: Sequence[float], dim: int) -> Tensor:
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


def sobel(plane: Tensor, border: str) -> tuple[Tensor, Tensor]:
    """Return the Sobel differences (along the columns, down the rows), each (H, W).

    Whole levels give exact whole numbers, so that equal strengths compare as equal.

    Args:
        plane: (H, W).
        border: "zeros" or "replicate": what is beyond the border.
    """
    padded = extend(plane, 1, border)
    smooth, difference = (1.0, 2.0, 1.0), (-1.0, 0.0, 1.0)
    return correlate(padded, smooth, difference), correlate(padded, difference, smooth)


def extend(plane: Tensor, margin: int, border: str) -> Tensor:
    """Return the plane with a margin on all four sides, of "zeros" or "replicate"."""
    if border == "zeros":
        return pad(plane, (margin,) * 4)
    return pad(plane[None, None], (margin,) * 4, mode="replicate")[0, 0]


def ratio(numerator: Tensor, denominator: Tensor, empty: float) -> Tensor:
    """Divide, with a value of choice where nothing is divided by nothing."""
    nothing = (numerator == 0) & (denominator == 0)
    return torch.where(nothing, empty, numerator / denominator)
