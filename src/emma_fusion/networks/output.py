"""The last step of both networks: one channel, in full precision whatever came before."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def to_plane(last: nn.Conv2d, x: Tensor) -> Tensor:
    """The last convolution and the sigmoid, which autocast would compute in half precision.

    Half precision has 8 or 11 significant bits: too few for what the eye will see, and for the
    differences that a loss is made of.

    Args:
        last: C → 1 channels.
        x: ``(B, C, H, W)``, of any floating dtype.

    Returns:
        ``(B, 1, H, W)`` in (0, 1).
    """
    if x.dtype not in (torch.bfloat16, torch.float16):
        return torch.sigmoid(last(x))
    with torch.autocast(x.device.type, enabled=False):
        return torch.sigmoid(last(x.float()))
