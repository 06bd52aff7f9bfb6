"""The models that ship are right with every instruction set that this processor has.

Each set is in a process of its own, as PyTorch and oneDNN choose theirs once. The reference is the
network as published, in float32.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = ("base", "medical", "fast")
LIMITS = {"fp32": 1e-4, "bf16": 3 / 255, "fp16": 1 / 255}
# The names of oneDNN; the flag of Linux that a processor must have; what PyTorch is told besides.
SETS = {
    "SSE41": ("sse4_1", {"ATEN_CPU_CAPABILITY": "default"}),
    "AVX2": ("avx2", {"ATEN_CPU_CAPABILITY": "avx2"}),
    "AVX512_CORE": ("avx512bw", {}),
    "AVX512_CORE_BF16": ("avx512_bf16", {}),
    "AVX512_CORE_AMX": ("amx_bf16", {}),
}
CHILD = """
import json, sys, torch
from emma_fusion import Fuser, Pair
from emma_fusion.demo import render_scene
from emma_fusion.networks.padding import pad_to_multiple
from emma_fusion.networks.weights import load_fuser
from emma_fusion.runtimes.choice import candidates
models, precisions, height, width = json.loads(sys.argv[1])
pair = Pair.from_arrays(*render_scene(height, width))
planes = [torch.from_numpy(plane.copy())[None, None] for plane in (pair.infrared, pair.visible)]
found = {}
for model in models:
    network = load_fuser(model).eval()
    size = network.multiple_of, network.minimum_size
    with torch.inference_mode():
        expected = network(*(pad_to_multiple(plane, *size) for plane in planes))
    expected = expected[0, 0, :height, :width].numpy()
    for precision in precisions:
        for runtime in {"torch", "engine"} & set(candidates(network, precision)):
            opened = Fuser(network, device="cpu", runtime=runtime, precision=precision)
            apart = abs(opened.fuse_luminance(pair) - expected).max()
            found[f"{model} {opened.runtime} {precision}"] = float(apart)
print(json.dumps(found))
"""


def flags():
    """What the processor has, as Linux says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("ascii").splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def differences(size, precisions, environment):
    """The largest difference to plain PyTorch of each model, runtime and precision."""
    request = json.dumps([MODELS, precisions, *size])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, request],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def wrong(found):
    return {key: apart for key, apart in found.items() if not apart <= LIMITS[key.split()[-1]]}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_every_model_in_every_precision(name):
    flag, environment = SETS[name]
    if flag not in flags():
        pytest.skip(f"this processor has no {name}")
    found = differences((101, 152), list(LIMITS), {"ONEDNN_MAX_CPU_ISA": name} | environment)
    assert {f"{model} torch {precision}" for model in MODELS for precision in LIMITS} <= set(found)
    assert not wrong(found)


@pytest.mark.slow
def test_half_precision_at_the_size_of_real_images():
    """Sums over 160,000 pixels are far above what fp16 holds."""
    found = differences((329, 500), ["fp16"], {})
    assert len(found) == len(MODELS)
    assert not wrong(found)
