"""The U-Fuser: two registered luminance planes in, one fused plane out (EMMA, Fig. 2)."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from emma_fusion.networks.block import (
    Branches,
    ChannelAttention,
    FoldedAttention,
    RestormerCNNBlock,
    conv3x3,
)
from emma_fusion.networks.output import to_plane

CHANNELS = (8, 16, 32, 32)
LARGE = 512.0
"""What a decoder gives above this is made smaller by `UFuser.balance`."""


class Encoder(nn.Module):
    """The features of one modality at four scales."""

    def __init__(self, channels: tuple[int, ...], branches: Branches = "both") -> None:
        super().__init__()
        inputs = (1, *channels[:-1])
        self.levels = nn.ModuleList(
            RestormerCNNBlock(before, after, branches)
            for before, after in zip(inputs, channels, strict=True)
        )
        self.downs = nn.ModuleList(conv3x3(c, c, stride=2, bias=False) for c in channels[:-1])

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(B, 1, H, W)`` → features, finest first, each half the size of the one before."""
        features = [self.levels[0](x)]
        for down, level in zip(self.downs, self.levels[1:], strict=True):
            features.append(level(down(features[-1])))
        return features


class UFuser(nn.Module):
    """Fuses an infrared and a visible plane at four scales.

    1,517,657 parameters at the default channels; 80.8 GFLOP (a multiply-add is 2) for a 480×640
    pair, 48.7 after `fold`.

    Args:
        channels: Channels at the four scales, finest first; multiples of 8.
        branches: Of every block; see `RestormerCNNBlock`. All but "both" are for ablations.
    """

    multiple_of = 8
    """Height and width must be multiples of this (see `emma_fusion.networks.padding`)."""
    minimum_size = 16
    """And at least this, so that the coarsest scale can still be reflected at its border."""
    supports_half = True
    """Whether fp16 is right: attention's sums are in float32, and trained weights are balanced."""

    def __init__(self, channels: tuple[int, ...] = CHANNELS, branches: Branches = "both") -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.branches = branches
        self.infrared_encoder = Encoder(self.channels, branches)
        self.visible_encoder = Encoder(self.channels, branches)
        self.fusions = nn.ModuleList(RestormerCNNBlock(2 * c, c, branches) for c in channels)
        self.decoders = nn.ModuleList(
            RestormerCNNBlock(c if c_index == len(channels) - 1 else 2 * c, c, branches)
            for c_index, c in enumerate(channels)
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1, bias=False)
            for fine, coarse in pairwise(channels)
        )
        self.last = conv3x3(channels[0], 1, bias=True)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuses a batch of pairs.

        Args:
            infrared: ``(B, 1, H, W)`` in [0, 1]; H and W multiples of 8, at least 16.
            visible: The same shape.

        Returns:
            The fused planes, ``(B, 1, H, W)`` in (0, 1).
        """
        fused = [
            fusion(torch.cat(pair, dim=1))
            for fusion, *pair in zip(
                self.fusions,
                self.infrared_encoder(infrared),
                self.visible_encoder(visible),
                strict=True,
            )
        ]
        x = self.decoders[-1](fused[-1])
        for level in reversed(range(len(self.ups))):
            x = torch.cat((self.ups[level](x).relu(), fused[level]), dim=1)
            x = self.decoders[level](x)
        return to_plane(self.last, x)

    def merge_attention(self) -> UFuser:
        """Makes `forward` do the cheaper, equal form of every attention, still trainable.

        Returns:
            This network.
        """
        for module in self.modules():
            if isinstance(module, ChannelAttention):
                module.merged = True
        return self

    def balance(self, infrared: Tensor, visible: Tensor) -> UFuser:
        """Keeps what goes from decoder to decoder small enough for fp16, which ends at 65504.

        Training does not care how large it is, and it can grow to tens of thousands. From the
        last convolution of a decoder to the first one of the next there is nothing but
        convolutions without bias and a ReLU: what one is divided by, the other is multiplied by.
        The factors are powers of two, so the output stays the same.

        Args:
            infrared: ``(1, 1, H, W)`` in [0, 1], an image to look at the features with.
            visible: The same shape.

        Returns:
            This network.
        """
        decoders = [block for block in self.decoders if isinstance(block, RestormerCNNBlock)]
        for level in reversed(range(1, len(decoders))):
            join, embed = decoders[level].join, decoders[level - 1].embed
            factor = _power_of_two(_largest(self, join, infrared, visible) / LARGE)
            with torch.no_grad():
                join.weight /= factor
                embed.weight[:, : self.channels[level - 1]] *= factor
        return self

    def fold(self) -> UFuser:
        """The form for inference: the same output for about three fifths of the work.

        Returns:
            A copy in eval mode without gradients, its attention convolutions merged for good.
        """
        folded = copy.deepcopy(self).eval().requires_grad_(False)
        for block in folded.modules():
            attention = getattr(block, "attention", None)
            if isinstance(block, RestormerCNNBlock) and isinstance(attention, ChannelAttention):
                block.attention = FoldedAttention(attention)
        return folded


def _power_of_two(ratio: float) -> float:
    """The least power of two, from 1, that is not below a ratio."""
    return float(2.0 ** math.ceil(math.log2(max(ratio, 1.0))))


def _largest(network: UFuser, layer: nn.Module, infrared: Tensor, visible: Tensor) -> float:
    """The largest magnitude that a layer of a network puts out."""
    found: list[float] = []
    hook = layer.register_forward_hook(lambda *args: found.append(float(args[2].abs().max())))
    try:
        with torch.no_grad():
            network(infrared, visible)
    finally:
        hook.remove()
    return max(found)
