"""The demo's scene: registered, repeatable, and worth fusing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from emma_fusion.demo import SCENES, render_scene

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


def test_an_unknown_scene_is_refused() -> None:
    with pytest.raises(ValueError, match=r"moon.*street"):
        render_scene(scene="moon")


@pytest.fixture(scope="module", params=SCENES)
def drawn(request) -> tuple[str, NDArray[np.uint8], NDArray[np.uint8]]:
    size = (240, 240) if request.param == "brain" else (240, 320)
    return request.param, *render_scene(*size, scene=request.param)


def test_each_scene_is_a_registered_pair_that_uses_its_range(drawn) -> None:
    name, first, second = drawn
    coloured, plain = (first, second) if name == "brain" else (second, first)
    assert coloured.shape == (*plain.shape, 3)
    for image in (first, second):
        assert image.dtype == np.uint8
        low, high = np.percentile(image, (2, 98))
        assert high - low > 45


@pytest.mark.parametrize("name", SCENES)
def test_each_scene_has_one_image_for_a_seed(name: str) -> None:
    first, again, other = (render_scene(48, 64, seed, name) for seed in (3, 3, 4))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


def grey(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    return image.mean(axis=-1) if image.ndim == 3 else image.astype(float)


# In each scene a box that is warm and one beside it that is not: top, bottom, left, right.
WARM = {
    "smoke": ((0.46, 0.55, 0.555, 0.575), (0.46, 0.55, 0.60, 0.63)),
    "day": ((0.47, 0.56, 0.635, 0.655), (0.47, 0.56, 0.60, 0.62)),
    "fog": ((0.46, 0.51, 0.25, 0.268), (0.46, 0.51, 0.30, 0.33)),
}


@pytest.mark.parametrize("name", WARM)
def test_people_and_animals_are_warm_in_infrared_and_hidden_in_visible(name: str) -> None:
    infrared, visible = render_scene(240, 320, scene=name)
    warm, beside = WARM[name]
    assert part(infrared, warm).mean() > part(infrared, beside).mean() + 70
    hidden = abs(part(visible, warm).mean() - part(visible, beside).mean())
    assert hidden < 0.4 * (part(infrared, warm).mean() - part(infrared, beside).mean())


def test_people_on_the_grass_are_few_warm_pixels_from_above() -> None:
    infrared, visible = render_scene(240, 320, scene="roofs")
    person, lawn = np.s_[94:104, 74:83], np.s_[85:92, 30:50]
    assert infrared[person].max() > 150
    assert infrared[lawn].max() < 100
    assert grey(visible)[person].max() < grey(visible)[lawn].max() + 25


def test_the_bearing_and_the_level_of_the_tank_are_seen_in_infrared_only() -> None:
    infrared, visible = render_scene(240, 320, scene="machine")
    tank_above, tank_below = np.s_[50:62, 20:50], np.s_[100:130, 20:50]
    assert infrared[tank_below].mean() > infrared[tank_above].mean() + 60
    assert abs(grey(visible)[tank_below].mean() - grey(visible)[tank_above].mean()) < 15
    assert infrared[150:162, 160:165].max() > 200
    label = np.s_[32:43, 23:50]
    assert grey(visible)[label].std() > 4 * infrared[label].std()


def test_the_rim_of_the_tumour_takes_up_most_and_the_folds_are_in_the_mri_alone() -> None:
    pet, mri = render_scene(240, 240, scene="brain")
    most = np.unravel_index(np.argmax(grey(pet)), mri.shape)
    assert np.hypot(most[0] - 96, most[1] - 87) < 30  # the tumour
    cortex = np.s_[120:200, 172:200]
    sharp, soft = (np.abs(np.diff(each[cortex].astype(float))).mean() for each in (mri, grey(pet)))
    assert sharp > 1.5 * soft
    assert mri[:10].max() < 30


def test_near_infrared_sees_ill_plants_and_black_water() -> None:
    near, visible = render_scene(240, 320, scene="field")
    ill, sound = np.s_[131:150, 200:260], np.s_[131:150, 75:135]
    assert near[ill].mean() < near[sound].mean() - 15
    assert abs(grey(visible)[ill].mean() - grey(visible)[sound].mean()) < 12
    water = np.s_[117:119, 10:60]
    assert near[water].mean() < 80
    assert grey(visible)[water].mean() > 120
