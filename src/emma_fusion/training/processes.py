"""What makes several processes train as one: the same gradients and the same statistics.

Fabric's own way (`Fabric.setup`, which wraps a network in `DistributedDataParallel`) does not
serve: the losses call the networks several times in a step, and the search for the worst image
(`emma_fusion.training.robust`) takes its gradient by `torch.autograd.grad`, which that wrapper
does not know. PyTorch's `SyncBatchNorm` refuses tensors on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce


def average_gradients(fabric: Fabric, parameters: Iterable[nn.Parameter]) -> None:
    """Replaces each gradient by its mean over all processes."""
    if fabric.world_size == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat: Any = fabric.all_reduce(torch.cat([g.reshape(-1) for g in gradients]), reduce_op="mean")
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view(gradient.shape))


def share(batch: int, fabric: Fabric) -> slice:
    """This process's part of a global batch."""
    part = batch // fabric.world_size
    return slice(fabric.global_rank * part, (fabric.global_rank + 1) * part)


def _sum(x: Tensor) -> Tensor:
    """The sum over all processes, through which gradients flow."""
    total: Tensor = all_reduce(x)  # type: ignore[no-untyped-call]
    return total


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` → the same shape."""
        if not (self.training and distributed.is_initialized()):
            return super().forward(x)
        # Under autocast x may be half: sums over a batch need all the digits of float32.
        kind, x = x.dtype, x.float()
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        mean = _sum(x.sum((0, 2, 3))) / count
        variance = _sum(((x - mean[:, None, None]) ** 2).sum((0, 2, 3))) / count
        with torch.no_grad():
            momentum = 0.1 if self.momentum is None else self.momentum
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        normalised: Tensor = (x - mean[:, None, None]) * scale[:, None, None]
        return (normalised + self.bias[:, None, None]).to(kind)


def share_statistics(network: nn.Module) -> None:
    """Makes the batch normalisations of a network take their statistics over all processes."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d
