"""Images whose feature maps do not fit in memory: the same output, computed in strips.

Attention mixes the channels of a block by the cosines between them, which are sums over all pixels
(channel Gram matrices). They are the only thing in the U-Fuser that is not local, and a sum can be
taken strip by strip. So a block is computed in two passes over its input: the first sums its Gram
matrix, with which its attention becomes a plain 3×3 convolution; the second computes its output,
exactly, in strips. Level by level the output goes into a scratch file; the finest level, whose
attention is linear from the start, is computed anew where it is wanted instead.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emma_fusion.errors import UserError
from emma_fusion.networks.attention import (
    FoldedAttention,
    at_least_float32,
    head_sums,
    mixing_matrix,
    without_autocast,
)
from emma_fusion.networks.block import RestormerCNNBlock
from emma_fusion.networks.output import to_plane
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.runtimes.memory import give_back_memory, resident_memory
from emma_fusion.runtimes.rewritten import rewrite_gates
from emma_fusion.runtimes.strips import Computed, FeatureMap, PlaneMap, Stored
from emma_fusion.values.arrays import FloatArray

Progress = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1."""

# What a row sees of the rows beside it: the embedding and the joining convolution one each, and
# between them the four of the local branch (attention and gated network together have two).
BLOCK_HALO = 6
EMBEDDED_HALO = 2  # the embedding, and the convolution that makes q and k
MIN_ROWS, MAX_ROWS = 16, 128

# Bytes that a pass in fp32 needs at most, measured by `benchmarks/scale.py memory`; half precision
# needs less. A strip's maps have the rows of the halos of all that is computed anew for it.
_WHOLE_BYTES = 850  # for each pixel of an image that is fused as a whole
_STRIP_BYTES = 1100  # for each pixel of a strip at the finest level, and as much at every other
_HALOS = 40
_OVERHEAD = 64 * 2**20  # buffers of the convolutions, and what the allocator does not give back


@dataclass
class _Pass:
    """One pass over the rows of a map.

    Attributes:
        cost: Multiply-adds, about.
        height: Rows.
        strip: Does rows from the first up to the second number.
        finish: Is called when all rows are done.
    """

    cost: float
    height: int
    strip: Callable[[int, int], None]
    finish: Callable[[], None]


def fuse_large(
    network: UFuser,
    infrared: FloatArray,
    visible: FloatArray,
    *,
    rows: int,
    device: torch.device | None = None,
    scratch: Path | None = None,
    progress: Progress | None = None,
) -> FloatArray:
    """Fuse two planes in strips, with what the network gives for the whole (fp32: to about 1e-5).

    Time is linear in the number of pixels. Memory is, beside the planes, that of strips (see
    `choose_rows`); disk about 70 bytes a pixel in fp32, half of it in bf16.

    Args:
        network: A folded U-Fuser (see `UFuser.fold`).
        infrared: (H, W) float32 in [0, 1].
        visible: The same shape.
        rows: Of a strip.
        device: Where the network is; None is the CPU.
        scratch: Folder for the scratch files, None the system's for temporary files.
        progress: Is told how far it is.

    Returns:
        (H, W) float32 in (0, 1).

    Raises:
        UserError: The disk of the scratch files is full.
    """
    device = device or torch.device("cpu")
    network = copy.deepcopy(network)  # its attentions become those of this image
    rewrite_gates(network)
    if device.type == "cpu":
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fused = np.empty(visible.shape, np.float32)
    passes = _plan(network, (infrared, visible), fused, device, scratch)
    total, done = sum(task.cost for task in passes), 0.0
    while passes:  # a pass that is done is dropped, and with it the scratch file it was the last of
        task = passes.popleft()
        for start in range(0, task.height, rows):
            stop = min(start + rows, task.height)
            task.strip(start, stop)
            if progress:
                progress((done + task.cost * stop / task.height) / total)
        task.finish()
        done += task.cost
    if device.type == "cpu":
        give_back_memory()
    return fused


def choose_rows(
    network: UFuser, shape: tuple[int, int], limit: int, device: torch.device
) -> int | None:
    """How an image is to be fused so that the process stays within its memory.

    Args:
        network: The U-Fuser.
        shape: Height and width.
        limit: Bytes that the process may hold, its present ones included.
        device: Where the network is.

    Returns:
        None where the whole fits, else the rows of strips.

    Raises:
        UserError: Not even the smallest strips fit.
    """
    height, width = shape
    wide = network.channels[0] / 8
    pixels = height * width
    fused = 4 * pixels if device.type == "cpu" else 0
    budget = limit - resident_memory(device) - _OVERHEAD - fused
    if _WHOLE_BYTES * wide * pixels > budget and device.type == "cpu":
        give_back_memory()
        budget = limit - resident_memory(device) - _OVERHEAD - fused
    if _WHOLE_BYTES * wide * pixels <= budget:
        return None
    row = _STRIP_BYTES * wide * max(width, UFuser.minimum_size)
    rows = int(budget / row) - _HALOS
    if rows < MIN_ROWS:
        lacking = (MIN_ROWS + _HALOS) * row - budget
        raise UserError(
            f"An image of {width}x{height} pixels does not fit into {_in_gib(limit)}, even in "
            f"strips: give it {_in_gib(limit + lacking)} or more (--memory)."
        )
    return min(rows, MAX_ROWS)


