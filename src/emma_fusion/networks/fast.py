"""A slim network that imitates the U-Fuser in real time; learned by distillation, not in the paper.

What the U-Fuser does to a pair is of two kinds: how bright and how strong in contrast the fused
image is, which depends on the whole pair but is smooth, and which source's detail is kept, which
is decided in small neighbourhoods. So most of the work is done at half and smaller sizes, and the
sources' detail comes to that as a sum of a few filtered copies, each with its own weight at every
place:

    f = sigmoid(o + Σ_k g_k · (w_k * (i, v)))

with filters w_k that are the same everywhere and, from a small U-shaped network, offsets o and
weights g_k. The filters sum to zero over each source: brightness is the offsets' alone, or the
weights would have to be right everywhere just for that, and learning takes several times as long.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (16, 32, 48, 64)
FILTERS = 4


def conv3x3(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    """A 3×3 convolution that sees the border's values go on beyond it; zeros leave bright edges."""
    return nn.Conv2d(before, after, 3, stride=stride, padding=1, padding_mode="replicate")


class Residual(nn.Module):
    """Two 3×3 convolutions around which the input is added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv3x3(channels, channels)
        self.second = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` → the same shape."""
        return torch.relu(x + self.second(self.first(x).relu()))


class Context(nn.Module):
    """Scales and shifts channels by what is known of the whole image: their mean and RMS.

    As in squeeze-and-excitation (Hu et al., CVPR 2018), with a second statistic, for contrast, and
    a shift, for brightness.
    """

    def __init__(self, channels: int, hidden: int = 32) -> None:
        super().__init__()
        self.squeeze = nn.Linear(2 * channels, hidden)
        self.excite = nn.Linear(hidden, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` → the same shape."""
        mean, rms = x.mean((2, 3)), (x.square().mean((2, 3)) + 1e-6).sqrt()
        code = self.squeeze(torch.cat((mean, rms), dim=1)).relu()
        scale, shift = self.excite(code)[:, :, None, None].chunk(2, dim=1)
        return torch.relu(x * (1 + scale) + shift)


class FastFuser(nn.Module):
    """Fuses an infrared and a visible plane for a fourteenth of the folded U-Fuser's work.

    Takes and gives what `emma_fusion.networks.UFuser` does.

    Args:
        channels: Channels at half size, a quarter, and so on; at least two.
        number_of_filters: How many filtered copies of the sources are summed up.
    """

    minimum_size = 16
    """Height and width must be at least this."""
    supports_half = True
    """Whether fp16 is right: no value on the way comes near 65504, where it ends."""

    def __init__(
        self, channels: tuple[int, ...] = CHANNELS, number_of_filters: int = FILTERS
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.number_of_filters = number_of_filters
        self.multiple_of = 2 ** len(channels)
        """Height and width must be multiples of this (see `emma_fusion.networks.padding`)."""
        finest, *coarser = self.channels
        self.first = nn.Conv2d(8, finest, 3)
        self.downs = nn.ModuleList(
            conv3x3(fine, coarse, stride=2) for fine, coarse in pairwise(self.channels)
        )
        self.blocks = nn.ModuleList(Residual(c) for c in coarser)
        # At the coarse scales alone, where statistics cost little.
        self.contexts = nn.ModuleList(Context(c) for c in coarser[1:])
        self.ups = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(self.channels)
        )
        self.decoders = nn.ModuleList(conv3x3(c, c) for c in self.channels[:-1])
        self.weights = conv3x3(finest, 4 * number_of_filters + 4)
        self.filters = nn.Conv2d(8, 4 * number_of_filters, 3, bias=False)

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuses a batch of pairs.

        Args:
            infrared: ``(B, 1, H, W)`` in [0, 1]; H and W multiples of ``multiple_of``.
            visible: The same shape.

        Returns:
            The fused planes, ``(B, 1, H, W)`` in (0, 1).
        """
        # Each 2×2 pixels become channels: full-size features would cost more time than they help.
        pixels = functional.pixel_unshuffle(torch.cat((infrared, visible), dim=1), 2)
        pixels = functional.pad(pixels, (1, 1, 1, 1), mode="replicate")
        x = self.first(pixels).relu()
        features = [x]
        for level, (down, block) in enumerate(zip(self.downs, self.blocks, strict=True)):
            x = block(down(x).relu())
            if level > 0:
                x = self.contexts[level - 1](x)
            features.append(x)
        for level in reversed(range(len(self.ups))):
            x = functional.interpolate(self.ups[level](x), scale_factor=2, mode="bilinear")
            x = self.decoders[level]((x + features[level]).relu()).relu()
        if x.dtype not in (torch.bfloat16, torch.float16):
            return self._blend(x, pixels)
        # Under autocast the filters would see the sources rounded to 8 or 11 bits.
        with torch.autocast(x.device.type, enabled=False):
            return self._blend(x.float(), pixels.float())

    def _blend(self, x: Tensor, pixels: Tensor) -> Tensor:
        """The sum of offsets and weighted filtered sources, at full size again."""
        maps = self.weights(x)
        offset, weights = maps[:, :4], maps[:, 4:]  # a split would be a sequence in ONNX
        kernels = self.filters.weight.reshape(-1, 2, 4, 3, 3)  # of either source, its 2×2 pixels
        kernels = (kernels - kernels.mean((2, 3, 4), keepdim=True)).flatten(1, 2)
        weighted = weights * functional.conv2d(pixels, kernels)
        fused = offset + weighted.unflatten(1, (self.number_of_filters, 4)).sum(dim=1)
        return torch.sigmoid(functional.pixel_shuffle(fused, 2))

    def fold(self) -> FastFuser:
        """The form for inference.

        Returns:
            A copy in eval mode without gradients, its weights laid out as CPUs like them.
        """
        folded = copy.deepcopy(self).eval().requires_grad_(False)
        folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return folded
