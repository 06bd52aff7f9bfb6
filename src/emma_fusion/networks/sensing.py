"""The pseudo-sensing network: a fused image in, what one sensor would have seen out."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from emma_fusion.networks.output import to_plane


class DoubleConv(nn.Sequential):
    """Two 3×3 convolutions, each with batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


def low_pass(x: Tensor, passes: int) -> Tensor:
    """Binomial low-pass: [1 2 1] / 4 along both axes, ``passes`` times, border reflected.

    One pass removes every pattern of period 2, as the optical low-pass filter before a real
    sensor does.

    Args:
        x: ``(B, C, H, W)``, H and W at least 2.
        passes: How often; 0 gives ``x`` back.

    Returns:
        The same shape.
    """
    if passes == 0:
        return x
    row = x.new_tensor([1.0, 2.0, 1.0]) / 4
    kernel = torch.outer(row, row).expand(x.shape[1], 1, 3, 3)
    for _ in range(passes):
        x = functional.conv2d(
            functional.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=x.shape[1]
        )
    return x


class SensingUNet(nn.Module):
    """A_i or A_v of EMMA: maps a fused plane to the infrared or the visible one.

    39,397,761 parameters at the paper's width 64; the cost grows with the square of the width.

    Args:
        width: Channels at the finest of the five scales.
        low_pass_passes: Low-pass filtering of the input (see `low_pass`); the paper has none.
    """

    multiple_of = 16
    """Height and width must be multiples of this."""

    def __init__(self, width: int = 64, low_pass_passes: int = 0) -> None:
        super().__init__()
        self.width = width
        self.low_pass_passes = low_pass_passes
        channels = [width * 2**level for level in range(5)]
        self.encoders = nn.ModuleList(
            DoubleConv(before, after)
            for before, after in zip([1, *channels[:-1]], channels, strict=True)
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1, bias=False)
            for fine, coarse in pairwise(channels)
        )
        self.decoders = nn.ModuleList(DoubleConv(2 * c, c) for c in channels[:-1])
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, fused: Tensor) -> Tensor:
        """Senses a batch of fused planes.

        Args:
            fused: ``(B, 1, H, W)`` in [0, 1]; H and W multiples of 16.

        Returns:
            What the sensor would see, ``(B, 1, H, W)`` in (0, 1).
        """
        x = low_pass(fused, self.low_pass_passes)
        skips = []
        for encoder in self.encoders[:-1]:
            x = encoder(x)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.encoders[-1](x)
        for level in reversed(range(len(self.ups))):
            x = torch.cat((self.ups[level](x).relu(), skips[level]), dim=1)
            x = self.decoders[level](x)
        return to_plane(self.last, x)
