"""A library call changes nothing in the process that hosts it."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from emma_fusion import Fuser, Sensor, fuse, models
from emma_fusion.networks.fast import FastFuser
from emma_fusion.networks.sensing import SensingUNet
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import load_fuser, load_sensing, save_weights


@pytest.fixture
def weights(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_weights(UFuser((8, 8)), tmp_path / "fuser.safetensors")
        save_weights(SensingUNet(2), tmp_path / models.SENSING_INFRARED)
        save_weights(SensingUNet(2), tmp_path / models.SENSING_VISIBLE)
    return tmp_path


def state():
    return (
        torch.random.get_rng_state().tolist(),
        repr(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
    )


@pytest.mark.parametrize("runtime", ["torch", "engine"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_opening_and_fusing(weights, runtime, precision):
    image = np.zeros((24, 32), np.uint8)
    before = state()
    opened = Fuser.from_pretrained(
        weights / "fuser.safetensors", device="cpu", runtime=runtime, precision=precision, threads=1
    )
    opened(image, image)
    fuse(image, image, weights / "fuser.safetensors", device="cpu")
    Sensor.from_pretrained(weights, device="cpu")(image)
    assert state() == before


def test_networks_are_read_without_drawing_numbers(weights):
    before = state()
    network = load_fuser(weights / "fuser.safetensors")
    sensing = load_sensing(weights / models.SENSING_INFRARED)
    assert state() == before
    for tensor in (*network.state_dict().values(), *sensing.state_dict().values()):
        assert tensor.device.type == "cpu"


def test_weights_in_half_precision_are_float32_networks(tmp_path):
    network = FastFuser((8, 8))
    save_weights(network, tmp_path / "half.safetensors", dtype=torch.float16)
    loaded = load_fuser(tmp_path / "half.safetensors")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_a_sensor_copies_the_networks_it_is_given():
    networks = [SensingUNet(2).train() for _ in range(2)]
    Sensor(*networks, device="cpu")
    for network in networks:
        assert network.training
        assert all(parameter.requires_grad for parameter in network.parameters())


ALLOCATOR = """
import sys, torch
from emma_fusion import Fuser
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.runtimes.memory import resident_memory
cpu = torch.device("cpu")
for runtime in ("torch", "engine"):
    fuser = Fuser(UFuser((8, 8)), device="cpu", runtime=runtime)
    fuser(*torch.rand(2, 64, 64))
before = resident_memory(cpu)
large = torch.ones(50 * 2**20)
assert resident_memory(cpu) - before > 150 * 2**20
del large
print((resident_memory(cpu) - before) // 2**20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of the C library of Linux")
def test_the_allocator_still_gives_back_what_is_freed():
    done = subprocess.run(
        [sys.executable, "-c", ALLOCATOR], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 20
