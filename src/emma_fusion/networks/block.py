"""The Restormer-CNN block (EMMA, CVPR 2024, Fig. 2), the one brick of the U-Fuser."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from emma_fusion.errors import UserError

HEADS = 8
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


def channel_attention(qkv: Tensor, scale: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Softmax attention between the channels of each head, by their cosines over all pixels.

    Args:
        qkv: Queries, keys and values, ``(B, 3C, H, W)``.
        scale: One learned factor a head, ``(heads, 1, 1)``.
        heads: Number of heads; divides C.

    Returns:
        The attention ``(B, heads, C/heads, C/heads)`` and the values it is to mix
        ``(B, heads, C/heads, H·W)``.
    """
    batch, channels, height, width = qkv.shape
    shape = (batch, 3, heads, channels // (3 * heads), height * width)
    queries, keys, values = qkv.reshape(shape).unbind(1)
    # Dividing the products by the norms is the same as normalising q and k, without two copies.
    norms = queries.norm(dim=-1).unsqueeze(-1) * keys.norm(dim=-1).unsqueeze(-2)
    cosines = (queries @ keys.transpose(-1, -2)) / norms.clamp_min(1e-12)
    return (cosines * scale).softmax(dim=-1), values


def block_diagonal(blocks: Tensor) -> Tensor:
    """``(B, heads, c, c)`` → ``(B, heads·c, heads·c)``, zero between different heads."""
    batch, heads, width, _ = blocks.shape
    same_head = torch.eye(heads, device=blocks.device, dtype=blocks.dtype)
    spread = torch.einsum("bhij,hg->bhigj", blocks, same_head)
    return spread.reshape(batch, heads * width, heads * width)


class ChannelAttention(nn.Module):
    """Multi-head attention over channels (Restormer's, but with a dense 3×3 before q, k, v).

    Its two convolutions have nothing between them, so they equal one 3×3 convolution C → 3C; and
    where each head has a single channel its softmax is over one element, so that the attention
    is linear. ``merged`` computes it that way: the same function and gradients for less work.
    """

    def __init__(self, channels: int, heads: int = HEADS) -> None:
        super().__init__()
        self.heads = heads
        self.merged = False
        self.scale = nn.Parameter(torch.ones(heads, 1, 1))
        self.expand = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.spread = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, bias=False)
        self.project = nn.Conv2d(channels, channels, 1, bias=False)

    @property
    def linear(self) -> bool:
        """Whether each head has one channel, and attention is therefore a plain convolution."""
        return self.expand.in_channels == self.heads

    def kernel(self) -> Tensor:
        """The 3×3 kernel that does the work of the merged convolutions, ``(3C or C, C, 3, 3)``."""
        if not self.linear:
            return torch.einsum("omyx,mi->oiyx", self.spread.weight, self.expand.weight.flatten(1))
        channels = self.expand.in_channels
        values = self.spread.weight[-channels:]
        projected = torch.einsum("po,omyx->pmyx", self.project.weight.flatten(1), values)
        return torch.einsum("pmyx,mi->piyx", projected, self.expand.weight.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """Mixes the channels of ``x`` ``(B, C, H, W)`` by their correlation over all pixels."""
        if self.merged:
            return merged_attention(
                x, self.kernel(), self.project.weight, self.scale, self.heads, self.linear
            )
        attention, values = channel_attention(self.spread(self.expand(x)), self.scale, self.heads)
        mixed: Tensor = self.project((attention @ values).reshape(x.shape))
        return mixed


def merged_attention(
    x: Tensor, kernel: Tensor, project: Tensor, scale: Tensor, heads: int, linear: bool
) -> Tensor:
    """Channel attention with its convolutions merged into ``kernel``; see `ChannelAttention`."""
    mixed = functional.conv2d(x, kernel, padding=1)
    if linear:
        return mixed
    attention, values = channel_attention(mixed, scale, heads)
    # Mixing within heads and the 1×1 convolution after it are one matrix for each pixel.
    mixing = project.flatten(1) @ block_diagonal(attention)
    return (mixing @ values.flatten(1, 2)).reshape(x.shape)


class FoldedAttention(nn.Module):
    """`ChannelAttention` for inference, its merged kernel computed once."""

    kernel: Tensor
    project: Tensor
    scale: Tensor

    def __init__(self, attention: ChannelAttention) -> None:
        super().__init__()
        self.heads = attention.heads
        self.linear = attention.linear
        self.register_buffer("kernel", attention.kernel().detach().clone())
        self.register_buffer("project", attention.project.weight.detach().clone())
        self.register_buffer("scale", attention.scale.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """As `ChannelAttention.forward`."""
        return merged_attention(x, self.kernel, self.project, self.scale, self.heads, self.linear)


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
