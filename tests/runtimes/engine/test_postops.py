import pytest
import torch
from torch.nn import functional

from emma_fusion.runtimes.engine import postops
from emma_fusion.runtimes.engine.postops import available, convolve, pack, upsample


def random(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_what_follows_is_done(packed, biased):
    x, weight, other = random(1, 8, 9, 12), random(16, 8, 3, 4), random(1, 16, 7, 5)
    bias = random(1, 16, 1, 1).flatten() if biased else None
    layout = {"stride": (1, 2), "padding": (0, 0)}
    plain = functional.conv2d(x, weight, bias, **layout)
    kept = other.clone()
    if packed:
        weight = pack(weight, **layout)
    for options, expected in [
        ({}, plain),
        ({"then": "relu"}, plain.relu()),
        ({"then": "gelu"}, functional.gelu(plain)),
        ({"other": other}, plain + other),
        ({"combine": "mul", "other": other}, plain * other),
    ]:
        assert (convolve(x, weight, bias, **layout, **options) - expected).abs().max() < 1e-4
    assert torch.equal(other, kept)


def test_upsampling(network):
    up = network.ups[0]
    x = random(1, 16, 6, 9)
    got = upsample(x, up.weight, stride=up.stride, padding=up.padding)
    assert (got - up(x).relu()).abs().max() < 1e-5
    assert got.min() == 0


def test_operators_that_do_something_else_are_not_used(monkeypatch):
    monkeypatch.setattr(postops, "upsample", lambda x, *_, **options: x)
    available.cache_clear()
    try:
        assert not available(torch.float32)
    finally:
        available.cache_clear()


def test_missing_operators_are_not_used(monkeypatch):
    def missing(*_, **options):
        raise AttributeError("no such operator")

    monkeypatch.setattr(postops, "convolve", missing)
    available.cache_clear()
    try:
        assert not available(torch.bfloat16)
    finally:
        available.cache_clear()
