"""PyTorch as a runtime, and the form in which a network is fastest there."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emma_fusion.networks.ufuser import UFuser
from emma_fusion.runtimes.memory import give_back_memory, keep_freed_memory
from emma_fusion.runtimes.processor import ProcessorUFuser
from emma_fusion.runtimes.rewritten import rewrite

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# Pixels: the memory of a larger picture is not kept for the next.
_MANY = 2**21


class TorchRuntime:
    """A network in PyTorch.

    On a CPU a U-Fuser is a `ProcessorUFuser`, in bf16 with weights and maps that are bf16
    throughout; without autocast, nothing is converted on the way. fp16, which processors emulate,
    is under autocast.

    Args:
        network: Folded, on its device.
        device: That device.
        precision: "fp32", "bf16" or "fp16".
    """

    def __init__(self, network: nn.Module, device: torch.device, precision: str) -> None:
        self.device, self.dtype = device, PRECISIONS[precision]
        self._network = network
        self._autocast = self.dtype != torch.float32
        if device.type == "cpu":
            keep_freed_memory()
            if isinstance(network, UFuser) and self.dtype == torch.float16:
                rewritten = rewrite(network, by_convolutions=False)
                rewritten.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
                self._network = rewritten
            elif isinstance(network, UFuser):
                self._network = ProcessorUFuser(network, self.dtype)
                self._autocast = False

    def __call__(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuses one pair.

        Args:
            infrared: ``(1, 1, H, W)`` float32 in [0, 1] on the device, H and W as it allows.
            visible: The same.

        Returns:
            ``(1, 1, H, W)`` float32.
        """
        # Said either way, as the caller may have it on.
        with torch.autocast(self.device.type, self.dtype, enabled=self._autocast):
            fused: Tensor = self._network(infrared, visible)
        if self.device.type == "cpu" and visible.numel() > _MANY:
            give_back_memory()
        return fused.float()
