import copy

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from emma_fusion.networks import RestormerCNNBlock, SensingUNet, UFuser, pad_to_multiple
from emma_fusion.networks.sensing import low_pass


def seeded(kind, *args):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(*args)


def realistic() -> UFuser:
    """Random weights whose attention is not uniform: temperatures and norms away from 1 and 0."""
    network = seeded(UFuser)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("scale"):
                parameter.copy_(1 + 4 * torch.rand(parameter.shape, generator=generator))
            elif "norm" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.mul_(1.5)
    return network


def pair(height=48, width=64, batch=2, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, batch, 1, height, width, generator=generator).unbind(0)


def parameters(network) -> int:
    return sum(p.numel() for p in network.parameters())


def gflop(network) -> float:
    planes = [torch.zeros(1, 1, 480, 640, device="meta")] * 2
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.to("meta")(*planes)
    return counter.get_total_flops() / 1e9


def test_sizes_are_the_papers():
    assert parameters(UFuser()) == 1_517_657
    assert parameters(SensingUNet()) == 39_397_761


def test_work_before_and_after_folding():
    assert gflop(UFuser()) == pytest.approx(80.8, abs=0.1)
    assert gflop(UFuser().fold()) <= 49


def test_fold_gives_the_same_output():
    network = realistic().eval()
    infrared, visible = pair()
    with torch.no_grad():
        plain, folded = network(infrared, visible), network.fold()(infrared, visible)
    assert plain.std() > 1e-3
    assert (plain - folded).abs().max() < 1e-5


def test_fold_leaves_the_network_as_it_was():
    network = realistic()
    before = copy.deepcopy(network.state_dict())
    folded = network.fold()
    assert not any(p.requires_grad for p in folded.parameters())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert all(p.requires_grad for p in network.parameters())


def test_merged_attention_has_the_same_output_and_gradients():
    plain = realistic()
    merged = copy.deepcopy(plain).merge_attention()
    infrared, visible = pair()
    for network in (plain, merged):
        network(infrared, visible).square().mean().backward()
    for (name, p), q in zip(plain.named_parameters(), merged.parameters(), strict=True):
        expected = p.grad
        got = torch.zeros_like(p) if q.grad is None else q.grad
        assert torch.allclose(expected, got, rtol=1e-3, atol=1e-6), name


def test_attention_is_global():
    network = realistic().fold()
    infrared, visible = pair(64, 64, 1)
    changed = infrared.clone()
    changed[..., :8, :8] = 1 - changed[..., :8, :8]
    difference = (network(infrared, visible) - network(changed, visible)).abs()
    assert difference[..., 56:, 56:].max() > 0


def test_batch_does_not_mix_images():
    network = realistic().fold()
    infrared, visible = pair(32, 32, 3)
    alone = network(infrared[1:2], visible[1:2])
    assert torch.allclose(network(infrared, visible)[1:2], alone, atol=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (16, 40), (24, 64)])
def test_declared_sizes_of_the_fuser_are_true(size):
    infrared, visible = pair(*size, batch=1)
    assert UFuser().fold()(infrared, visible).shape == (1, 1, *size)


def test_sizes_that_are_not_declared_fail():
    with pytest.raises(RuntimeError):
        UFuser()(*pair(20, 32, 1))
    with pytest.raises(RuntimeError):
        UFuser()(*pair(8, 32, 1))


@pytest.mark.parametrize("size", [(16, 16), (48, 32)])
def test_declared_sizes_of_sensing_are_true(size):
    network = SensingUNet(4).eval()
    out = network(torch.zeros(1, 1, *size))
    assert out.shape == (1, 1, *size)
    assert out.min() > 0
    assert out.max() < 1


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 8), (16, 8), (32, 32)])
def test_block_changes_channels_and_keeps_size(inputs, outputs):
    assert RestormerCNNBlock(inputs, outputs)(torch.rand(1, inputs, 12, 20)).shape == (
        1,
        outputs,
        12,
        20,
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (15, 16), (329, 500)])
def test_padding_reaches_the_size_and_crops_back(size):
    x = torch.rand(1, 1, *size)
    padded = pad_to_multiple(x, 8, 16)
    assert all(s % 8 == 0 and s >= 16 for s in padded.shape[-2:])
    assert all(p - s < 16 for p, s in zip(padded.shape[-2:], size, strict=True))
    assert torch.equal(padded[..., : size[0], : size[1]], x)


def test_padding_reflects():
    row = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3)
    padded = pad_to_multiple(row, 8)
    assert padded[0, 0, 0].tolist() == [1, 2, 3, 2, 1, 2, 3, 2]


def test_low_pass_removes_every_period_2_pattern_and_keeps_the_mean():
    sign = (-1.0) ** torch.arange(16)
    patterns = [sign.expand(16, 16), sign[:, None].expand(16, 16), torch.outer(sign, sign)]
    for pattern in patterns:
        passed = low_pass(0.5 + 0.4 * pattern[None, None], 1)
        assert torch.allclose(passed, torch.full_like(passed, 0.5), atol=1e-6)


@pytest.mark.parametrize("kind", [UFuser, SensingUNet])
def test_half_precision_ends_in_full_precision(kind):
    network = seeded(kind, *([4] if kind is SensingUNet else [])).eval()
    planes = pair(64, 64, 1)
    inputs = planes if kind is UFuser else planes[:1]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = network(*inputs)
    with torch.no_grad():
        full = network(*inputs)
    assert half.dtype == torch.float32
    assert len(half.unique()) > 500  # bfloat16 has 128 values between 0.5 and 1
    assert torch.allclose(half, full, atol=0.02)


def test_double_precision_works_too():
    infrared, visible = pair(16, 16, 1)
    double = seeded(UFuser).double()(infrared.double(), visible.double())
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), seeded(UFuser)(infrared, visible), atol=1e-5)
