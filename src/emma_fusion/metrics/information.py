"""Metrics from histograms of grey levels."""

import math
from typing import Literal

import torch
from torch import Tensor

from emma_fusion.metrics.levels import of_one_image, of_three_images

LEVELS = 256


@of_one_image()
def entropy(fused: Tensor, *, to_level: Literal["nearest", "below"] = "nearest") -> Tensor:
    """EN, the Shannon entropy of the grey levels, in bits: -sum p log2 p over 256 levels.

    J. W. Roberts, J. van Aardt and F. Ahmed, Assessment of image fusion procedures using entropy,
    image quality, and multispectral classification, J. Applied Remote Sensing 2(1), 2008.

    Args:
        fused: (..., H, W).
        to_level: Which whole level a value between two counts as; VIFB takes the one below.

    Returns:
        0 (one level only) to 8.

    >>> import numpy as np
    >>> entropy(np.array([[0, 0, 255, 255]], np.uint8))
    1.0
    """
    return _entropy(_histogram(_whole(fused, to_level))) / math.log(2)


@of_three_images()
def mutual_information(
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    *,
    unit: Literal["nats", "bits"] = "nats",
    to_level: Literal["nearest", "below"] = "nearest",
) -> Tensor:
    """MI, I(F; A) + I(F; B) of the joint histograms of 256 x 256 levels.

    G. Qu, D. Zhang and P. Yan, Information measure for performance of image fusion, Electronics
    Letters 38(7), 2002. In nats unless asked for bits; one nat is 1.4427 bits.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.
        unit: Of the information.
        to_level: Which whole level a value between two counts as.

    Returns:
        0 and more; at most twice the entropy of the fused image.
    """
    f, a, b = (_whole(x, to_level) for x in (fused, infrared, visible))
    nats = _information(f, a) + _information(f, b)
    return nats / math.log(2) if unit == "bits" else nats


@of_three_images()
def normalised_mutual_information(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """NMI (Q_MI), 2 I(F; A) / (H(F) + H(A)) + 2 I(F; B) / (H(F) + H(B)).

    M. Hossny, S. Nahavandi and D. Creighton, Comments on "Information measure for performance
    of image fusion", Electronics Letters 44(18), 2008.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.

    Returns:
        0 to 2; a constant fused image tells everything about a constant source: 1 for it.
    """
    f, a, b = (_whole(x, "nearest") for x in (fused, infrared, visible))
    total = torch.zeros((), dtype=torch.float64, device=fused.device)
    for source in (a, b):
        entropies = _entropy(_histogram(f)) + _entropy(_histogram(source))
        information = _information(f, source)
        total = total + torch.where(entropies > 0, 2 * information / entropies, 1.0)
    return total


@of_three_images()
def cross_entropy(
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    *,
    to_level: Literal["nearest", "below"] = "nearest",
) -> Tensor:
    """CE, the mean of sum p_S log2(p_S / p_F) over both sources S, in bits.

    D. M. Bulanon, T. F. Burks and V. Alchanatis, Image fusion of visible and thermal images for
    fruit detection, Biosystems Engineering 103(1), 2009. As VIFB has it: levels that either
    image lacks are left out, so the value may fall below zero.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.
        to_level: Which whole level a value between two counts as.

    Returns:
        0 for equal histograms; lower is better.
    """
    p_f = _probabilities(_histogram(_whole(fused, to_level)))
    total = torch.zeros((), dtype=torch.float64, device=fused.device)
    for source in (infrared, visible):
        p_s = _probabilities(_histogram(_whole(source, to_level)))
        both = (p_s > 0) & (p_f > 0)
        total = total + (p_s[both] * torch.log2(p_s[both] / p_f[both])).sum()
    return total / 2


def _whole(plane: Tensor, to_level: Literal["nearest", "below"]) -> Tensor:
    rounded = plane.round() if to_level == "nearest" else plane.floor()
    return rounded.to(torch.int64).reshape(-1)


def _histogram(levels: Tensor, bins: int = LEVELS) -> Tensor:
    return torch.bincount(levels, minlength=bins)


def _probabilities(counts: Tensor) -> Tensor:
    return counts.to(torch.float64) / counts.sum()


def _entropy(counts: Tensor) -> Tensor:
    p = _probabilities(counts)
    return -torch.xlogy(p, p).sum()


def _information(first: Tensor, second: Tensor) -> Tensor:
    joint = _histogram(first * LEVELS + second, LEVELS**2)
    table = joint.reshape(LEVELS, LEVELS)
    information = _entropy(table.sum(1)) + _entropy(table.sum(0)) - _entropy(joint)
    # Independent images may fall below zero by rounding.
    return information.clamp(min=0)
