"""Scenes drawn by code, each as two cameras or two scanners would show it.

Nothing here is a photograph. Most scenes are painted on a `Canvas`: for each pixel a small ray
caster finds which surface it sees and where, and each surface has two faces. To the visible camera
it has a colour, and perhaps a light; to the infrared camera a warmth. So a walker in dark clothes,
an engine and a manhole are bright in one image only, and signs, bricks and road markings in the
other. What is seen from above or from the front is a `Relief`: a map of heights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emma_fusion.demo import brain, day, field, fog, machine, roofs, smoke, street
from emma_fusion.demo.textures import Array

__all__ = ["SCENES", "Scene", "render_scene"]


@dataclass(frozen=True)
class Scene:
    """A scene that can be drawn.

    Attributes:
        title: what it is, as a heading.
        draw: draws it, by height, width and generator.
        names: what the two images are.
        look: for each image what to look at, and for the fused one.
        size: height and width that suit it, in pixels.
    """

    title: str
    draw: Callable[[int, int, np.random.Generator], tuple[Array, Array]]
    names: tuple[str, str]
    look: tuple[str, str, str]
    size: tuple[int, int] = (480, 640)


_CAMERAS = ("infrared", "visible")

SCENES: dict[str, Scene] = {
    "street": Scene(
        "A street at night",
        street.draw,
        _CAMERAS,
        (
            "the walker in the dark, the engine and the manhole are warm",
            "the signs, the windows and the road markings are lit",
            "the walker on the right, who is all but black in the visible image, stands out, and "
            "the signs can still be read",
        ),
    ),
    "smoke": Scene(
        "A house on fire",
        smoke.draw,
        _CAMERAS,
        (
            "three people behind the smoke are as clear as the one in front of it",
            "the smoke hides them, but the flames, the bricks and the hose have their colours",
            "the people show through the smoke, and the flames are still flames and not a white "
            "patch",
        ),
    ),
    "roofs": Scene(
        "Roofs from a drone",
        roofs.draw,
        _CAMERAS,
        (
            "five people, one roof that loses heat, one solar panel and one cell that are too warm",
            "tiles, grass, paving and the shadows of the trees",
            "the people on the grass and on the pavement can be found, and so can the roof that "
            "loses heat",
        ),
    ),
    "day": Scene(
        "A road against the sun",
        day.draw,
        _CAMERAS,
        (
            "the sky is cold and even, and both walkers are warm",
            "the sky is brighter than the camera can show, and the walkers are only outlines",
            "the sky stays bright and keeps its clouds, and the walkers are bright before the "
            "trees",
        ),
    ),
    "fog": Scene(
        "A road in fog",
        fog.draw,
        _CAMERAS,
        (
            "a walker, a deer on the road and two more walkers far behind",
            "the sign, the lines and the headlights; the deer is hardly there",
            "the deer and all three walkers are seen, and the sign can be read",
        ),
    ),
    "machine": Scene(
        "A pump and its motor",
        machine.draw,
        _CAMERAS,
        (
            "a bearing and the contact of a fuse are hot, and the tank is full up to two thirds",
            "the labels, the dial of the gauge and the colours of the pipes",
            "the hot bearing is bright beside a motor whose plate can be read",
        ),
    ),
    "brain": Scene(
        "A slice through a head",
        brain.draw,
        ("pet", "mri"),
        (
            "the rim of a tumour takes up much tracer, and a part of the cortex takes up little",
            "the folds of the cortex, the ventricles, and a tumour with swelling around it",
            "the colours of the uptake lie on the anatomy, and the folds stay sharp",
        ),
        (480, 480),
    ),
    "field": Scene(
        "Fields and far hills",
        field.draw,
        ("near-infrared", "visible"),
        (
            "the hills are clear of haze, water is black, and plants are bright where they thrive",
            "the plants are green everywhere, also where they are ill",
            "the hills are clear and the colours natural; the patch of ill plants, in the middle "
            "on the right, is darker",
        ),
    ),
}


def render_scene(
    height: int = 480, width: int = 640, seed: int = 0, scene: str = "street"
) -> tuple[Array, Array]:
    """Draw a registered pair.

    Args:
        height: of both images, in pixels, at least 32.
        width: of both images, in pixels, at least 32.
        seed: of the generator for bricks, leaves, clouds and the noise of both cameras.
        scene: a name in `SCENES`.

    Returns:
        Infrared, uint8 (H, W), and visible, uint8 (H, W, 3) RGB. For "brain" PET, uint8
        (H, W, 3) RGB, and MRI, uint8 (H, W).

    Raises:
        ValueError: a side is below 32 pixels, or there is no such scene.
    """
    if scene not in SCENES:
        raise ValueError(f"there is no scene {scene!r}; the scenes are {', '.join(SCENES)}")
    if min(height, width) < 32:
        raise ValueError(f"a scene of {height}x{width} pixels shows nothing; give 32x32 or more")
    return SCENES[scene].draw(height, width, np.random.default_rng(seed))
