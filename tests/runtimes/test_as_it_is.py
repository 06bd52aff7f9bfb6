"""A subclass of a network, or one with forward hooks, is run as it is."""

import copy

import pytest
import torch
from torch import nn

from emma_fusion import Fuser, Pair
from emma_fusion.errors import UserError
from emma_fusion.networks.copies import inference_copy, is_unchanged
from emma_fusion.networks.fast import FastFuser
from emma_fusion.networks.ufuser import UFuser


class Darker(UFuser):
    """Does more than its submodules."""

    def forward(self, infrared, visible):
        return 0.5 * super().forward(infrared, visible)


def made(kind=UFuser):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind((8, 8))


@pytest.fixture
def pair():
    return Pair.from_arrays(
        *torch.rand(2, 24, 32, generator=torch.Generator().manual_seed(1)).numpy()
    )


def test_a_subclass(pair):
    plain, darker = (Fuser(made(kind)).fuse_luminance(pair) for kind in (UFuser, Darker))
    assert abs(darker - 0.5 * plain).max() < 1e-6
    half = Fuser(made(Darker), precision="bf16").fuse_luminance(pair)
    assert abs(half - darker).max() < 0.02


def test_forward_hooks_are_called_and_count(pair):
    network, seen = made(), []

    class Recorder:
        def record(self, module, inputs, output):
            seen.append(self)
            return output + 1

    recorder = Recorder()
    network.fusions[1].register_forward_hook(recorder.record)
    fused = Fuser(network).fuse_luminance(pair)
    assert seen == [recorder]
    assert abs(fused - Fuser(made()).fuse_luminance(pair)).max() > 1e-4
    with torch.inference_mode():
        planes = (torch.from_numpy(plane)[None, None] for plane in (pair.infrared, pair.visible))
        assert abs(fused - network(*planes)[0, 0].numpy()).max() < 1e-6


def test_they_are_never_computed_in_strips(pair, monkeypatch):
    def never(*_, **__):
        raise AssertionError("computed in strips")

    monkeypatch.setattr("emma_fusion.fuser.fuse_large", never)
    monkeypatch.setattr("emma_fusion.fuser.choose_rows", lambda *_: 16)
    Fuser(made(Darker)).fuse_luminance(pair)
    with pytest.raises(AssertionError, match="in strips"):
        Fuser(made()).fuse_luminance(pair)


@pytest.mark.parametrize("runtime", ["engine", "onnxruntime", "openvino"])
def test_other_runtimes_are_refused_and_auto_is_pytorch(runtime):
    with pytest.raises(UserError, match="a subclass or one with forward hooks"):
        Fuser(made(Darker), device="cpu", runtime=runtime)
    assert Fuser(made(Darker), device="cpu", runtime="auto").runtime == "torch"


@pytest.mark.parametrize("kind", [UFuser, FastFuser])
def test_what_counts_as_unchanged(kind):
    assert is_unchanged(made(kind))
    assert is_unchanged(made(kind).fold())
    for change in (
        lambda network: network.register_forward_pre_hook(lambda *_: None),
        lambda network: next(network.children()).register_forward_hook(lambda *_: None),
        lambda network: setattr(network, "forward", lambda *_: None),
        lambda network: network.add_module("other", type("Other", (nn.Conv2d,), {})(1, 1, 1)),
        lambda network: nn.utils.parametrize.register_parametrization(
            next(m for m in network.modules() if isinstance(m, nn.Conv2d)), "weight", nn.Identity()
        ),
    ):
        network = made(kind)
        change(network)
        assert not is_unchanged(network)
    assert not is_unchanged(nn.Sequential())


def test_a_copy_leaves_the_network_as_it_is():
    network = made().train()
    before = copy.deepcopy(network.state_dict())
    copied = inference_copy(network)
    assert network.training
    assert not copied.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(parameter.requires_grad for parameter in copied.parameters())
    assert all(torch.equal(before[name], value) for name, value in copied.state_dict().items())
