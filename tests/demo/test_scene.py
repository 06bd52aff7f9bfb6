"""The demo's scene: registered, repeatable, and worth fusing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from emma_fusion.demo import render_scene

# Boxes (top, bottom, left, right) in fractions of height and width.
WALKER = (0.47, 0.56, 0.745, 0.770)  # the trunk of the one in the dark
BESIDE = (0.47, 0.56, 0.800, 0.830)
GRILLE = (0.545, 0.565, 0.32, 0.38)
CAFE = (0.38, 0.47, 0.12, 0.20)
SKY = (0.01, 0.10, 0.62, 0.75)
CROSSING_SIGN = (0.27, 0.36, 0.885, 0.955)


@pytest.fixture(scope="module")
def scene() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return render_scene(240, 320)


def part(image: NDArray[np.uint8], box: tuple[float, ...]) -> NDArray[np.float64]:
    (height, width), (top, bottom, left, right) = image.shape[:2], box
    rows = slice(round(top * height), round(bottom * height))
    columns = slice(round(left * width), round(right * width))
    return image[rows, columns].astype(float)


def test_shapes_and_types_are_those_of_a_registered_pair(scene) -> None:
    infrared, visible = scene
    assert infrared.shape == (240, 320)
    assert visible.shape == (240, 320, 3)
    assert infrared.dtype == visible.dtype == np.uint8


def test_one_seed_is_one_scene() -> None:
    first, again, other = render_scene(48, 64, 3), render_scene(48, 64, 3), render_scene(48, 64, 4)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


def test_global_random_state_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    render_scene(32, 32)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_walker_in_the_dark_is_bright_in_infrared_and_faint_in_visible(scene) -> None:
    infrared, visible = scene
    assert part(infrared, WALKER).mean() > 160
    assert part(infrared, WALKER).mean() > part(infrared, BESIDE).mean() + 90
    assert part(visible, WALKER).mean() < 60
    assert abs(part(visible, WALKER).mean() - part(visible, BESIDE).mean()) < 25


def test_engine_is_hot_and_sky_is_cold(scene) -> None:
    infrared, _ = scene
    assert part(infrared, GRILLE).mean() > 150
    assert part(infrared, SKY).mean() < 40


@pytest.mark.parametrize("box", [CAFE, CROSSING_SIGN])
def test_lit_things_are_seen_by_the_visible_camera_only(scene, box) -> None:
    infrared, visible = scene
    assert part(visible, box).mean() > 110
    assert part(infrared, box).mean() < 100
    assert part(visible, box).std() > 2 * part(infrared, box).std()


def test_both_cameras_have_grain(scene) -> None:
    for image in scene:
        sky = part(image, SKY)
        assert 0.5 < np.diff(sky, axis=1).std() < 8


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 75), (60, 40)])
def test_any_size_is_drawn(height: int, width: int) -> None:
    infrared, visible = render_scene(height, width)
    assert infrared.shape == (height, width)
    assert visible.shape == (height, width, 3)
    assert infrared.std() > 5
    assert visible.std() > 5


@pytest.mark.parametrize("size", [(31, 64), (64, 0), (-5, 64)])
def test_a_scene_too_small_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="32x32"):
        render_scene(*size)
