"""The Restormer-CNN block (EMMA, CVPR 2024, Fig. 2), the one brick of the U-Fuser."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from emma_fusion.errors import UserError
from emma_fusion.networks.attention import ChannelAttention as ChannelAttention
from emma_fusion.networks.attention import FoldedAttention as FoldedAttention

Branches = Literal["both", "convolution", "attention"]
"""Which branches a block has: the paper's two, or one of them to see what it does alone."""


def conv3x3(
    inputs: int, outputs: int, *, stride: int = 1, groups: int = 1, bias: bool
) -> nn.Conv2d:
    """A 3×3 convolution that pads by reflection, as all of the U-Fuser's do but attention's."""
    return nn.Conv2d(
        inputs,
        outputs,
        3,
        stride=stride,
        padding=1,
        groups=groups,
        bias=bias,
        padding_mode="reflect",
    )


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel of a ``(B, C, H, W)`` tensor."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalises ``x``, shape kept."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class GatedFFN(nn.Module):
    """Feed-forward network with a GELU gate, at expansion 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.spread = conv3x3(2 * channels, 2 * channels, groups=channels, bias=False)
        self.project = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` → same shape."""
        gate, value = self.spread(self.expand(x)).chunk(2, dim=1)
        gated: Tensor = self.project(functional.gelu(gate) * value)
        return gated


class ResidualConv(nn.Module):
    """x + conv(ReLU(conv(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv3x3(channels, channels, bias=True)
        self.second = conv3x3(channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` → same shape."""
        residual: Tensor = self.second(functional.relu(self.first(x)))
        return x + residual


class RestormerCNNBlock(nn.Module):
    """Attention for what is global and convolutions for what is local, side by side, then joined.

    Args:
        inputs: Channels in.
        outputs: Channels out; a multiple of the 8 attention heads.
        branches: "both", or only the "convolution" or the "attention" one; a branch that is left
            out has no parameters, and what joins the two takes half the channels.

    Raises:
        UserError: There are no such branches.
    """

    def __init__(self, inputs: int, outputs: int, branches: Branches = "both") -> None:
        super().__init__()
        if branches not in get_args(Branches):
            known = ", ".join(get_args(Branches))
            raise UserError(f"The branches are {branches!r}; they must be one of {known}.")
        self.branches = branches
        self.embed = conv3x3(inputs, outputs, bias=False)
        if branches != "convolution":
            self.norm1 = ChannelLayerNorm(outputs)
            self.attention: nn.Module = ChannelAttention(outputs)
            self.norm2 = ChannelLayerNorm(outputs)
            self.feed_forward = GatedFFN(outputs)
        if branches != "attention":
            self.local_branch = nn.Sequential(ResidualConv(outputs), ResidualConv(outputs))
        self.join = conv3x3(2 * outputs if branches == "both" else outputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` → ``(B, outputs, H, W)``."""
        x = self.embed(x)
        features = []
        if self.branches != "convolution":
            global_features = x + self.attention(self.norm1(x))
            features.append(global_features + self.feed_forward(self.norm2(global_features)))
        if self.branches != "attention":
            features.append(self.local_branch(x))
        joined: Tensor = self.join(torch.cat(features, dim=1))
        return joined
