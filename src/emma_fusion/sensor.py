"""Sensor: a fused image in, what an infrared and a visible camera would have seen out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from emma_fusion import models
from emma_fusion.errors import UserError
from emma_fusion.networks.copies import inference_copy
from emma_fusion.networks.device import check_threads, find_device, inference
from emma_fusion.networks.padding import pad_to_multiple
from emma_fusion.networks.sensing import SensingUNet
from emma_fusion.networks.weights import load_sensing
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import FloatArray, from_unit


class Sensor:
    """Senses fused images of any size with the two networks that EMMA learns to fuse with.

    If the fused image f were the scene, its two sources would be what two cameras see of it:
    i ≈ A_i(f) and v ≈ A_v(f) (Zhao et al., CVPR 2024, section 3.2).

    Args:
        infrared: A_i; a copy of it is used.
        visible: A_v; a copy of it is used.
        name: what the record of a sensed image calls the model.
        device: "auto" (CUDA where there is one, else the CPU), or any name PyTorch knows.
        threads: their number on a CPU. None leaves it to PyTorch, which takes one for each core.

    Raises:
        UserError: the device is not there, or the number of threads is below 1.
    """

    def __init__(
        self,
        infrared: SensingUNet,
        visible: SensingUNet,
        name: str = "unnamed",
        *,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.name = name
        self.device = find_device(device)
        self.threads = check_threads(threads)
        self._networks = [
            inference_copy(network).to(self.device) for network in (infrared, visible)
        ]

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = "base",
        *,
        device: str = "auto",
        threads: int | None = None,
    ) -> Sensor:
        """Open the sensing networks of a shipped model (by name) or of a training run's folder.

        The other arguments are those of `Sensor`.

        Raises:
            UserError: there are no such weights, or the files do not hold sensing networks.
        """
        files = (models.SENSING_INFRARED, models.SENSING_VISIBLE)
        paths = [models.find(name_or_path, file) for file in files]
        for path in paths:
            if not path.is_file():
                raise UserError(
                    f"{name_or_path} has no sensing networks: {path} does not exist. Give a "
                    "shipped model, or the folder of a training run."
                )
        infrared, visible = (load_sensing(path) for path in paths)
        return cls(infrared, visible, Path(name_or_path).name, device=device, threads=threads)

    def __call__(self, fused: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Sense a fused image; of a coloured one, its luminance.

        Args:
            fused: (H, W), (H, W, 3) RGB or (H, W, 4) with an alpha that is left out; uint8, uint16
                or floats in [0, 1].

        Returns:
            A_i(f) and A_v(f), (H, W) each, of the dtype of ``fused``.

        Raises:
            UserError: see `Pair.from_arrays`, and `sense_luminance`.
        """
        label = "the fused image"
        image = Pair.from_arrays(
            fused, fused, colour="none", infrared_range="full", labels=(label, label)
        )
        infrared, visible = self.sense_luminance(image.visible)
        return from_unit(infrared, image.dtype), from_unit(visible, image.dtype)

    def sense_luminance(self, fused: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sense a fused plane; the results are the networks' outputs, unchanged.

        Args:
            fused: (H, W) float32 in [0, 1].

        Returns:
            A_i(f) and A_v(f), (H, W) float32 in [0, 1] each.

        Raises:
            UserError: the device has too little memory for an image of this size.
        """
        height, width = fused.shape
        plane = torch.from_numpy(np.ascontiguousarray(fused))[None, None]
        with inference(self.device, self.threads, (height, width), "a smaller image"):
            plane = pad_to_multiple(plane.to(self.device), SensingUNet.multiple_of)
            sensed: list[Tensor] = [network(plane) for network in self._networks]
            infrared, visible = (x[0, 0, :height, :width].float().cpu().numpy() for x in sensed)
        return infrared, visible
