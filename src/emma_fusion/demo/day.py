"""A country road against the sun: the sky is bright, and whoever stands in the shade is not."""

from __future__ import annotations

import cv2
import numpy as np

from emma_fusion.demo import outdoors
from emma_fusion.demo.cameras import Weather, infrared_camera, visible_camera
from emma_fusion.demo.canvas import Canvas
from emma_fusion.demo.figures import car, walker
from emma_fusion.demo.textures import Array

_SUN = (0.245, 0.255, 0.935)
_WEATHER = Weather(
    ambient=(0.022, 0.027, 0.036),
    sky=(0.06, 0.075, 0.10),
    sun=_SUN,
    sunlight=(5.5, 4.8, 3.7),
    air=0.0005,
    airlight=(0.95, 0.93, 0.88),
    exposure=1.25,
)


def draw(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """See `emma_fusion.demo.render_scene`."""
    scene = Canvas(2 * height, 2 * width, rng)
    outdoors.sky(
        scene,
        zenith=(0.42, 0.62, 1.0),
        horizon=(1.25, 1.25, 1.2),
        cloud=(1.5, 1.45, 1.35),
        cover=0.52,
        warm=(0.03, 0.15),
        size=0.6,
    )
    outdoors.sun_disc(scene, _SUN, 30.0)
    outdoors.ridge(scene, 900.0, 85.0, (0.10, 0.13, 0.08), 0.26, wide=260.0, trees=14.0)
    outdoors.meadow(scene, (0.085, 0.12, 0.03), 0.32)
    outdoors.ridge(scene, 150.0, 6.0, (0.05, 0.075, 0.025), 0.25, wide=60.0, trees=9.0)
    _house(scene)
    outdoors.road(scene, 3.2, 0.50)
    stands = [(7.8, 62.0, 9.5), (-7.4, 48.0, 8.0), (7.2, 44.0, 10.0), (6.9, 31.0, 9.0)]
    for x, z, tall in [*stands, (6.6, 21.0, 9.5), (6.4, 14.0, 8.6)]:
        mask = outdoors.broadleaf(scene, x, z, tall, colour=(0.07, 0.11, 0.025), warm=0.25)
        scene.shade = np.maximum(scene.shade, scene.shadow(mask, z, _SUN))
    scene.warmth -= 0.16 * scene.shade  # the ground is cooler where no sun has been
    car(scene, -1.7, 23.0, (0.16, 0.19, 0.24), running=True)
    _cast(scene, 23.0)
    grey, dark = (0.10, 0.10, 0.095), (0.06, 0.06, 0.075)
    walker(scene, 4.6, 17.5, stride=0.6, coat=dark, trousers=grey)
    _cast(scene, 17.5)
    walker(scene, 1.5, 10.2, stride=0.8, coat=grey, trousers=dark)
    _cast(scene, 10.2)
    return infrared_camera(scene, rng), visible_camera(scene, rng, _WEATHER)


def _cast(scene: Canvas, z: float) -> None:
    """The shadow of what stands at a depth; too young to have cooled the ground."""
    mask = (np.abs(scene.depth - z) < 1e-3) & (scene.normal[..., 2] < -0.9)
    scene.shade = np.maximum(scene.shade, scene.shadow(mask, z, _SUN))


def _house(scene: Canvas) -> None:
    """A farmhouse with a tiled roof, far on the left."""
    z = 70.0
    wall = scene.polygon([(-27, 0), (-15, 0), (-15, 4.2), (-27, 4.2)], z)
    scene.paint(wall, (0.55, 0.50, 0.42), 0.36, depth=z)
    roof = scene.polygon([(-27.6, 4.1), (-14.4, 4.1), (-16.2, 8.0), (-25.8, 8.0)], z)
    rows = 0.16 + 0.03 * np.sin(scene.y_at(z) * 20)
    tiles = rows[..., None] * np.array((1.9, 0.8, 0.55), np.float32)
    scene.paint(roof, tiles, 0.44, depth=z, normal=(0, 0.6, -0.8))
    for x in (-25.2, -22.4, -19.0):
        pane = scene.polygon([(x, 1.4), (x + 1.3, 1.4), (x + 1.3, 3.0), (x, 3.0)], z)
        scene.paint(pane, 0.03, 0.22, depth=z)
    chimney = scene.polygon([(-18.6, 7.2), (-17.8, 7.2), (-17.8, 9.2), (-18.6, 9.2)], z)
    scene.paint(chimney, (0.3, 0.14, 0.1), 0.72, depth=z)
    edge = cv2.dilate(wall.astype(np.uint8), np.ones((3, 3), np.uint8)).view(bool) & ~wall
    scene.warmth[edge & (scene.depth > z)] *= 0.9