def _in_gib(size: float) -> str:
    """A size, rounded up.

    >>> _in_gib(3.21 * 2**30)
    '3.3GiB'
    """
    return f"{math.ceil(size / 2**30 * 10) / 10:g}GiB"


def _plan(
    network: UFuser,
    planes: tuple[FloatArray, FloatArray],
    fused: FloatArray,
    device: torch.device,
    scratch: Path | None,
) -> deque[_Pass]:
    """The passes that `UFuser.forward` comes to, in order, the last of which writes `fused`."""
    passes: deque[_Pass] = deque()

    def stored(source: FeatureMap) -> FeatureMap:
        kept = Stored(source, scratch)
        passes.append(_Pass(source.cost, source.height, kept.fill, kept.complete))
        return kept

    def block(any_module: nn.Module, level: int, *sources: FeatureMap) -> FeatureMap:
        module = cast(RestormerCNNBlock, any_module)
        attention = getattr(module, "attention", None)
        if isinstance(attention, FoldedAttention) and not attention.linear:
            gram = _Gram(module, attention, sources)
            passes.append(_Pass(gram.cost, sources[0].height, gram.add, gram.settle))
        output = Computed(module, sources, BLOCK_HALO, weights=_weights(module))
        return stored(output) if level else output

    encoded: list[list[FeatureMap]] = []
    for encoder, plane in zip(
        (network.infrared_encoder, network.visible_encoder), planes, strict=True
    ):
        x: FeatureMap = PlaneMap(plane, network.multiple_of, network.minimum_size, device)
        features = [block(encoder.levels[0], 0, x)]
        for level, down in enumerate(encoder.downs, 1):
            x = stored(Computed(down, features[-1:], 1, weights=_weights(down), down=2))
            features.append(block(encoder.levels[level], level, x))
        encoded.append(features)
    both = [
        block(fusion, level, *sources)
        for level, (fusion, *sources) in enumerate(zip(network.fusions, *encoded, strict=True))
    ]
    coarsest = len(both) - 1
    x = block(network.decoders[coarsest], coarsest, both[coarsest])
    for level in reversed(range(coarsest)):
        up = network.ups[level]
        finer = Computed(_rectified(up), [x], 2, weights=_weights(up), up=2)
        x = block(network.decoders[level], level, finer, both[level])
    last = Computed(_output(network.last), [x], 1, weights=_weights(network.last))

    def write(start: int, stop: int) -> None:
        height, width = fused.shape
        strip = last.rows(start, stop)[0, 0, : max(height - start, 0), :width]
        fused[start:stop] = strip.float().cpu().numpy()

    passes.append(_Pass(last.cost, last.height, write, lambda: None))
    return passes


class _Gram:
    """The sums over all pixels that the attention of a block needs.

    Args:
        block: The block.
        attention: Its attention, which `settle` replaces.
        sources: The block's input.
    """

    def __init__(
        self,
        block: RestormerCNNBlock,
        attention: FoldedAttention,
        sources: tuple[FeatureMap, ...],
    ) -> None:
        self._block, self._attention = block, attention
        channels = attention.kernel.shape[1]
        self._gram: Tensor | float = 0.0
        kernel = attention.kernel[: 2 * channels]

        def embed(x: Tensor) -> Tensor:
            return functional.conv2d(block.norm1(block.embed(x)), kernel, padding=1)

        weights = kernel.numel() + _weights(block.embed)
        self._queries_keys = Computed(embed, sources, EMBEDDED_HALO, weights=weights)
        self.cost = self._queries_keys.cost

    def add(self, start: int, stop: int) -> None:
        """Add the rows from `start` up to `stop`."""
        rows = self._queries_keys.rows(start, stop).flatten(2)
        with without_autocast(rows):
            # Within a strip in float32, between strips in float64: there may be many.
            rows = at_least_float32(rows)
            self._gram = self._gram + (rows @ rows.mT).double()

    def settle(self) -> None:
        """Replace the attention by the convolution that it is for these sums."""
        attention, kernel = self._attention, self._attention.kernel
        channels = kernel.shape[1]
        sums = head_sums(torch.as_tensor(self._gram), attention.heads)
        (mixing,) = mixing_matrix(*sums, attention.scale, attention.project)
        with torch.device("meta"):  # no numbers are drawn for weights that are given
            settled = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        values = kernel[2 * channels :].double()
        settled.weight = nn.Parameter(
            torch.einsum("om,mihw->oihw", mixing, values).float(), requires_grad=False
        )
        self._block.attention = settled


def _rectified(up: nn.Module) -> Callable[[Tensor], Tensor]:
    def rectified(x: Tensor) -> Tensor:
        finer: Tensor = up(x)
        return finer.relu()

    return rectified


def _output(last: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    return lambda x: to_plane(last, x)


def _weights(module: nn.Module) -> int:
    """Numbers in a module that is applied at every pixel, which are its multiply-adds there."""
    return sum(tensor.numel() for tensor in (*module.parameters(), *module.buffers()))
