"""The engine is believed only where it gives what plain PyTorch does."""

import logging

import pytest
import torch
from torch import nn

from emma_fusion.networks.weights import load_fuser
from emma_fusion.runtimes.choice import open_runtime
from emma_fusion.runtimes.engine import runtime
from emma_fusion.runtimes.engine.runtime import TOLERANCES, EngineRuntime

CPU = torch.device("cpu")
AVAILABLE = runtime.available(torch.float32)
needs_engine = pytest.mark.skipif(not AVAILABLE, reason="the engine is not for this processor")


def planes(height, width):
    return torch.rand((2, 1, 1, height, width), generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def silence(monkeypatch):
    monkeypatch.setattr(runtime, "_said", set())


class Wrong(nn.Module):
    """An engine that is right at some widths only."""

    def __init__(self, network, widths, value):
        super().__init__()
        self.network, self.widths, self.value = network, widths, value

    def forward(self, infrared, visible):
        fused = self.network(infrared, visible)
        if infrared.shape[-1] not in self.widths:
            fused[..., 3, 5] += self.value
        return fused


@needs_engine
@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("model", ["base", "medical"])
def test_it_is_used_and_right_with_the_weights_that_ship(model, precision, caplog):
    if not runtime.available(runtime.PRECISIONS[precision]):
        pytest.skip(f"this processor has no {precision} for the engine")
    network = load_fuser(model).eval()
    opened = EngineRuntime(network, precision)
    with torch.inference_mode():
        apart = (opened(*planes(40, 56)) - network(*planes(40, 56))).abs().max()
    assert opened.name == "engine"
    assert apart < TOLERANCES[precision]
    assert not caplog.records


@needs_engine
@pytest.mark.parametrize("value", [2e-3, float("nan"), float("inf")])
def test_a_wrong_one_is_not_used_and_it_is_said_once(network, monkeypatch, caplog, value):
    monkeypatch.setattr(
        runtime, "ProcessorUFuser", lambda network, dtype: Wrong(network, set(), value)
    )
    for _ in range(2):
        name, run = open_runtime(network, CPU, runtime="engine", precision="fp32", threads=None)
    assert name == "torch"
    with torch.inference_mode():
        assert (run(*planes(24, 32)) - network(*planes(24, 32))).abs().max() < 1e-5
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "the portable network is used instead" in record.getMessage()


@needs_engine
def test_one_that_is_wrong_at_a_width_is_not_used_for_it(network, monkeypatch, caplog):
    monkeypatch.setattr(
        runtime, "ProcessorUFuser", lambda network, dtype: Wrong(network, {96, 64}, 1.0)
    )
    opened = EngineRuntime(network, "fp32")
    with torch.inference_mode():
        opened(*planes(24, 64))
        assert opened.name == "engine"
        expected = network(*planes(24, 32))
        assert (opened(*planes(24, 32)) - expected).abs().max() < 1e-5
    assert opened.name == "torch"
    assert "at a width of 32 pixels" in caplog.text


@needs_engine
def test_one_that_fails_is_not_used(network, monkeypatch):
    def fail(network, dtype):
        def refuse(infrared, visible):
            raise RuntimeError("could not create a primitive")

        return refuse

    monkeypatch.setattr(runtime, "ProcessorUFuser", fail)
    opened = EngineRuntime(network, "fp32")
    with torch.inference_mode():
        assert (opened(*planes(24, 32)) - network(*planes(24, 32))).abs().max() < 1e-5


def test_without_the_operators_the_portable_network_runs(network, monkeypatch, caplog):
    monkeypatch.setattr(runtime, "available", lambda dtype: False)
    name, run = open_runtime(network, CPU, runtime="engine", precision="bf16", threads=None)
    assert name == "torch"
    with torch.inference_mode():
        assert (run(*planes(24, 32)) - network(*planes(24, 32))).abs().max() < 0.02
    assert "has not the operators for bf16" in caplog.text
