"""Fog on a road at dawn: a camera for light sees a few metres, one for warmth much further."""

from __future__ import annotations

from functools import partial

import numpy as np

from emma_fusion.demo import outdoors
from emma_fusion.demo.cameras import Weather, infrared_camera, visible_camera
from emma_fusion.demo.canvas import Canvas
from emma_fusion.demo.figures import car, crossing_sign, deer, walker
from emma_fusion.demo.textures import Array

_WEATHER = Weather(
    ambient=(0.22, 0.23, 0.25),
    sky=(0.42, 0.44, 0.46),
    air=0.075,
    airlight=(0.60, 0.625, 0.64),
    exposure=1.25,
)


def draw(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """See `emma_fusion.demo.render_scene`."""
    scene = Canvas(2 * height, 2 * width, rng)
    grey = np.asarray(_WEATHER.airlight, np.float32)
    dull = tuple(float(each) for each in grey)
    outdoors.sky(scene, zenith=dull, horizon=dull, cloud=dull, cover=-1.0, warm=(0.10, 0.14))
    outdoors.meadow(scene, (0.10, 0.13, 0.045), 0.22)
    outdoors.ridge(scene, 120.0, 5.0, (0.05, 0.07, 0.03), 0.20, wide=40.0, trees=10.0)
    outdoors.road(scene, 3.2, 0.29)
    tree = partial(outdoors.broadleaf, scene, colour=(0.10, 0.11, 0.05), warm=0.215, bare=0.45)
    for x, z, tall in ((8.0, 55, 9), (-7.6, 47, 9), (7.6, 36, 10), (-7.8, 30, 9.5), (7.2, 21, 9)):
        tree(x, z, tall)
    blue, dark = (0.07, 0.08, 0.12), (0.09, 0.085, 0.08)
    walker(scene, 3.9, 37.0, stride=0.5, coat=dark, trousers=dark)
    walker(scene, 4.7, 37.5, stride=0.6, coat=blue, trousers=dark)
    car(scene, -1.65, 27.0, (0.15, 0.15, 0.16), running=True)
    deer(scene, 1.4, 24.0)
    walker(scene, -4.3, 17.0, stride=0.7, coat=blue, trousers=dark)
    tree(-6.6, 14.0, 8.5)
    for away in (40.0, 28.0, 18.0):
        _post(scene, 3.75, away)
    crossing_sign(scene, 4.6, 11.0)
    return infrared_camera(scene, rng, air=0.012), visible_camera(scene, rng, _WEATHER)


def _post(scene: Canvas, x: float, z: float) -> None:
    """A post at the roadside, white with a dark band, cold."""
    post = scene.limb([(x, 0.0), (x, 1.0)], z, (0.12, 0.12)) & (scene.y_at(z) > 0)
    scene.paint(post, 0.75, 0.19, depth=z)
    band = post & (np.abs(scene.y_at(z) - 0.80) < 0.11)
    scene.paint(band, 0.04, 0.20, depth=z)
