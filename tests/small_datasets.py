"""Small datasets and methods for the benchmark's tests."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from emma_fusion.bench import Rules

SHAPE = (40, 48)
METRICS = ("EN", "SD", "MSE")


def write(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image if image.ndim == 2 else image[..., ::-1])
    return path


@pytest.fixture
def folders(tmp_path):
    """ir/ and vi/ with the images a, b, c and d, the visible ones in colour."""
    random = np.random.default_rng(0)
    for stem in "abcd":
        infrared = cv2.GaussianBlur(random.integers(0, 255, SHAPE, np.uint8), (5, 5), 1)
        write(tmp_path / "ir" / f"{stem}.png", infrared)
        write(tmp_path / "vi" / f"{stem}.png", random.integers(20, 220, (*SHAPE, 3), np.uint8))
    return tmp_path


@pytest.fixture
def pairs(folders):
    """The argument that names the dataset."""
    return f"street={folders / 'ir'},{folders / 'vi'}"


@pytest.fixture
def rules():
    return Rules("ours", "direct", METRICS)
