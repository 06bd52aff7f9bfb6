"""PyTorch as a runtime, and the form in which a network is fastest there."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from emma_fusion.networks.ufuser import UFuser
from emma_fusion.runtimes.rewritten import rewrite

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchRuntime:
    """A network in PyTorch.

    On a CPU a U-Fuser's blocks are rewritten (see `rewritten`), channels come last in memory, and
    in bf16 the weights and features are bf16 throughout, all but attention's sums and the last
    convolution; without autocast, nothing is converted on the way.

    Args:
        network: Folded, on its device.
        device: That device.
        precision: "fp32", "bf16" or "fp16".
    """

    def __init__(self, network: nn.Module, device: torch.device, precision: str) -> None:
        self.device, self.dtype = device, PRECISIONS[precision]
        self._cast = False
        if device.type == "cpu" and isinstance(network, UFuser):
            half = self.dtype == torch.bfloat16
            network = rewrite(network, by_convolutions=half)
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if half:
                network.to(torch.bfloat16).last.float()
                self._cast = True
        self._network = network

    def __call__(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuses one pair.

        Args:
            infrared: ``(1, 1, H, W)`` float32 in [0, 1] on the device, H and W as it allows.
            visible: The same.

        Returns:
            ``(1, 1, H, W)`` float32.
        """
        if self._cast:
            with torch.autocast(self.device.type, enabled=False):  # the caller may have it on
                half: Tensor = self._network(infrared.to(self.dtype), visible.to(self.dtype))
            return half.float()
        half_wanted = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype, enabled=half_wanted):
            fused: Tensor = self._network(infrared, visible)
        return fused.float()
