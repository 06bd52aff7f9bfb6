"""Pictures that the tests of the metrics share."""

import cv2
import numpy as np
import pytest


def make_scene(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A fused picture and two sources with fine and coarse structure, uint8."""
    random = np.random.default_rng(seed)
    sources = []
    for _ in range(2):
        fine, coarse = (
            cv2.GaussianBlur(random.standard_normal((height, width)), (0, 0), sigma) * sigma
            for sigma in (1.2, 8.0)
        )
        sources.append(np.clip(128 + 60 * coarse + 40 * fine, 0, 255).astype(np.uint8))
    mean = np.mean(sources, axis=0)
    noise = random.normal(0, 3, mean.shape)
    fused = np.clip(1.3 * (mean - 128) + 128 + noise, 0, 255).astype(np.uint8)
    return fused, sources[0], sources[1]


@pytest.fixture(scope="session")
def large_scene():
    """Fused, infrared and visible, 180x188: as large as the most demanding metric needs."""
    return make_scene(180, 188)


@pytest.fixture
def scene(request, large_scene):
    """As `large_scene`, but 70x64 where a test is of one metric that is content with that."""
    parameters = getattr(getattr(request.node, "callspec", None), "params", {})
    if parameters.get("name", "MS-SSIM") == "MS-SSIM":
        return large_scene
    return tuple(np.ascontiguousarray(x[:70, :64]) for x in large_scene)


@pytest.fixture(scope="session")
def small_scene():
    """Fused, infrared and visible, 48x52."""
    return make_scene(48, 52)
