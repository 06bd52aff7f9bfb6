"""The U-Fuser for a processor in PyTorch: few passes over the maps, and full vectors.

The same function as `UFuser.forward`. Blocks are rewritten as in `rewritten`; maps are made in
their frames (see `frames`) and never concatenated; and where the attention depends on the picture
it becomes a convolution as soon as its sums are known, so that there is no map of values to mix.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emma_fusion.networks.block import ChannelAttention, ChannelLayerNorm, FoldedAttention
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.runtimes.frames import Convolution, frame, framed
from emma_fusion.runtimes.rewritten import DenseGate, GramAttention, Normalisation, affine


class AttentionAsConvolution(GramAttention):
    """`FoldedAttention` of one picture: a 3×3 convolution, once it is known what it mixes.

    Args:
        attention: What it is to equal.
        multiple: See `Convolution`.
    """

    def __init__(self, attention: FoldedAttention, multiple: int) -> None:
        super().__init__(attention)
        if self.linear:
            self.convolution = Convolution(attention.kernel, multiple=multiple, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """As `FoldedAttention.forward`, for a batch of one."""
        if self.linear:
            linear: Tensor = self.convolution(x)
            return linear
        channels = self.channels
        queries_keys = functional.conv2d(x, self.kernel[: 2 * channels], padding=1)
        rows = queries_keys.permute(0, 2, 3, 1).reshape(-1, 2 * channels)
        # Of two matrices: with a batch, even of one, it takes several times as long.
        mixing = self.mixing((rows.t() @ rows).float()[None])[0]
        values = self.kernel[2 * channels :]
        kernel = (mixing @ values.flatten(1).float()).reshape(values.shape)
        return functional.conv2d(x, kernel.to(x.dtype), padding=1)


class FramedNormalisation(Normalisation):
    """`Normalisation` whose output is in a frame."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` → ``(B, C, H + 2, W + 2)``."""
        centred, inverse = self.factors(x)
        return framed(x, lambda inside: torch.mul(centred, inverse, out=inside))


