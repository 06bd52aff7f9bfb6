"""Metrics of sharpness, from the fused image alone."""

from typing import Literal

import torch
from torch import Tensor

from emma_fusion.metrics.filters import extend, sobel
from emma_fusion.metrics.levels import of_one_image


@of_one_image()
def spatial_frequency(
    fused: Tensor, *, divisor: Literal["differences", "pixels"] = "differences"
) -> Tensor:
    """SF, sqrt(RF^2 + CF^2) of the mean squared differences along rows and columns, in levels.

    A. M. Eskicioglu and P. S. Fisher, Image quality measures and their performance, IEEE Trans.
    Communications 43(12), 1995.

    Args:
        fused: (..., H, W).
        divisor: The means are over the differences that exist, or (VIFB) over all pixels.

    Returns:
        0 and more; a side of one pixel has no differences and adds none.
    """
    total = torch.zeros((), dtype=torch.float64, device=fused.device)
    for dim in (-1, -2):
        squares = fused.diff(dim=dim).square()
        count = fused.numel() if divisor == "pixels" else max(squares.numel(), 1)
        total = total + squares.sum() / count
    return total.sqrt()


@of_one_image(smallest=2)
def average_gradient(fused: Tensor, *, divisor: Literal["pixels", "inner"] = "pixels") -> Tensor:
    """AG, the mean of sqrt((gx^2 + gy^2) / 2), in levels.

    G. Cui, H. Feng, Z. Xu, Q. Li and Y. Chen, Detail preserved fusion of visible and infrared
    images using regional saliency extraction and multi-scale image decomposition, Optics
    Communications 341, 2015. The differences are central, and one-sided at the border.

    Args:
        fused: (..., H, W), two pixels a side or more.
        divisor: The sum over all pixels is divided by their number, or (VIFB) by (H-1)(W-1).

    Returns:
        0 to 255.
    """
    gx, gy = _differences(fused, -1), _differences(fused, -2)
    total = gx.square_().addcmul_(gy, gy).div_(2).sqrt_().sum()
    height, width = fused.shape
    return total / (height * width if divisor == "pixels" else (height - 1) * (width - 1))


def _differences(plane: Tensor, dim: int) -> Tensor:
    """Return central differences, one-sided at the border; torch.gradient is slower by half."""
    last = plane.shape[dim] - 1
    slope = torch.empty_like(plane)
    before, after = plane.narrow(dim, 0, last - 1), plane.narrow(dim, 2, last - 1)
    slope.narrow(dim, 1, last - 1).copy_(after).sub_(before).div_(2)
    for start, left in ((0, 0), (last, last - 1)):
        step = plane.narrow(dim, left + 1, 1) - plane.narrow(dim, left, 1)
        slope.narrow(dim, start, 1).copy_(step)
    return slope


@of_one_image()
def edge_intensity(fused: Tensor) -> Tensor:
    """EI, the mean strength of the Sobel gradient, border pixels repeated, in levels.

    B. Rajalingam and R. Priya, Hybrid multimodality medical image fusion technique for feature
    enhancement in medical diagnosis, Int. J. Engineering Science Invention 2, 2018.

    Args:
        fused: (..., H, W).

    Returns:
        0 and more.
    """
    gx, gy = sobel(extend(fused, 1, "replicate"))
    return torch.hypot(gx, gy).mean()
