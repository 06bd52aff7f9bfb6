"""PyTorch as a runtime, on any device: the default."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emma_fusion.networks.copies import inference_copy, is_unchanged
from emma_fusion.networks.fast import FastFuser
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.runtimes.memory import give_back_memory
from emma_fusion.runtimes.rewritten import rewrite

PRECISIONS = {
    "fp32": torch.float32,
    "tf32": torch.float32,  # of which products keep 11 significant bits: see `device.tf32`
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}

# Pixels: the memory of a larger image is not kept for the next.
_MANY = 2**21


class TorchRuntime:
    """A network in PyTorch.

    On a CPU a U-Fuser is rewritten (see `rewritten`); half precision is under autocast. A subclass
    of a network, or one with forward hooks, is run as it is.

    Args:
        network: Folded or not; a copy of it is used.
        device: Where it is to run.
        precision: One of `PRECISIONS`.
    """

    def __init__(self, network: nn.Module, device: torch.device, precision: str) -> None:
        self.device, self.dtype = device, PRECISIONS[precision]
        if not is_unchanged(network) or not isinstance(network, UFuser | FastFuser):
            self._network = inference_copy(network).to(device)
        elif device.type == "cpu":
            rewritten = rewrite(network.fold(), by_convolutions=False)
            self._network = rewritten.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        else:
            self._network = network.fold().to(device)

    def __call__(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuses one pair.

        Args:
            infrared: ``(1, 1, H, W)`` float32 in [0, 1] on the device, H and W as it allows.
            visible: The same.

        Returns:
            ``(1, 1, H, W)`` float32.
        """
        # Said either way, as the caller may have it on.
        half = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype, enabled=half):
            fused: Tensor = self._network(infrared, visible)
        if self.device.type == "cpu" and visible.numel() > _MANY:
            give_back_memory()
        return fused.float()
