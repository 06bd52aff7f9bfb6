from unittest.mock import MagicMock

import torch

from emma_fusion.metrics.levels import to_float64


def test_a_device_without_float64_hands_over_to_the_cpu():
    held = torch.tensor([[0.25, 1.0]])
    tensor = MagicMock(spec=torch.Tensor)
    tensor.device = torch.device("mps")
    tensor.cpu.return_value = held
    tensor.to.side_effect = TypeError("Cannot convert a MPS Tensor to float64 dtype")
    assert torch.equal(to_float64(tensor), held.double())
    assert to_float64(held).device == held.device
