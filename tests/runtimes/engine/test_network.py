import copy
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from emma_fusion import Fuser, Pair
from emma_fusion.cli.process import TUNED
from emma_fusion.networks.block import ChannelLayerNorm
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.runtimes.engine.frames import frame
from emma_fusion.runtimes.engine.network import (
    ProcessorBlock,
    ProcessorNormalisation,
    ProcessorUFuser,
)
from emma_fusion.runtimes.engine.postops import available

needs_bf16 = pytest.mark.skipif(
    not available(torch.bfloat16), reason="this processor has no bf16 for the engine"
)


def planes(height, width, seed=0):
    return torch.rand((2, 1, 1, height, width), generator=torch.Generator().manual_seed(seed))


def apart(network, other, size):
    with torch.inference_mode():
        return (network(*planes(*size)) - other(*planes(*size))).abs().max().item()


@pytest.mark.parametrize("size", [(16, 16), (48, 72), (24, 200)])
@pytest.mark.parametrize("folded", [False, True])
def test_it_is_the_network(network, size, folded):
    fast = ProcessorUFuser(network.fold() if folded else network, torch.float32)
    assert apart(network, fast, size) < 1e-5


@needs_bf16
def test_in_half_precision_it_is_near(network):
    assert 1e-5 < apart(network, ProcessorUFuser(network, torch.bfloat16), (48, 72)) < 0.02


@pytest.mark.parametrize("branches", ["convolution", "attention"])
@pytest.mark.parametrize("channels", [(8, 8, 16, 8), (16, 16)])
def test_other_networks(channels, branches):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = UFuser(channels, branches).eval()
    assert apart(network, ProcessorUFuser(network, torch.float32), (24, 40)) < 1e-5


def test_the_attention_matters(network):
    fast = ProcessorUFuser(network, torch.float32)
    fast.get_buffer("fusions.1.attention.scale").mul_(0)
    assert apart(network, fast, (48, 72)) > 1e-4


def test_the_normalisation_by_convolutions_is_exact(network):
    block = copy.deepcopy(network.fusions[1])
    x = planes(9, 12)[0].expand(1, 32, -1, -1) * torch.linspace(-1, 1, 32)[:, None, None]
    frames = [frame(part) for part in x.chunk(2, dim=1)]
    with torch.inference_mode():
        for half in (False, True):
            fast = ProcessorBlock(block, 2, 1, half)
            assert (fast(*frames) - network.fusions[1](x)).abs().max() < 1e-4


@needs_bf16
@pytest.mark.parametrize("affine", [False, True])
def test_nearly_equal_channels_are_normalised_to_numbers(affine):
    """Their variance is smaller than the rounding of what it is the mean of."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.rand((1, 16, 40, 48), generator=generator) < 0.1
    x = torch.arange(64, 124, 0.5).reshape(1, 1, 40, 3).repeat(1, 1, 1, 16) + steps / 2
    x = x.bfloat16().to(memory_format=torch.channels_last)
    norm = ProcessorNormalisation(ChannelLayerNorm(16), 8, affine).bfloat16()
    with torch.inference_mode():
        assert norm(x).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=needs_bf16)])
def test_the_network_itself_stays_as_it_is(network, dtype):
    before = copy.deepcopy(network.state_dict())
    ProcessorUFuser(network, dtype)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_threads_do_not_disturb_each_other(network):
    fast = ProcessorUFuser(network, torch.float32)
    pairs = [planes(16 + 8 * (n % 3), 24, seed=n) for n in range(6)]

    def run(pair):
        with torch.inference_mode():
            return fast(*pair)

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(run, pairs * 2))
    for n, fused in enumerate(together):
        assert torch.equal(fused, run(pairs[n % 6]))


@pytest.mark.parametrize("size", [(40, 48), (33, 51)])
def test_through_the_fuser(network, size):
    pair = Pair.from_arrays(*(plane[0, 0].numpy() for plane in planes(*size)))
    fused = Fuser(network, device="cpu", runtime="engine").fuse_luminance(pair)
    padded = [
        np.pad(plane, [(0, -side % 8) for side in size], mode="reflect")
        for plane in (pair.infrared, pair.visible)
    ]
    with torch.inference_mode():
        whole = network(*(torch.from_numpy(plane)[None, None] for plane in padded))
    assert np.abs(fused - whole[0, 0, : size[0], : size[1]].numpy()).max() < 1e-5
    half = Fuser(network, device="cpu", precision="bf16", runtime="engine").fuse_luminance(pair)
    assert 1e-5 < np.abs(fused - half).max() < 0.02


PAGES = """
import resource, sys, torch
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.cli.process import keep_freed_memory
from emma_fusion.runtimes.memory import give_back_memory, resident_memory
from emma_fusion.runtimes.engine.runtime import EngineRuntime
if "keep" in sys.argv:
    keep_freed_memory()
torch.set_num_threads(1)
cpu = torch.device("cpu")
run = EngineRuntime(UFuser((8, 8)), "fp32")
with torch.inference_mode():
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        run(*torch.zeros(2, 1, 1, 1024, 1200))
pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
held = resident_memory(cpu)
give_back_memory()
print(pages, (held - resident_memory(cpu)) // 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="of the C library of Linux")
def test_memory_is_not_asked_for_anew_and_can_be_given_back(monkeypatch):
    for name in [name for name in os.environ if name.startswith(TUNED)]:
        monkeypatch.delenv(name)

    def run(*options):
        command = [sys.executable, "-c", PAGES, *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return [int(number) for number in done.stdout.split()]

    pages, given_back = run("keep")
    # The allocator may ask for a map or two anew where others lie between: how many of the hundred
    # differs by machine, so what is kept is held against what this machine does by itself.
    assert pages < run()[0] / 10
    assert given_back > 100
