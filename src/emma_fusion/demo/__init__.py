"""A street at night, drawn by code, as an infrared and a visible camera would see it.

Nothing here is a photograph: for each pixel a small ray caster finds which surface it sees and
where, and each surface has two faces. To the visible camera it has a colour, and perhaps a light;
to the infrared camera a warmth. So a walker in dark clothes, an engine and a manhole are bright in
one image only, and signs, bricks and road markings in the other.
"""

from __future__ import annotations

import numpy as np

from emma_fusion.demo import street
from emma_fusion.demo.cameras import infrared_camera, visible_camera
from emma_fusion.demo.canvas import Array, Canvas

__all__ = ["render_scene"]


def render_scene(height: int = 480, width: int = 640, seed: int = 0) -> tuple[Array, Array]:
    """Draw a registered pair: a street at night with walkers, cars, signs and lit windows.

    Args:
        height: of both images, in pixels, at least 32.
        width: of both images, in pixels, at least 32.
        seed: of the generator for bricks, leaves, windows and the noise of both cameras.

    Returns:
        Infrared, uint8 (H, W), and visible, uint8 (H, W, 3) RGB.

    Raises:
        ValueError: a side is below 32 pixels.
    """
    if min(height, width) < 32:
        raise ValueError(f"a scene of {height}x{width} pixels shows nothing; give 32x32 or more")
    rng = np.random.default_rng(seed)
    scene = Canvas(2 * height, 2 * width, rng)  # twice the size, for soft edges
    street.sky(scene)
    street.end_of_the_street(scene)
    street.ground(scene)
    street.houses(scene)
    street.garden(scene)
    street.street_lamp(scene, -4.2, 43.0)
    street.street_lamp(scene, -4.2, 28.0)
    street.blade_sign(scene, "HOTEL", -5.9, 25.0)
    street.tree(scene, 6.6, 24.0)
    street.car(scene, 2.7, 21.0, (0.10, 0.13, 0.18), running=False)
    red, blue, grey = (0.45, 0.10, 0.08), (0.05, 0.06, 0.09), (0.19, 0.175, 0.16)
    street.walker(scene, -4.9, 18.5, stride=0.55, coat=red, trousers=blue)
    street.street_lamp(scene, -4.2, 14.5)
    street.tree(scene, 6.3, 13.0)
    street.car(scene, -1.85, 11.8, (0.22, 0.05, 0.05), running=True)
    street.crossing_sign(scene, 4.3, 9.7)
    street.walker(scene, 2.3, 8.9, stride=0.9, coat=grey, trousers=grey)
    return infrared_camera(scene, rng), visible_camera(scene, rng)
