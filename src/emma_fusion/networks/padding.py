"""Bringing an image to a size that a network takes."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def pad_to_multiple(x: Tensor, multiple_of: int, minimum_size: int = 1) -> Tensor:
    """Pads at the bottom and the right, by reflection as far as the image reaches.

    Cropping the result to ``[..., :H, :W]`` gives the input back.

    Args:
        x: ``(B, C, H, W)`` with H, W ≥ 1.
        multiple_of: What height and width must be multiples of.
        minimum_size: What height and width must reach.

    Returns:
        ``(B, C, H', W')``, H' and W' the smallest sizes allowed that hold the image.

    >>> import torch
    >>> pad_to_multiple(torch.zeros(1, 1, 329, 500), 8).shape[-2:]
    torch.Size([336, 504])
    """
    for axis in (-2, -1):
        size = x.shape[axis]
        target = max(-(-size // multiple_of), -(-minimum_size // multiple_of)) * multiple_of
        while x.shape[axis] < target:
            # A reflection is at most one pixel shorter than the image: tiny ones need several.
            step = min(target - x.shape[axis], max(x.shape[axis] - 1, 1))
            mode = "reflect" if x.shape[axis] > 1 else "replicate"
            padding = (0, 0, 0, step) if axis == -2 else (0, step, 0, 0)
            x = functional.pad(x, padding, mode=mode)
    return x
