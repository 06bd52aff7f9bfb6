"""The U-Fuser for a processor in PyTorch: few passes over the maps, and full vectors.

The same function as `UFuser.forward`. Blocks are rewritten as in `rewritten`; convolutions do what
follows them on the way (see `postops`), and take maps without concatenating them (see `frames`);
and where the attention depends on the image it becomes a convolution as soon as its sums are
known, so that there is no map of values to mix.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from emma_fusion.networks.attention import ChannelAttention, FoldedAttention, GramAttention
from emma_fusion.networks.block import ChannelLayerNorm
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.runtimes.engine.frames import Convolution, frame, mirror
from emma_fusion.runtimes.engine.postops import convolve, upsample
from emma_fusion.runtimes.rewritten import DenseGate

# In half precision, fewer channels are normalised by convolutions.
_MANY = 32


class AttentionAsConvolution(GramAttention):
    """`FoldedAttention` of one image: a 3×3 convolution, once it is known what it mixes.

    Args:
        attention: What it is to equal.
        multiple: See `Convolution`.
    """

    def __init__(self, attention: FoldedAttention, multiple: int) -> None:
        super().__init__(attention)
        channels = attention.kernel.shape[1]
        if self.linear:
            self.convolution = Convolution(attention.kernel, multiple=multiple, padding=1)
        else:
            self.queries_keys = Convolution(attention.kernel[: 2 * channels], padding=1)

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """As `FoldedAttention.forward`, for a batch of one, plus another map."""
        if self.linear:
            linear: Tensor = self.convolution(x, other=plus)
            return linear
        channels = x.shape[1]
        rows = self.queries_keys(x).permute(0, 2, 3, 1).reshape(-1, 2 * channels)
        # Of two matrices: with a batch, even of one, it takes several times as long. In bf16, whose
        # range is float32's, the sums are float32 too and rounded at the end alone.
        mixing = self.mixing((rows.t() @ rows).float()[None])[0]
        values = self.kernel[2 * channels :]
        kernel = (mixing @ values.flatten(1).float()).reshape(values.shape)
        return convolve(x, kernel.to(x.dtype), padding=(1, 1), other=plus)


class ProcessorNormalisation(nn.Module):
    """`ChannelLayerNorm` by convolutions: of few channels they take a fifth of its time.

    With x = c + m, where m is the mean of a pixel's channels, their variance is the mean of x·c, as
    that of m·c is zero: c is multiplied where it is made, and never stored. What is divided by the
    root of it is x. Scale and shift take the mean off; without them, that is left to what follows.

    Args:
        norm: What it is to equal.
        multiple: See `Convolution`.
        affine: Whether to scale and shift; else the result is off by a number for each pixel.
    """

    def __init__(self, norm: ChannelLayerNorm, multiple: int, affine: bool) -> None:
        super().__init__()
        channels = norm.weight.numel()
        mean = torch.full((1, channels), 1 / channels)
        centre = torch.eye(channels) - mean
        self.centre, self.mean, self.repeat = (
            Convolution(weight[..., None, None], bias, multiple=multiple)
            for weight, bias in (
                (centre, None),
                (mean, torch.full((1,), norm.eps)),
                (torch.ones(channels, 1), None),
            )
        )
        self.epsilon = norm.eps
        self.affine = None
        if affine:
            weight = (norm.weight.detach()[:, None] * centre)[..., None, None]
            self.affine = Convolution(weight, norm.bias.detach(), multiple=multiple)

    def forward(self, x: Tensor) -> Tensor:
        """``(1, C, H, W)`` → the same shape."""
        variance = self.mean(self.centre(x, combine="mul", other=x))
        # In half precision, that of equal channels can come out below zero.
        inverse = variance.clamp_min_(self.epsilon).rsqrt_()
        scaled: Tensor = self.repeat(inverse, combine="mul", other=x)
        return scaled if self.affine is None else self.affine(scaled)


class ProcessorBlock(nn.Module):
    """A `RestormerCNNBlock` of maps in frames.

    Args:
        block: What it is to equal.
        maps: How many maps it takes, which the block has concatenated.
        multiple: See `Convolution`.
        half: Whether it will be in half precision.
    """

    def __init__(self, block: Any, maps: int, multiple: int, half: bool) -> None:
        super().__init__()
        self.branches = block.branches
        self.embed = Convolution(block.embed.weight, maps=maps, multiple=multiple)
        if self.branches != "convolution":
            attention = block.attention
            if isinstance(attention, ChannelAttention):
                attention = FoldedAttention(attention)
            channels = block.norm1.weight.numel()
            # Padding with zeros, attention sees a shift end at the border; the gated network takes
            # scale and shift over.
            self.norm1 = block.norm1
            self.norm2: nn.Module = ChannelLayerNorm(
                channels, block.norm2.eps, elementwise_affine=False
            )
            if half and channels < _MANY:
                self.norm1 = ProcessorNormalisation(block.norm1, multiple, affine=True)
                self.norm2 = ProcessorNormalisation(block.norm2, multiple, affine=False)
            self.attention = AttentionAsConvolution(attention, multiple)
            gate = DenseGate(block.feed_forward, block.norm2)
            # `ProcessorNormalisation` leaves the mean in; where it is gone, this changes nothing.
            self.gate, self.value = (
                Convolution(
                    part.weight - part.weight.mean(dim=1, keepdim=True),
                    part.bias,
                    multiple=multiple,
                )
                for part in (gate.gate, gate.value)
            )
            self.project = Convolution(gate.project.weight, multiple=multiple)
        if self.branches != "attention":
            self.firsts, self.seconds = nn.ModuleList(), nn.ModuleList()
            even = min(multiple, 2)  # is all that a frame leaves of a width's multiple
            for residual in block.local_branch:
                for kept, part in ((self.firsts, residual.first), (self.seconds, residual.second)):
                    kept.append(Convolution(part.weight, part.bias, multiple=even, padding=1))
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
        x = self.attention(self.norm1(x), x)
        normal = frame(self.norm2(x))
        gated = self.value(normal, combine="mul", other=self.gate(normal, then="gelu"))
        del normal
        return frame(self.project(gated, other=x))

    def _local_branch(self, x: Tensor) -> Tensor:
        x = frame(x)
        for first, second in zip(self.firsts, self.seconds, strict=True):
            x = mirror(second(mirror(first(x, then="relu")), other=x))
        return x


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
        for module in self.modules():
            if isinstance(module, Convolution):
                module.pack()

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
            up: Any = self.ups[level]
            x = frame(upsample(x, up.weight, stride=up.stride, padding=up.padding))
            x = self.decoders[level](x, fused.pop())
        return torch.sigmoid(self.last(frame(x, torch.float32)))

    def _encode(self, encoder: Any, plane: Tensor) -> list[Tensor]:
        """The features of one modality, in frames, finest first."""
        features = [frame(encoder.levels[0](frame(plane, self.dtype)))]
        for down, level in zip(encoder.downs, encoder.levels[1:], strict=True):
            x = functional.conv2d(features[-1], down.weight, stride=2)
            features.append(frame(level(frame(x))))
        return features
