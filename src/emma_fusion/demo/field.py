"""Fields before far hills, in visible and in near-infrared light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emma_fusion.demo import outdoors
from emma_fusion.demo.cameras import Weather, near_infrared_camera, visible_camera
from emma_fusion.demo.canvas import Canvas
from emma_fusion.demo.textures import Array, rgb

_SUN = (-0.52, 0.60, -0.61)
_WEATHER = Weather(
    ambient=(0.10, 0.115, 0.14),
    sky=(0.26, 0.31, 0.40),
    sun=_SUN,
    sunlight=(1.9, 1.75, 1.45),
    air=0.00085,
    airlight=(0.66, 0.72, 0.80),
    exposure=1.1,
)
_NEAR = replace(_WEATHER, exposure=0.75)
_TREE, _LEAF = (0.055, 0.095, 0.025), 0.42  # albedo in visible light, and in near-infrared


def draw(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """See `emma_fusion.demo.render_scene`; the first image is near-infrared."""
    scene = Canvas(2 * height, 2 * width, rng)
    outdoors.sky(
        scene,
        zenith=(0.20, 0.36, 0.72),
        horizon=(0.72, 0.80, 0.90),
        cloud=(1.35, 1.35, 1.35),
        cover=0.58,
        warm=(0.05, 0.85),
        size=0.42,
    )
    outdoors.ridge(scene, 4800.0, 850.0, (0.10, 0.11, 0.10), 0.22, wide=1500.0)
    outdoors.ridge(scene, 2800.0, 330.0, (0.06, 0.085, 0.045), 0.33, wide=900.0, trees=34.0)
    outdoors.ridge(scene, 1100.0, 75.0, (0.06, 0.09, 0.035), 0.40, wide=420.0, trees=18.0)
    outdoors.meadow(scene, (0.075, 0.115, 0.03), 0.46)
    _ground(scene)
    _village(scene)
    outdoors.ridge(scene, 240.0, 3.0, _TREE, _LEAF, wide=70.0, trees=12.0)
    _pond(scene)
    places = [(-38.0, 105.0, 15.0), (30.0, 92.0, 13.0), (37.0, 88.0, 11.0), (-21.0, 62.0, 11.0)]
    for x, z, tall in [*places, (14.5, 45.0, 10.5), (-13.5, 32.0, 9.5)]:
        mask = outdoors.broadleaf(scene, x, z, tall, colour=_TREE, warm=_LEAF, lit=0.8)
        scene.shade = np.maximum(scene.shade, scene.shadow(mask, z, _SUN))
    _fence(scene)
    return near_infrared_camera(scene, rng, _NEAR), visible_camera(scene, rng, _WEATHER)


def _ground(scene: Canvas) -> None:
    """Rows of young plants on brown soil; in one patch they are ill."""
    below, x, z = outdoors.land(scene)
    where = below & (x > -0.34 * z - 1.0) & (z < 58)
    near = np.clip(14 / z, 0, 1)
    row = (x + 0.10 * (scene.noise(z * 0.4, x * 0 + 6, 3) - 0.5)) / 0.75
    across = np.abs(row % 1 - 0.5)
    leaf = scene.noise(x * 9 + 20, z * 5 + 20, 4)
    clump = np.abs((z / 0.42 + 0.4 * scene.pick(np.floor(row), np.floor(row) + 3)) % 1 - 0.5)
    clump = clump * np.clip(9 / z, 0, 1)  # one plant after the other, as far as the eye tells them
    plant = np.clip(leaf - 0.35 * clump, 0, 1)
    edge = (across - 0.27 - 0.75 * (leaf - 0.5) + 0.30 * clump) / (0.07 + 0.010 * z)
    green = np.clip(0.5 - edge, 0, 1)
    clod = scene.noise(x * 9, z * 6, 4) - 0.5
    soil = (0.13 + 0.12 * clod * near)[..., None] * rgb(1.15, 0.88, 0.64)
    blade = (0.25 + 1.6 * plant)[..., None] * rgb(0.06, 0.115, 0.026)
    colour = soil * (1 - green[..., None]) + blade * green[..., None]
    ill = _patch(scene, x, z)
    tired = green[..., None] * ill[..., None] * rgb(0.012, 0.004, 0.0)
    near_ir = (0.16 + 0.10 * clod * near) * (1 - green)
    near_ir = near_ir + green * (0.22 + 0.62 * plant) * (1 - 0.58 * ill)
    scene.paint(where, colour + tired, near_ir, depth=z, normal=(0, 1, 0))


def _patch(scene: Canvas, x: Array, z: Array) -> Array:
    """1 where the plants are ill, 0 where they thrive."""
    ragged = scene.noise(x * 0.45 + 4, z * 0.30 + 4, 4, smooth=True) - 0.5
    far = np.hypot((x - 3.4) / 3.2, (z - 13.5) / 5.0) + 0.9 * ragged
    return np.asarray(1 / (1 + np.exp(np.clip((far - 0.9) / 0.06, -50, 50))))


def _pond(scene: Canvas) -> None:
    """Water: it mirrors the sky in visible light and is black in near-infrared."""
    below, x, z = outdoors.land(scene)
    shore = scene.noise(x * 0.2 + 8, z * 0.12 + 8, 4, smooth=True) - 0.5
    far = np.hypot((x + 15.5) / 8.5, (z - 43.0) / 8.0) + 0.5 * shore
    reeds = below & (far < 1.08)
    scene.paint(reeds, (0.085, 0.10, 0.04), 0.40, depth=z, normal=(0, 1, 0))
    water = below & (far < 1)
    ripple = scene.noise(x * 2, z * 0.8, 4) - 0.5
    light = (0.55 + 0.35 * ripple)[..., None] * rgb(0.52, 0.66, 0.86)
    scene.paint(
        water, 0.01, 0.02 + 0.03 * np.clip(ripple, 0, 1), depth=z, light=light, normal=(0, 1, 0)
    )


def _village(scene: Canvas) -> None:
    """Roofs and a steeple, far away."""
    z = 228.0
    houses = [(12, 9, 5, 0.42), (24, 11, 6, 0.36), (41, 8, 5, 0.45), (54, 12, 6, 0.38)]
    for x, wide, tall, tone in houses:
        box = scene.polygon([(x, 0), (x + wide, 0), (x + wide, tall), (x, tall)], z)
        scene.paint(box, (tone, 0.95 * tone, 0.85 * tone), 0.40, depth=z)
        corners = [(x - 1, tall), (x + wide + 1, tall), (x + wide - 2, tall + 4), (x + 2, tall + 4)]
        roof = scene.polygon(corners, z)
        scene.paint(roof, (0.26, 0.105, 0.07), 0.34, depth=z, normal=(0, 0.7, -0.7))
    tower = scene.polygon([(36, 0), (40, 0), (40, 15), (36, 15)], z)
    scene.paint(tower, (0.45, 0.43, 0.38), 0.42, depth=z)
    spire = scene.polygon([(35.5, 15), (40.5, 15), (38, 27)], z)
    scene.paint(spire, (0.09, 0.10, 0.11), 0.12, depth=z, normal=(0, 0.5, -0.85))


def _fence(scene: Canvas) -> None:
    """Grey posts and two wires beside the field."""
    for k in range(9, 0, -1):
        z = 5.5 + 4.2 * k
        x = -0.34 * z - 1.6
        post = scene.limb([(x, 0.0), (x, 1.05)], z, (0.11, 0.10)) & (scene.y_at(z) > 0)
        grain = scene.noise(scene.x_at(z) * 60, scene.y_at(z) * 4, 3)
        scene.paint(post, (0.14 + 0.14 * grain)[..., None] * rgb(1, 0.95, 0.88), 0.30, depth=z)
