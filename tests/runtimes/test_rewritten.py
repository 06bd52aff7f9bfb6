import copy

import pytest
import torch

from emma_fusion.networks.fast import FastFuser
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.runtimes.pytorch import TorchRuntime
from emma_fusion.runtimes.rewritten import rewrite

CPU = torch.device("cpu")


def planes(height, width):
    return torch.rand((2, 1, 1, height, width), generator=torch.Generator().manual_seed(0))


def apart(network, other, size=(48, 72)):
    with torch.inference_mode():
        return (network(*planes(*size)) - other(*planes(*size))).abs().max().item()


@pytest.mark.parametrize("by_convolutions", [False, True])
def test_rewritten_blocks_give_the_same(network, by_convolutions):
    rewritten = rewrite(network.fold(), by_convolutions=by_convolutions)
    assert apart(network, rewritten) < 1e-5


def test_the_attention_is_rewritten_and_matters(network):
    rewritten = rewrite(network.fold(), by_convolutions=True)
    attention = rewritten.fusions[1].attention
    assert type(attention).__name__ == "GramAttention"
    attention.scale.mul_(0)
    assert apart(network, rewritten) > 1e-4


def test_the_network_itself_stays_as_it_is(network):
    before = copy.deepcopy(network.state_dict())
    folded = network.fold()
    rewrite(folded, by_convolutions=True)
    assert apart(network, folded) < 1e-5
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("branches", ["convolution", "attention"])
def test_networks_of_one_branch(branches):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = UFuser((8, 16), branches).eval()
    assert apart(network, rewrite(network.fold(), by_convolutions=True)) < 1e-5


def test_other_networks_stay_as_they_are():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = FastFuser((8, 8)).eval()
    assert apart(network, rewrite(network.fold(), by_convolutions=True)) < 1e-5
    assert apart(network, TorchRuntime(network.fold(), CPU, "fp32")) < 1e-5
    assert apart(network, TorchRuntime(network.fold(), CPU, "bf16")) < 0.02


def test_half_precision_is_near_and_used(network):
    difference = apart(network, TorchRuntime(network.fold(), CPU, "bf16"))
    assert 1e-5 < difference < 0.02
