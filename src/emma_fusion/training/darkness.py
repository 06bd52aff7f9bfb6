"""A guard against places that are darker in the fused image than in both sources.

In smoke, a network that learned from other networks' images makes dark blotches where the ground
is a little warm and the visible image is flat: hazy night skies look the same, and were black in
the images that it learned from. EMMA's loss (CVPR 2024) has no term against it; this one is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

WINDOW = 8
"""Pixels each way whose mean is compared: a dark line between two things is detail."""


def darkness_excess(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """How much darker the fused image is than the darker source, over means of 8 by 8 pixels.

        mean max(0, min(i, v) − f)

    Args:
        fused: ``(B, 1, H, W)`` in [0, 1], H and W at least 8.
        infrared: The same shape.
        visible: The same shape.

    Returns:
        The mean over places and samples, a scalar ≥ 0.
    """
    means = avg_pool2d(torch.cat((fused, infrared, visible)), WINDOW, WINDOW // 2)
    f, i, v = means.chunk(3)
    return (torch.minimum(i, v) - f).relu().mean()
