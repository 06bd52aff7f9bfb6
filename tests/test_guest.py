"""A library call changes nothing in the process that hosts it."""

import logging
import os
import random
import signal
import subprocess
import sys
import warnings

import cv2
import numpy as np
import pytest
import torch

from emma_fusion import Fuser, Sensor, fuse, models
from emma_fusion.networks.fast import FastFuser
from emma_fusion.networks.sensing import SensingUNet
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import load_fuser, load_sensing, save_weights
from emma_fusion.runtimes.extras import installed


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
        dict(os.environ),
        os.getcwd(),
        (sys.stderr, os.fstat(2).st_ino, sys.excepthook, signal.getsignal(signal.SIGINT)),
        (logging.getLogger().level, list(logging.getLogger().handlers), list(warnings.filters)),
        cv2.getNumThreads(),
        torch.random.get_rng_state().tolist(),
        repr(np.random.get_state()),  # noqa: NPY002
        random.getstate(),
        torch.get_num_threads(),
        torch.get_num_interop_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
    )


@pytest.mark.parametrize(
    ("runtime", "precision"),
    [
        ("torch", "fp32"),
        ("torch", "bf16"),
        ("engine", "fp32"),
        ("engine", "bf16"),
        ("onnxruntime", "fp32"),
        ("openvino", "fp32"),
    ],
)
def test_opening_and_fusing(weights, runtime, precision, monkeypatch, capfd):
    if not installed(runtime if runtime in ("onnxruntime", "openvino") else "torch"):
        pytest.skip("the extra `runtimes` is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(weights / "cache"))
    image = np.zeros((24, 32), np.uint8)
    before = state()
    opened = Fuser.from_pretrained(
        weights / "fuser.safetensors", device="cpu", runtime=runtime, precision=precision, threads=1
    )
    opened(image, image)
    fuse(image, image, weights / "fuser.safetensors", device="cpu")
    Sensor.from_pretrained(weights, device="cpu")(image)
    assert state() == before
    assert capfd.readouterr() == ("", "")


TELEMETRY = """
import os
from emma_fusion.runtimes.extras import need
before = dict(os.environ)
need("onnxruntime")
assert dict(os.environ) == before
print(len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux does")
def test_onnxruntime_is_imported_without_its_telemetry(tmp_path):
    """It would begin a thread and put a data base and a number of the device into the home."""
    if not installed("onnxruntime"):
        pytest.skip("the extra `runtimes` is not installed")
    environment = {key: value for key, value in os.environ.items() if "TELEMETRY" not in key}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", TELEMETRY],
        check=True,
        capture_output=True,
        text=True,
        env=environment | threads | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert done.stdout.strip() == "1"
    assert not list(tmp_path.rglob("*onnxruntime*"))


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
