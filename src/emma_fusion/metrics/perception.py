"""Metrics that look through a model of human contrast sensitivity."""

import math

import torch
from torch import Tensor

from emma_fusion.metrics.filters import correlate, extend, ratio, sobel
from emma_fusion.metrics.levels import of_three_images

BLOCK = 16


@of_three_images()
def contrast_preservation(
    fused: Tensor, infrared: Tensor, visible: Tensor, *, constant: float = 0.0
) -> Tensor:
    """Qcb, how well the sources' local contrast is preserved, as the eye would see it.

    Y. Chen and R. S. Blum, A new automated quality assessment algorithm for image fusion, Image and
    Vision Computing 27(10), 2009, as VIFB computes it: every image is stretched to 0..255 and
    filtered with a difference of Gaussians in the frequency domain; the contrast is that of two
    Gaussian windows (sigma 2 over sigma 4), masked as C^3 / (C^2 + 0.0001).

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.
        constant: The level that a constant image is stretched to; NaN in VIFB.

    Returns:
        0 to 1.
    """
    planes = [stretch(x, constant) for x in (fused, infrared, visible)]
    height, width = fused.shape
    r = _frequency(fused, height / 30, width / 30)
    sensitivity = torch.exp(-((r / 15.3870) ** 2)) - 0.7622 * torch.exp(-((r / 1.3456) ** 2))
    f, a, b = (_masked_contrast(_filter(x, sensitivity)) for x in planes)
    salience = a.square() + b.square()
    quality = torch.zeros_like(f)
    for source in (a, b):
        preserved = ratio(torch.minimum(source, f), torch.maximum(source, f), 1.0)
        quality += ratio(source.square(), salience, 0.5) * preserved
    return quality.mean()


def _masked_contrast(plane: Tensor) -> Tensor:
    narrow, wide = (_window(plane, sigma) for sigma in (2.0, 4.0))
    contrast = (ratio(narrow, wide, 1.0) - 1).abs()
    return contrast**3 / (contrast**2 + 0.0001)


def _window(plane: Tensor, sigma: float) -> Tensor:
    taps = [
        math.exp(-(x**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)
        for x in range(-15, 16)
    ]
    return correlate(extend(plane, 15, "zeros"), taps, taps)


@of_three_images()
def visible_difference(
    fused: Tensor, infrared: Tensor, visible: Tensor, *, constant: float = 0.0
) -> Tensor:
    """Qcv, the visible difference from the sources, region by region.

    H. Chen and P. K. Varshney, A human perception inspired quality metric for image fusion based on
    regional information, Information Fusion 8(2), 2007, as VIFB computes it: every image is
    stretched to 0..255; the difference is filtered by a contrast sensitivity function; its mean
    square in blocks of 16x16 is weighted by the block's sum of Sobel strengths to the fifth power.
    Blocks that the border cuts off are filled with zeros.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.
        constant: The level that a constant image is stretched to; NaN in VIFB.

    Returns:
        0 and more; lower is better. Constant sources weigh all blocks alike.
    """
    planes = [stretch(x, constant) for x in (fused, infrared, visible)]
    height, width = fused.shape
    r = _frequency(fused, height / 8, width / 8)
    sensitivity = 2.6 * (0.0192 + 0.144 * r) * torch.exp(-((0.144 * r) ** 1.1))
    f, *sources = planes
    total, weight, plain = torch.zeros(3, dtype=torch.float64, device=fused.device)
    for source in sources:
        salience = _blocks(torch.hypot(*sobel(extend(source, 1, "zeros"))) ** 5)
        difference = _blocks(_filter(source - f, sensitivity).square()) / BLOCK**2
        total = total + (salience * difference).sum()
        weight = weight + salience.sum()
        plain = plain + difference.mean() / 2
    return torch.where(weight == 0, plain, total / weight)


def _blocks(plane: Tensor) -> Tensor:
    height, width = plane.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    filled = plane.new_zeros(rows * BLOCK, columns * BLOCK)
    filled[:height, :width] = plane
    return filled.reshape(rows, BLOCK, columns, BLOCK).sum(dim=(1, 3))


def stretch(plane: Tensor, constant: float) -> Tensor:
    """Stretch a plane to whole levels 0..255."""
    low, high = torch.aminmax(plane)
    if low == high:
        return torch.full_like(plane, constant)
    return torch.floor((plane - low) / (high - low) * 255 + 0.5)


def _frequency(plane: Tensor, rows: float, columns: float) -> Tensor:
    v, u = (
        (torch.arange(side, dtype=torch.float64, device=plane.device) - side // 2) * (2 / side * s)
        for side, s in zip(plane.shape, (rows, columns), strict=True)
    )
    return torch.hypot(u[None, :], v[:, None])


def _filter(plane: Tensor, response: Tensor) -> Tensor:
    filtered: Tensor = torch.fft.ifft2(torch.fft.fft2(plane) * torch.fft.ifftshift(response)).real
    return filtered
