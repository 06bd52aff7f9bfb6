"""A guard against hidden patterns: fine texture in the fused image that neither source has.

Gradients through frozen networks reward patterns that those networks read and eyes do not want
(as in C. Chu, A. Zhmoginov and M. Sandler, CycleGAN, a master of steganography, 2017). EMMA's
loss (CVPR 2024) has no term against it; this one is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from emma_fusion.metrics.hidden_pattern import ALTERNATING, MEAN
from emma_fusion.networks.sensing import low_pass

ALLOWED_GAINS = (1.2, 1.5)
"""Detail may be this much stronger than in the stronger source, at full and at half size:
contrast is not a pattern, but what hides does so at the finest scale."""
ALLOWED_PATTERN = 1.3
"""The hidden-pattern ratio of one patch may be as large."""
FAINT = 0.1 / 255
"""Added to the responses to the patterns: about what rounding to 8 bit gives."""
FLOOR = 2 / 255
"""Texture weaker than this is not seen."""
WINDOW = 8


def texture_excess(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """How much fine texture is in the fused image beyond what the sources have in the same place.

    At full and at half size, the local RMS (8×8 pixels) of what a binomial low-pass removes, above
    all of periods from 2 to 4 pixels, minus 1.2 (1.5) times the stronger source's and a floor,
    where positive.

    Args:
        fused: ``(B, 1, H, W)``, H and W at least 32.
        infrared: The same shape.
        visible: The same shape.

    Returns:
        The mean over places, scales and samples, a scalar ≥ 0.
    """
    images = torch.cat((fused, infrared, visible))
    excess = fused.new_zeros(())
    for gain in ALLOWED_GAINS:
        smooth = low_pass(images, 1)
        energy = functional.avg_pool2d((images - smooth) ** 2, WINDOW, WINDOW // 2)
        rms_f, rms_i, rms_v = (energy + 1e-8).sqrt().chunk(3)
        allowed = gain * torch.maximum(rms_i, rms_v) + FLOOR
        excess = excess + (rms_f - allowed).relu().mean()
        images = functional.avg_pool2d(smooth, 2)
    return excess


def pattern_excess(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """How far the hidden-pattern ratios of whole patches are above what is allowed.

    The texture guard looks at single places and at all fine texture; a grid of period 2 that is
    weak everywhere stays below its floor. This is the measure that watches it, made a loss.

    Args:
        fused: ``(B, 1, H, W)``, H and W at least 4.
        infrared: The same shape.
        visible: The same shape.

    Returns:
        The mean over samples and the three patterns of ratio - 1.3, where positive; a scalar.
    """
    mean, alternating = fused.new_tensor(MEAN), fused.new_tensor(ALTERNATING)
    pairs = ((mean, alternating), (alternating, mean), (alternating, alternating))
    kernels = torch.stack([torch.outer(rows, columns) for rows, columns in pairs])
    responses = functional.conv2d(torch.cat((fused, infrared, visible)), kernels[:, None])
    rms_f, rms_i, rms_v = (responses.square().mean((2, 3)) + FAINT**2).sqrt().chunk(3)
    return (rms_f / torch.maximum(rms_i, rms_v) - ALLOWED_PATTERN).relu().mean()
