"""Convolutions that do what follows them on the way out, instead of in one more pass over the map.

oneDNN calls it post-operations. PyTorch has them as operators for its compiler, under names that it
does not promise to keep; so they are tried once (`available`), and where they are missing or give
anything else, the engine is not used.
"""

from __future__ import annotations

import functools
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

Then = Literal["relu", "gelu"]
Combine = Literal["add", "mul"]
Pair = tuple[int, int]


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    then: Then | None = None,
    combine: Combine = "add",
    other: Tensor | None = None,
) -> Tensor:
    """``then(x * weight + bias)``, or where there is another map, that combined with it.

    Args:
        x: ``(B, C, H, W)``.
        weight: ``(O, C, h, w)``, or what `pack` made of it.
        bias: ``(O,)``.
        stride: Down and to the right.
        padding: Zeros, at the top and bottom and at the sides.
        then: What is applied to the convolution; not together with `other`.
        combine: How `other` is joined to the convolution.
        other: Of the output's shape; left as it is.

    Returns:
        ``(B, O, H', W')``.

    >>> x, weight = torch.tensor([[[[1.0, 2.0]]]]), torch.full((1, 1, 1, 1), -3.0)
    >>> convolve(x, weight, then="relu"), convolve(x, weight, combine="mul", other=x)
    (tensor([[[[0., 0.]]]]), tensor([[[[ -3., -12.]]]]))
    """
    operator: Any = torch.ops.mkldnn._convolution_pointwise
    layout = (padding, stride, (1, 1), 1)
    y: Tensor
    if other is None:
        attribute, algorithm = then or "none", "none" if then == "gelu" else ""
        y = operator(x, weight, bias, *layout, attribute, [], algorithm)
    else:
        y = operator.binary(x, other, weight, bias, *layout, combine, None, None, [], None)
    return y


def pack(weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """A weight laid out as `convolve` takes it, which would otherwise be done in every call.

    Args:
        weight: ``(O, C, h, w)``.
        stride: With which it will be used.
        padding: With which it will be used.

    Returns:
        What only `convolve` can read.
    """
    operator: Any = torch.ops.mkldnn._reorder_convolution_weight
    size = (1, weight.shape[1], 64, 64)  # it may depend on the map's, but hardly does
    packed: Tensor = operator(weight.detach(), padding, stride, (1, 1), 1, size)
    return packed


def upsample(x: Tensor, weight: Tensor, *, stride: Pair, padding: Pair) -> Tensor:
    """The positive part of a transposed convolution.

    Args:
        x: ``(B, C, H, W)``.
        weight: ``(C, O, h, w)``.
        stride: Down and to the right.
        padding: As `torch.nn.ConvTranspose2d` has it.

    Returns:
        ``(B, O, H', W')``.
    """
    operator: Any = torch.ops.mkldnn._convolution_transpose_pointwise
    y: Tensor = operator(x, weight, None, padding, (0, 0), stride, (1, 1), 1, "relu", [], "")
    return y


@functools.cache
def available(dtype: torch.dtype) -> bool:
    """Whether this PyTorch and processor have the operators for a dtype, and they do as here."""
    generator = torch.Generator().manual_seed(0)
    x, weight, other = (
        torch.randn(shape, generator=generator).to(dtype, memory_format=torch.channels_last)
        for shape in ((1, 8, 6, 8), (16, 8, 3, 3), (1, 16, 4, 6))
    )
    transposed = torch.randn((16, 8, 4, 4), generator=generator).to(dtype)
    expected = functional.conv2d(x.float(), weight.float())
    wanted = [expected.relu(), functional.gelu(expected), expected + other, expected * other]
    wanted.append(functional.conv_transpose2d(other.float(), transposed.float(), None, 2, 1).relu())
    layout: dict[str, Pair] = {"stride": (1, 1), "padding": (0, 0)}
    try:
        got = [
            convolve(x, pack(weight, **layout), then="relu"),
            convolve(x, weight, then="gelu"),
            convolve(x, weight, combine="add", other=other),
            convolve(x, weight, combine="mul", other=other),
            upsample(other, transposed, stride=(2, 2), padding=(1, 1)),
        ]
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
    close = 8 * torch.finfo(dtype).eps
    return all(
        one.dtype == dtype
        and one.shape == two.shape
        and torch.allclose(one.float(), two, rtol=close, atol=close)
        for one, two in zip(got, wanted, strict=True)
    )