class FramedLayerNorm(ChannelLayerNorm):
    """`ChannelLayerNorm` without scale and shift, whose output is in a frame."""

    def __init__(self, norm: ChannelLayerNorm) -> None:
        super().__init__(norm.weight.numel(), norm.eps, elementwise_affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` → ``(B, C, H + 2, W + 2)``."""
        return frame(super().forward(x))


class ProcessorBlock(nn.Module):
    """A `RestormerCNNBlock` of maps in frames.

    Args:
        block: What it is to equal.
        maps: How many maps it takes, which the block has concatenated.
        multiple: See `Convolution`.
        by_convolutions: Whether to normalise by convolutions; see `rewritten`.
    """

    def __init__(self, block: Any, maps: int, multiple: int, by_convolutions: bool) -> None:
        super().__init__()
        self.branches = block.branches
        self.embed = Convolution(block.embed.weight, maps=maps, multiple=multiple)
        if self.branches != "convolution":
            attention = block.attention
            if isinstance(attention, ChannelAttention):
                attention = FoldedAttention(attention)
            self.norm1 = block.norm1
            self.norm2: nn.Module = FramedLayerNorm(block.norm2)
            if by_convolutions:
                # Padding with zeros, attention sees a shift end at the border: it stays outside.
                self.norm1 = nn.Sequential(Normalisation(block.norm1), affine(block.norm1))
                self.norm2 = FramedNormalisation(block.norm2)
            self.attention = AttentionAsConvolution(attention, multiple)
            gate = DenseGate(block.feed_forward, block.norm2)
            self.gate, self.value = (
                Convolution(part.weight, part.bias, multiple=multiple)
                for part in (gate.gate, gate.value)
            )
            self.project = gate.project
        if self.branches != "attention":
            self.residuals = nn.ModuleList(
                Convolution(part.weight, part.bias, multiple=multiple)
                for residual in block.local_branch
                for part in (residual.first, residual.second)
            )
        joined = 2 if self.branches == "both" else 1
        self.join = Convolution(block.join.weight, maps=joined, multiple=multiple)

    def forward(self, *frames: Tensor) -> Tensor:
        """Maps in frames → ``(1, outputs, H, W)`` without one."""
        x = self.embed(*frames)
        features = []
        if self.branches != "convolution":
            features.append(self._global_branch(x))
        if self.branches != "attention":
            features.append(self._local_branch(x))
        joined: Tensor = self.join(*features)
        return joined

    def _global_branch(self, x: Tensor) -> Tensor:
        x = self.attention(self.norm1(x)).add_(x)
        normal = self.norm2(x)
        gated = functional.gelu(self.gate(normal)).mul_(self.value(normal))
        del normal
        gated = self.project(gated)
        return framed(x, lambda inside: torch.add(x, gated, out=inside))

    def _local_branch(self, x: Tensor) -> Tensor:
        around = frame(x)
        for number, convolution in enumerate(self.residuals):
            y = convolution(around)
            if number % 2 == 0:
                around = _rectified(y)
            else:
                y += x
                x, around = y, frame(y)
        return around


class ProcessorUFuser(nn.Module):
    """`UFuser.forward` for one pair on a processor.

    Args:
        network: What it is to equal; it is left as it is.
        dtype: Of weights and maps; attention's sums and the last convolution are float32.
    """

    def __init__(self, network: UFuser, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        network = copy.deepcopy(network)
        self.encoders = nn.ModuleList((network.infrared_encoder, network.visible_encoder))
        self.fusions, self.decoders, self.ups = network.fusions, network.decoders, network.ups
        coarsest = len(network.channels) - 1
        for encoder in (network.infrared_encoder, network.visible_encoder):
            self._rewrite(encoder.levels, network.multiple_of, [1] * (coarsest + 1))
        self._rewrite(self.fusions, network.multiple_of, [2] * (coarsest + 1))
        self._rewrite(self.decoders, network.multiple_of, [2] * coarsest + [1])
        last = network.last
        self.last = Convolution(last.weight, last.bias, multiple=network.multiple_of)
        self.eval().requires_grad_(False)
        self.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.last.float()

    def _rewrite(self, blocks: nn.ModuleList, multiple: int, maps: list[int]) -> None:
        """Exchanges the blocks of all levels, at the finest of which the width is a multiple."""
        for level, (block, number) in enumerate(zip(blocks, maps, strict=True)):
            half = self.dtype != torch.float32
            blocks[level] = ProcessorBlock(block, number, multiple >> level, half)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """``(1, 1, H, W)`` float32 each → the same; see `UFuser.forward`."""
        encoded = [
            self._encode(encoder, plane)
            for encoder, plane in zip(self.encoders, (infrared, visible), strict=True)
        ]
        fused = [frame(fusion(*pair)) for fusion, *pair in zip(self.fusions, *encoded, strict=True)]
        del encoded
        x = self.decoders[-1](fused.pop())
        for level in reversed(range(len(self.ups))):
            x = _rectified(self.ups[level](x))
            x = self.decoders[level](fused.pop(), x)
        return torch.sigmoid(self.last(frame(x, torch.float32)))

    def _encode(self, encoder: Any, plane: Tensor) -> list[Tensor]:
        """The features of one modality, in frames, finest first."""
        features = [frame(encoder.levels[0](frame(plane, self.dtype)))]
        for down, level in zip(encoder.downs, encoder.levels[1:], strict=True):
            x = functional.conv2d(features[-1], down.weight, stride=2)
            features.append(frame(level(frame(x))))
        return features


def _rectified(x: Tensor) -> Tensor:
    """The positive part of a map, in a frame."""
    return framed(x, lambda inside: torch.clamp_min(x, 0, out=inside))
