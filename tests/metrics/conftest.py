"""Images that the tests of the metrics share."""

import numpy as np
import pytest

from direct import scene as make_scene


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
