"""Feature maps with a frame, and the 3×3 convolutions that read them.

A frame is one more pixel on every side of a map, as a convolution that pads by reflection wants to
see it. Padding a finished map is one more pass over it; here the operation that makes the map
writes it into its frame, of which only the border is then left to do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Fill = Callable[[Tensor], object]
"""Writes all values of the tensor that it is given."""


def framed(like: Tensor, fill: Fill, dtype: torch.dtype | None = None) -> Tensor:
    """A map in a frame that repeats it by reflection.

    Args:
        like: ``(B, C, H, W)``, H and W at least 2; the map is of this shape and dtype.
        fill: Writes the map.
        dtype: Of the map, where it is another.

    Returns:
        ``(B, C, H + 2, W + 2)``, channels last in memory.

    >>> x = torch.arange(6.0).reshape(1, 1, 2, 3)
    >>> framed(x, lambda inside: torch.mul(x, 2, out=inside))[0, 0, 1]
    tensor([2., 0., 2., 4., 2.])
    """
    batch, channels, height, width = like.shape
    frame = torch.empty(
        (batch, channels, height + 2, width + 2),
        dtype=dtype or like.dtype,
        device=like.device,
        memory_format=torch.channels_last,
    )
    fill(frame[..., 1:-1, 1:-1])
    frame[:, :, 0] = frame[:, :, 2]
    frame[:, :, -1] = frame[:, :, -3]
    frame[..., 0] = frame[..., 2]
    frame[..., -1] = frame[..., -3]
    return frame


def frame(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A finished map in a frame; see `framed`."""
    return framed(x, lambda inside: inside.copy_(x), dtype)


def lanes() -> int:
    """Numbers that a vector of this processor holds in a convolution."""
    return 16 if "AVX512" in torch.backends.cpu.get_cpu_capability() else 8


class Convolution(nn.Module):
    """A 3×3 convolution with few outputs, and of several maps without concatenating them.

    Where the output channels are fewer than the numbers in a vector, most of it would be empty. So
    n neighbouring pixels are computed at once, as the n·O channels of a convolution with a kernel
    of 3 × (2 + n) and a stride of n along the rows. With channels last, what it gives lies in
    memory as the map of O channels does.

    Args:
        weight: ``(O, C, 3, 3)``.
        bias: ``(O,)``, or None.
        maps: How many maps of C / maps channels it takes.
        multiple: The width of the output is a multiple of this power of two.
        padding: Zeros on every side: 0 for maps in a frame, 1 for maps without.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        maps: int = 1,
        multiple: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__()
        outputs = weight.shape[0]
        self.at_once = max(1, min(multiple, lanes() // outputs))
        self.padding = padding
        wide = weight.new_zeros(self.at_once, *weight.shape[:3], 2 + self.at_once)
        for place in range(self.at_once):
            wide[place, ..., place : place + 3] = weight
        self.weights = nn.ParameterList(
            nn.Parameter(part.clone(), requires_grad=False)
            for part in wide.flatten(0, 1).chunk(maps, dim=1)
        )
        self.bias = None
        if bias is not None:
            self.bias = nn.Parameter(bias.repeat(self.at_once), requires_grad=False)

    def forward(self, *maps: Tensor) -> Tensor:
        """``(B, C / maps, H, W)`` each → ``(B, O, H', W')``, smaller by 2 without padding."""
        x: Tensor | None = None
        for part, weight in zip(maps, self.weights, strict=True):
            if x is None:
                x = self._convolve(part, weight, self.bias)
            else:
                x += self._convolve(part, weight, None)
        if x is None:
            raise ValueError("A convolution of no map.")
        if self.at_once == 1:
            return x
        batch, channels, height, width = x.shape
        pixels = (batch, height, width * self.at_once, channels // self.at_once)
        return x.permute(0, 2, 3, 1).reshape(pixels).permute(0, 3, 1, 2)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return functional.conv2d(x, weight, bias, stride=(1, self.at_once), padding=self.padding)
