"""The attention of a Restormer-CNN block, between channels and over all pixels.

Each channel of the values becomes a mixture of the channels of its head. How they mix depends on
the image only through sums over all pixels, the Gram matrix of queries and keys: their products and
their norms. So every form of the attention here, in the portable network, in the engine and in
strips takes these sums in its own way, and `mixing_matrix` does the rest.

The sums are always float32 or more. Of a million pixels they are far above 65504, where fp16 ends.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

HEADS = 8


def mixing_matrix(
    products: Tensor, query_norms: Tensor, key_norms: Tensor, scale: Tensor, project: Tensor
) -> Tensor:
    """What softmax attention and the projection after it do to the values of each pixel.

    The attention of a head is the softmax of the cosines between its queries and keys, times its
    scale. Mixing within heads and the 1×1 convolution that follows are one matrix.

    Args:
        products: Sums over all pixels of each query times each key of its head,
            ``(B, heads, c, c)``, float32 or float64.
        query_norms: Roots of the sums of squares of the queries, ``(B, heads, c)``.
        key_norms: The same of the keys.
        scale: One learned factor a head, ``(heads, 1, 1)``.
        project: Weight of the projection, ``(C, C, 1, 1)`` with C = heads · c.

    Returns:
        ``(B, C, C)``, of the dtype of `products`.
    """
    norms = query_norms.unsqueeze(-1) * key_norms.unsqueeze(-2)
    cosines = products / norms.clamp_min(1e-12)
    attention = (cosines * scale.to(cosines.dtype)).softmax(dim=-1)
    return project.flatten(1).to(cosines.dtype) @ block_diagonal(attention)


def block_diagonal(blocks: Tensor) -> Tensor:
    """``(B, heads, c, c)`` → ``(B, heads·c, heads·c)``, zero between different heads."""
    batch, heads, width, _ = blocks.shape
    same_head = torch.eye(heads, device=blocks.device, dtype=blocks.dtype)
    placed = torch.einsum("bhij,hg->bhigj", blocks, same_head)
    return placed.reshape(batch, heads * width, heads * width)


def at_least_float32(x: Tensor) -> Tensor:
    """A half-precision tensor as float32, any other as it is."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def without_autocast(x: Tensor) -> torch.autocast:
    """A context in which sums over a tensor keep their dtype, whatever the caller asked for."""
    # The device "meta", for counting operations, has no autocast to turn off.
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)


def attend(qkv: Tensor, scale: Tensor, project: Tensor, heads: int) -> Tensor:
    """Mixes the values by the cosines of queries and keys, then projects.

    Args:
        qkv: Queries, keys and values, ``(B, 3C, H, W)``.
        scale: See `mixing_matrix`.
        project: See `mixing_matrix`.
        heads: Number of heads; divides C.

    Returns:
        ``(B, C, H, W)``.
    """
    batch, channels, height, width = qkv.shape
    shape = (batch, 3, heads, channels // (3 * heads), height * width)
    queries, keys, values = qkv.reshape(shape).unbind(1)
    with without_autocast(qkv):
        queries, keys = at_least_float32(queries), at_least_float32(keys)
        norms = queries.norm(dim=-1), keys.norm(dim=-1)
        mixing = mixing_matrix(queries @ keys.transpose(-1, -2), *norms, scale, project)
    mixed = mixing.to(values.dtype) @ values.flatten(1, 2)
    return mixed.reshape(batch, channels // 3, height, width)


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
        if not self.merged:
            qkv = self.spread(self.expand(x))
        else:
            qkv = functional.conv2d(x, self.kernel(), padding=1)
            if self.linear:
                return qkv
        return attend(qkv, self.scale, self.project.weight, self.heads)


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
        mixed = functional.conv2d(x, self.kernel, padding=1)
        return mixed if self.linear else attend(mixed, self.scale, self.project, self.heads)


class GramAttention(FoldedAttention):
    """`FoldedAttention` with the pixels as rows, as they lie in memory when channels come last.

    All sums come from one product of a matrix with itself, which is faster than one for each head.

    Args:
        attention: What it is to equal.
    """

    def __init__(self, attention: FoldedAttention) -> None:
        nn.Module.__init__(self)
        self.heads, self.linear = attention.heads, attention.linear
        for name, buffer in attention.named_buffers():
            self.register_buffer(name, buffer.clone())

    def forward(self, x: Tensor) -> Tensor:
        """As `FoldedAttention.forward`."""
        mixed = functional.conv2d(x, self.kernel, padding=1)
        if self.linear:
            return mixed
        batch, channels, height, width = x.shape
        rows = mixed.permute(0, 2, 3, 1).reshape(batch, height * width, 3 * channels)
        with without_autocast(rows):
            queries_keys = at_least_float32(rows[..., : 2 * channels])
            mixing = self.mixing(queries_keys.transpose(1, 2) @ queries_keys)
        mixed = rows[..., 2 * channels :] @ mixing.to(rows.dtype).transpose(1, 2)
        return mixed.reshape(batch, height, width, channels).permute(0, 3, 1, 2)

    def mixing(self, gram: Tensor) -> Tensor:
        """The `mixing_matrix` for the Gram matrix of queries and keys, ``(B, 2C, 2C)`` float32."""
        return mixing_matrix(*head_sums(gram, self.heads), self.scale, self.project)


def head_sums(gram: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """The first three arguments of `mixing_matrix`, from one Gram matrix of all heads.

    Args:
        gram: Sums over all pixels of the products of queries and keys, ``(B, 2C, 2C)``.
        heads: Number of heads; divides C.
    """
    batch, doubled, _ = gram.shape
    channels, width = doubled // 2, doubled // (2 * heads)
    norms = gram.diagonal(dim1=1, dim2=2).sqrt().reshape(batch, 2, heads, width)
    products = gram[:, :channels, channels:].reshape(batch, heads, width, heads, width)
    return products.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2), norms[:, 0], norms[:, 1]
