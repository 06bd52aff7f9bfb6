"""The engine as a runtime: held against plain PyTorch on this processor before it is believed."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from emma_fusion.networks.ufuser import UFuser
from emma_fusion.runtimes.engine.network import ProcessorUFuser
from emma_fusion.runtimes.engine.postops import available
from emma_fusion.runtimes.memory import give_back_memory
from emma_fusion.runtimes.pytorch import PRECISIONS, TorchRuntime

TOLERANCES = {"fp32": 1e-4, "bf16": 3 / 255}
"""How far from PyTorch in fp32 a value in [0, 1] may be, of each precision that the engine has."""

_CPU = torch.device("cpu")
# An image of so many rows is tried at the full width, on which the choice of operations depends.
_ROWS = 64
# Pixels: the memory of a larger image is not kept for the next.
_MANY = 2**21
_log = logging.getLogger(__name__)
_said: set[str] = set()


class EngineRuntime:
    """A U-Fuser by the engine, or in PyTorch where the engine is wrong or missing here.

    When it is opened, and again for every new width of an image, the whole network is held against
    the portable one in fp32, on a made image of that width and few rows.

    Args:
        network: Folded or not; it is left as it is.
        precision: "fp32" or "bf16".
    """

    def __init__(self, network: UFuser, precision: str) -> None:
        self._network, self._precision = network.fold(), precision
        self._tolerance = TOLERANCES[precision]
        self._reference = TorchRuntime(self._network, _CPU, "fp32")
        self._engine: ProcessorUFuser | None = None
        self._portable: TorchRuntime | None = None
        self._widths: set[int] = set()
        if available(PRECISIONS[precision]):
            self._engine = ProcessorUFuser(self._network, PRECISIONS[precision])
            self._try(96)
        else:
            self._give_up(f"has not the operators for {precision} here")

    @property
    def name(self) -> str:
        """The runtime that is used in the end: "engine" or "torch"."""
        return "engine" if self._portable is None else "torch"

    def __call__(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuses one pair; see `TorchRuntime.__call__`."""
        if infrared.shape[-1] not in self._widths:
            self._try(infrared.shape[-1])
        if self._portable is not None:
            return self._portable(infrared, visible)
        fused = self._pass(infrared, visible)
        if visible.numel() > _MANY:
            give_back_memory()
        return fused

    def _pass(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """The engine's output."""
        assert self._engine is not None
        # Said, as the caller may have it on.
        with torch.autocast("cpu", enabled=False):
            fused: Tensor = self._engine(infrared, visible)
        return fused

    def _try(self, width: int) -> None:
        """Holds the engine against the portable network, if it is still in use."""
        self._widths.add(width)
        if self._portable is not None:
            return
        planes = _made_planes(width)
        with torch.inference_mode():
            expected = self._reference(*planes)
            try:
                apart = (self._pass(*planes) - expected).abs().max().item()
            except RuntimeError as error:  # an operator that refuses this size
                apart = float("nan")
                _log.debug("The engine failed: %s", error)
        if not apart <= self._tolerance:
            self._give_up(
                f"is {255 * apart:.3g}/255 from plain PyTorch in {self._precision} on this "
                f"processor, at a width of {width} pixels"
            )

    def _give_up(self, reason: str) -> None:
        """Uses the portable network from here on, and says so once for a reason."""
        self._portable = TorchRuntime(self._network, _CPU, self._precision)
        self._engine = None
        if reason not in _said:
            _said.add(reason)
            _log.warning("The engine %s; the portable network is used instead.", reason)


def _made_planes(width: int) -> Tensor:
    """Two planes ``(2, 1, 1, _ROWS, width)`` with waves, noise and an area of one value."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand((2, 1, 1, _ROWS, width), generator=generator)
    rows = torch.arange(_ROWS).reshape(-1, 1) / 9
    columns = torch.arange(width) / 13
    waves = torch.stack((torch.sin(rows + columns), torch.cos(rows - 2 * columns)))
    planes = 0.5 + 0.3 * waves[:, None, None] + 0.3 * (noise - 0.5)
    planes[..., : _ROWS // 4, : width // 3] = 0.25
    return planes.clamp(0, 1)
