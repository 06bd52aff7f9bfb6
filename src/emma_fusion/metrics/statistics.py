"""Metrics from means, deviations and correlations."""

from typing import Literal

import torch
from torch import Tensor

from emma_fusion.metrics.levels import of_one_image, of_three_images


@of_one_image()
def standard_deviation(fused: Tensor) -> Tensor:
    """SD, the root of the mean squared distance from the mean (divisor N), in levels.

    Y.-J. Rao, In-fibre Bragg grating sensors, Measurement Science and Technology 8(4), 1997, is
    what the field cites.

    Args:
        fused: (..., H, W).

    Returns:
        0 to 127.5.

    >>> import numpy as np
    >>> standard_deviation(np.array([[0, 10]], np.uint8))
    5.0
    """
    return fused.std(correction=0)


@of_three_images()
def correlation(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """CC, the mean of the Pearson correlations of the fused image with each source.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.

    Returns:
        -1 to 1; the correlation with a constant image counts as 0.
    """
    return (_pearson(fused, infrared) + _pearson(fused, visible)) / 2


@of_three_images()
def correlation_of_differences(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """SCD, the sum r(A, F - B) + r(B, F - A): what each source gave to the fused image.

    V. Aslantas and E. Bendes, A new image quality metric for image fusion: the sum of the
    correlations of differences, AEU Int. J. Electronics and Communications 69(12), 2015.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.

    Returns:
        -2 to 2; the correlation with a constant image counts as 0.
    """
    return _pearson(infrared, fused - visible) + _pearson(visible, fused - infrared)


def _pearson(x: Tensor, y: Tensor) -> Tensor:
    x, y = x - x.mean(), y - y.mean()
    strength = (x.square().sum() * y.square().sum()).sqrt()
    # A constant image's distance from its mean is rounding, not signal.
    flat = strength <= 1e-9 * x.numel()
    return torch.where(flat, 0.0, (x * y).sum() / strength).clamp(-1, 1)


@of_three_images()
def mean_squared_error(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """MSE, the mean of both sources' mean squared differences from the fused image.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.

    Returns:
        0 to 65025 squared levels; lower is better.
    """
    return (_mse(fused, infrared) + _mse(fused, visible)) / 2


@of_three_images()
def root_mean_squared_error(
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    *,
    divisor: Literal["root", "pixels"] = "root",
) -> Tensor:
    """RMSE, the mean over both sources of the root of the mean squared difference.

    P. Jagalingam and A. V. Hegde, A review of quality metrics for fused image, Aquatic Procedia 4,
    2015.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.
        divisor: "pixels" divides the root of the sum by the number of pixels, as VIFB does,
            instead of by its root.

    Returns:
        0 to 255 levels; lower is better.
    """
    error = (_mse(fused, infrared).sqrt() + _mse(fused, visible).sqrt()) / 2
    return error / fused.numel() ** 0.5 if divisor == "pixels" else error


@of_three_images()
def peak_signal_to_noise(
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    *,
    peak: Literal["range", "maximum"] = "range",
    error: Literal["squared", "vifb", "unit"] = "squared",
) -> Tensor:
    """PSNR, 10 log10(255^2 / mean of both mean squared errors), in dB.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.
        peak: "maximum" puts the fused image's own maximum in the place of 255, as the
            `paper` evaluator does.
        error: "vifb" puts VIFB's RMSE in the place of the mean squared error, "unit" (Tang) that
            of images in [0, 1], which adds 48.13 dB.

    Returns:
        Decibels; infinite where all three images are equal.
    """
    top = fused.max() if peak == "maximum" else torch.full_like(fused[0, 0], 255.0)
    mse = (_mse(fused, infrared) + _mse(fused, visible)) / 2
    if error == "vifb":
        roots = _mse(fused, infrared).sqrt() + _mse(fused, visible).sqrt()
        mse = roots / 2 / fused.numel() ** 0.5
    elif error == "unit":
        mse = mse / 255**2
    # A black image equal to both sources is without error, too.
    return torch.where(mse == 0, torch.inf, 10 * torch.log10(top.square() / mse))


def _mse(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().mean()
