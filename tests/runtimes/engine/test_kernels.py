"""Convolutions that a processor is known to get wrong are in no network.

With PyTorch 2.13 on a processor with AMX, `torch.nn.functional.conv2d` is wrong in bf16 for kernels
of 1×n where channels × n is 64 or more: by more than the largest value, contiguous or channels
last, with and without a bias. Kernels of 1×1, 1×2 and 3×3 are right.
"""

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from emma_fusion.networks.weights import load_fuser
from emma_fusion.runtimes.choice import candidates, open_runtime
from emma_fusion.runtimes.engine.frames import Convolution

CPU = torch.device("cpu")
WRONG_WITH_AMX = [(8, 8, 8), (8, 16, 16), (16, 4, 4), (16, 8, 1), (16, 16, 16)]
"""Channels, width of the kernel, and step along the rows."""


def random(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator)


class Kernels(TorchDispatchMode):
    """Collects the dtype and shape of the weight of every convolution that runs."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if "conv" in function.name() and "reorder" not in function.name():
            floats = [x for x in args if isinstance(x, torch.Tensor) and x.ndim == 4]
            weight = floats[-1]  # after the map, and in `binary` after the other map
            self.seen.add((str(weight.dtype), *weight.shape))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("runtime", "precision"), [("torch", "bf16"), ("torch", "fp16"), ("engine", "bf16")]
)
@pytest.mark.parametrize("model", ["base", "medical", "fast"])
def test_no_network_has_a_kernel_of_one_row(model, runtime, precision):
    network = load_fuser(model)
    if runtime not in candidates(network, precision):
        pytest.skip(f"the runtime {runtime} has no {precision} for {model} here")
    _, run = open_runtime(network, CPU, runtime=runtime, precision=precision, threads=None)
    planes = torch.rand((2, 1, 1, 48, 64), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        run(*planes)  # the engine holds a new width against PyTorch first
    with torch.inference_mode(), Kernels() as kernels:
        run(*planes)
    assert len(kernels.seen) > 8
    rows = {shape for shape in kernels.seen if 1 in shape[3:] and shape[3] != shape[4]}
    assert not rows


@pytest.mark.parametrize(("channels", "width", "step"), WRONG_WITH_AMX)
def test_pixels_as_channels_are_right_where_a_kernel_of_one_row_is_not(
    channels, width, step, record_property
):
    """The form of a convolution that is used here, and beside it the one that is not."""
    weight, x = random(16, channels, 1, width), random(1, channels, 12, 64)
    weight, x = (tensor.bfloat16() for tensor in (weight, x))
    expected = functional.conv2d(x.float(), weight.float(), stride=(1, step))
    largest = expected.abs().max()
    raw = functional.conv2d(x, weight, stride=(1, step)).float()
    record_property("one row is right", bool((raw - expected).abs().max() < 0.02 * largest))
    if width == step:
        pixels = x.permute(0, 2, 3, 1).reshape(1, 12, 64 // width, width * channels)
        flat = weight[:, :, 0].transpose(1, 2).reshape(16, width * channels, 1, 1)
        got = functional.conv2d(pixels.permute(0, 3, 1, 2), flat).float()
        assert (got - expected).abs().max() < 0.02 * largest


def test_a_pointwise_convolution_of_several_pixels_stays_pointwise():
    for outputs in (1, 4, 8):
        convolution = Convolution(random(outputs, 8, 1, 1), multiple=8)
        assert convolution.weights[0].shape[2:] == (1, 1)
        assert convolution.weights[0].shape[0] == outputs * convolution.at_once
