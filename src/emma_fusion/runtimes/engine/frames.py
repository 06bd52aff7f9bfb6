"""Feature maps with a frame, and the convolutions that read them.

A frame is one more pixel on every side of a map, as a 3×3 convolution that pads by reflection wants
to see it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from emma_fusion.runtimes.engine.postops import Combine, Then, convolve, pack

# Numbers in a map: of fewer, padding by one slow operation is faster than by five fast ones.
_SMALL = 2**18


def frame(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A map in a frame that repeats it by reflection.

    Args:
        x: ``(B, C, H, W)``, H and W at least 2.
        dtype: Of the result, where it is to be another.

    Returns:
        ``(B, C, H + 2, W + 2)``, channels last in memory where `x` has them so.

    >>> frame(torch.arange(6.0).reshape(1, 1, 2, 3))[0, 0, 1]
    tensor([1., 0., 1., 2., 1.])
    """
    batch, channels, height, width = x.shape
    if x.numel() < _SMALL or min(height, width) < 6:
        return functional.pad(x.to(dtype or x.dtype), (1, 1, 1, 1), mode="reflect")
    framed = torch.empty(
        (batch, channels, height + 2, width + 2),
        dtype=dtype or x.dtype,
        device=x.device,
        memory_format=torch.channels_last,
    )
    framed[..., 1:-1, 1:-1].copy_(x)
    return mirror(framed)


def mirror(x: Tensor) -> Tensor:
    """A map in a frame of anything → in one that repeats it by reflection, as `frame` makes it.

    Args:
        x: ``(B, C, H + 2, W + 2)``, H and W at least 2. It may be changed.

    Returns:
        The same shape.

    >>> mirror(torch.nn.functional.pad(torch.arange(6.0).reshape(1, 1, 2, 3), (1,) * 4))[0, 0, 1]
    tensor([1., 0., 1., 2., 1.])
    """
    height, width = x.shape[-2:]
    if min(height, width) < 8:
        return frame(x[..., 1:-1, 1:-1])
    # The first and the last at once: each is the step of a slice away from the other.
    x[:, :, :: height - 1] = x[:, :, 2 :: height - 5]
    x[..., :: width - 1] = x[..., 2 :: width - 5]
    return x


def lanes() -> int:
    """Numbers that a vector of this processor holds in a convolution."""
    return 16 if "AVX512" in torch.backends.cpu.get_cpu_capability() else 8


def widened(weight: Tensor, at_once: int) -> Tensor:
    """The weight of a convolution that computes neighbouring pixels at once; see `Convolution`.

    Args:
        weight: ``(O, C, k, k)``.
        at_once: The number n of pixels.

    Returns:
        ``(n·O, C, k, k - 1 + n)``, or for 1×1 ``(n·O, n·C, 1, 1)``.

    >>> widened(torch.full((1, 1, 1, 1), 5.0), 2)[..., 0, 0]
    tensor([[5., 0.],
            [0., 5.]])
    """
    outputs, channels, height, width = weight.shape
    wide = weight.new_zeros(at_once, outputs, channels, height, width - 1 + at_once)
    for place in range(at_once):
        wide[place, ..., place : place + width] = weight
    if width == 1:  # the pixels of a row become channels, before the channels of each
        wide = wide.permute(0, 1, 4, 2, 3).reshape(at_once, outputs, at_once * channels, 1, 1)
    return wide.flatten(0, 1)


class Convolution(nn.Module):
    """A convolution with few outputs, and of several maps without concatenating them.

    Where the output channels are fewer than the numbers in a vector, most of it would be empty. So
    n neighbouring pixels are computed at once, as the n·O channels of a convolution with a kernel
    of k × (k - 1 + n) and a stride of n along the rows. With channels last, what it gives lies in
    memory as the map of O channels does.

    A 1×1 convolution of n pixels at once would have a kernel of 1×n, and with those PyTorch 2.13
    is wrong in bf16 on processors with AMX. It reads n pixels as one of n·C channels instead, which
    with channels last is the same memory, and stays a 1×1 convolution.

    Args:
        weight: ``(O, C, k, k)``.
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
        outputs, _, _, side = weight.shape
        self.at_once = max(1, min(multiple, lanes() // outputs))
        self.pointwise = side == 1
        self.stride = (1, 1 if self.pointwise else self.at_once)
        self.padding = (padding, padding)
        self.weights = nn.ParameterList(
            nn.Parameter(widened(part, self.at_once), requires_grad=False)
            for part in weight.detach().chunk(maps, dim=1)
        )
        self.bias = None
        if bias is not None:
            self.bias = nn.Parameter(bias.repeat(self.at_once), requires_grad=False)
        self._packed: list[Tensor] = []

    def pack(self) -> None:
        """Lays the weights out as the processor takes them; to be called when they are final."""
        self._packed = [pack(weight, self.stride, self.padding) for weight in self.weights]

    def forward(
        self,
        *maps: Tensor,
        then: Then | None = None,
        combine: Combine = "add",
        other: Tensor | None = None,
    ) -> Tensor:
        """``(B, C / maps, H, W)`` each → ``(B, O, H', W')``, smaller by k - 1 without padding.

        `then`, `combine` and `other` are `postops.convolve`'s, for a convolution of one map.
        """
        x = None if other is None else self._wide(other)
        bias: Tensor | None = self.bias
        for part, weight in zip(maps, self._packed or self.weights, strict=True):
            x = convolve(
                self._wide(part) if self.pointwise else part,
                weight,
                bias,
                stride=self.stride,
                padding=self.padding,
                then=then,
                combine=combine,
                other=x,
            )
            bias = None
        if x is None:
            raise ValueError("A convolution of no map.")
        return self._narrow(x)

    def _wide(self, x: Tensor) -> Tensor:
        """A map as the convolution makes it, with neighbouring pixels as channels."""
        if self.at_once == 1:
            return x
        batch, channels, height, width = x.shape
        pixels = (batch, height, width // self.at_once, channels * self.at_once)
        return x.permute(0, 2, 3, 1).reshape(pixels).permute(0, 3, 1, 2)

    def _narrow(self, x: Tensor) -> Tensor:
        """`_wide` undone."""
        if self.at_once == 1:
            return x
        batch, channels, height, width = x.shape
        pixels = (batch, height, width * self.at_once, channels // self.at_once)
        return x.permute(0, 2, 3, 1).reshape(pixels).permute(0, 3, 1, 2)
