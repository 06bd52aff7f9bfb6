import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml


def smooth_image(rng, size=64):
    image = cv2.GaussianBlur(rng.random((size, size)), (0, 0), 3)
    image = (image - image.min()) / np.ptp(image)
    return np.rint(255 * image).astype(np.uint8)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory) -> Path:
    """Five made pairs of 64×64, and a folder of fused images."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for kind in ("ir", "vi", "fused"):
        (folder / kind).mkdir()
    for name in "abcde":
        infrared, visible = smooth_image(rng), smooth_image(rng)
        cv2.imwrite(str(folder / "ir" / f"{name}.png"), infrared)
        cv2.imwrite(str(folder / "vi" / f"{name}.png"), visible)
        cv2.imwrite(str(folder / "fused" / f"{name}.png"), infrared // 2 + visible // 2)
    return folder


TINY = {
    "patches": {"size": 32, "stride": 16},
    "sensing": {"width": 4, "low_pass": 1, "noise": 0.02, "batch": 4, "steps": 6, "lr": 3e-5},
    "start": {"batch": 2, "steps": 4, "lr": 3e-5},
    "fusion": {
        "batch": 2,
        "steps": 6,
        "lr": 3e-5,
        "fixed": False,
        "shifts": 1,
        "rotations": 1,
        "reflections": 0,
        "mixed": 1,
        "anchor": 0.1,
        "texture": 1.0,
        "tone": 1.0,
        "ema": 0.9,
    },
    "run": {"device": "cpu", "threads": 1, "checkpoint_every": 2, "preview_every": 4},
}


@pytest.fixture
def tiny(pairs):
    """A configuration that trains in seconds, as nested values."""
    import copy

    config = copy.deepcopy(TINY)
    config["pairs"] = [
        {
            "infrared": str(pairs / "ir"),
            "visible": str(pairs / "vi"),
            "additive": {},
            "validation": 0.2,
        }
    ]
    return config


def write(config, path):
    path.write_text(yaml.safe_dump(config))
    return path


def start(*arguments) -> subprocess.Popen:
    """`emma train` in a process of its own, with the paper's preset under the arguments."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "emma_fusion", "train", *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return {
        f"{name}.{key}": tensor
        for name in ("fuser", "sensing_infrared", "sensing_visible")
        for key, tensor in load_file(folder / f"{name}.safetensors").items()
    }
