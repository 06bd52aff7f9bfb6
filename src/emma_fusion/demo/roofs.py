"""Roofs, gardens and a street in the evening, straight from above."""

from __future__ import annotations

import cv2
import numpy as np

from emma_fusion.demo.cameras import halved, microbolometer
from emma_fusion.demo.relief import Relief
from emma_fusion.demo.textures import Array, rgb

_SUN = (0.62, 0.42, 0.55)
_BRICK, _SLATE, _BROWN = (1.55, 0.72, 0.50), (0.72, 0.80, 0.92), (1.1, 0.82, 0.62)


def draw(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """See `emma_fusion.demo.render_scene`."""
    scene = Relief(2 * height, 2 * width, 56.0, rng)
    _grass(scene)
    _street(scene)
    _path(scene)
    _pool(scene)
    _house(scene, -18.5, 11.5, 8.0, (6.6, 4.3), _BRICK)
    _house(scene, -1.0, 12.2, 8.0, (6.2, 4.6), _SLATE, panels=True)
    _house(scene, 17.6, 12.8, 98.0, (5.0, 5.2), _BRICK, leak=True)
    _house(scene, 19.0, -16.3, 8.0, (7.0, 4.6), _BROWN)
    _hall(scene)
    for x, y, degrees, colour, engine in (
        (-22.0, -7.4, 8.0, (0.30, 0.03, 0.03), 0.0),
        (-9.5, -5.6, 8.0, (0.55, 0.56, 0.58), 0.9),
        (6.5, -3.4, 8.0, (0.05, 0.06, 0.08), 0.0),
        (12.5, -6.0, 188.0, (0.06, 0.14, 0.32), 1.0),
        (8.6, 5.6, 98.0, (0.75, 0.75, 0.73), 0.25),
    ):
        _car(scene, x, y, degrees, colour, engine)
    trees = [(-26.3, 5.5, 2.6), (-9.6, 9.8, 2.9), (-10.0, 16.5, 2.0), (8.4, 17.2, 2.5)]
    trees += [(26.0, 5.2, 2.3), (11.2, -11.8, 2.2), (27.0, -10.2, 1.9), (-25.5, 18.5, 2.4)]
    for x, y, radius in [*trees, (9.2, -18.5, 2.7)]:
        _tree(scene, x, y, radius)
    for x, y, coat in (
        (-3.2, 3.9, (0.10, 0.20, 0.10)),
        (2.6, -8.9, (0.05, 0.05, 0.07)),
        (3.5, -9.0, (0.4, 0.05, 0.05)),
        (-14.2, 3.6, (0.08, 0.10, 0.06)),
        (24.0, -3.6, (0.07, 0.08, 0.13)),
    ):
        _person(scene, x, y, coat)
    facing = scene.normals() @ np.asarray(_SUN, np.float32)
    shade = scene.shadows(_SUN, 9.0)
    warmth = scene.warmth * (1 + 0.16 * (facing - 0.55)) - 0.05 * shade * (scene.warmth < 0.6)
    infrared = microbolometer(halved(warmth.astype(np.float32)), rng)
    return infrared, scene.visible(_SUN, (2.5, 2.0, 1.45), (0.36, 0.42, 0.52), 9.0, 1.15)


def _grass(scene: Relief) -> None:
    x, y = scene.x, scene.y
    patch = scene.noise(x * 0.16 + 9, y * 0.16 + 9, 5, smooth=True) - 0.5
    blade = scene.noise(x * 4, y * 4, 4) - 0.5
    mown = 0.10 * np.sign(np.sin(x * 2.4)) * ((x > -13) & (x < 7) & (y > 0))
    shade = np.clip(1 + 1.2 * patch + 1.0 * blade + mown, 0.2, 2)[..., None]
    dry = np.clip(0.4 + 2 * patch, 0, 1)[..., None]
    colour = shade * (rgb(0.085, 0.125, 0.035) + dry * rgb(0.06, 0.03, 0.01))
    everywhere = np.ones(x.shape, bool)
    scene.put(everywhere, colour, 0.26 + 0.10 * patch + 0.04 * blade, 0.05 + 0.10 * blade)


def _street(scene: Relief) -> None:
    u, v = scene.local(0, -5.8, 8.0)
    grain = scene.noise(u * 7, v * 7, 4) - 0.5
    stain = scene.noise(u * 0.4 + 3, v * 0.9 + 3, 5, smooth=True) - 0.5
    s, t = u / 0.9, v / 0.9
    seam = (np.abs(s % 1 - 0.5) > 0.46) | (np.abs(t % 1 - 0.5) > 0.46)
    slab = scene.pick(np.floor(s), np.floor(t)) - 0.5
    walk = np.abs(v) < 5.0
    grey = 0.30 + 0.08 * slab + 0.10 * grain - 0.08 * seam
    scene.put(walk, grey[..., None] * rgb(1, 0.97, 0.92), 0.40 + 0.03 * slab + 0.05 * stain, 0.14)
    tar = np.abs(v) < 3.5
    bright = 0.11 + 0.06 * grain + 0.05 * stain
    worn = np.clip(scene.noise(u * 3 + 8, v * 3 + 8) * 3 - 0.6, 0.3, 1)
    line = ((np.abs(v) < 0.09) & (u % 5 < 2.4)) | (np.abs(np.abs(v) - 3.3) < 0.05)
    zebra = (np.abs(u - 1.0) < 1.6) & (np.abs(v) < 3.1) & ((v + 0.3) % 1.1 < 0.55)
    bright = bright + 0.5 * worn * (line | zebra)
    warm = 0.50 + 0.09 * stain + 0.03 * grain - 0.06 * worn * (line | zebra)
    scene.put(tar, bright[..., None] * rgb(0.98, 1.0, 1.03), warm, 0.0)
    far = np.hypot(u + 5.0, v + 1.6)
    scene.warmth += tar * 0.16 * np.exp(-((far / 0.8) ** 2))
    scene.put(far < 0.36, 0.06, 0.78)


def _path(scene: Relief) -> None:
    """A drive of cobbles, and a path to a door."""
    for x, low, high, half in ((8.6, -2.0, 8.5, 1.7), (-3.0, -2.0, 8.0, 0.6)):
        u, v = scene.local(x, 0, 8.0)
        where = (np.abs(u) < half) & (v > low) & (v < high)
        s, t = u / 0.24, v / 0.24
        tone = scene.pick(np.floor(s), np.floor(t))
        seam = (np.abs(s % 1 - 0.5) > 0.40) | (np.abs(t % 1 - 0.5) > 0.40)
        grey = (0.20 + 0.16 * tone) * (1 - 0.45 * seam)
        scene.put(where, grey[..., None] * rgb(1.05, 0.98, 0.88), 0.37 + 0.04 * tone, 0.06)


def _pool(scene: Relief) -> None:
    u, v = scene.local(-24.0, -1.0, 8.0)
    u, v = u + 1.0, v - 1.0
    edge = (np.abs(u) < 3.0) & (np.abs(v) < 1.9)
    scene.put(edge, (0.55, 0.52, 0.46), 0.36, 0.12)
    water = (np.abs(u) < 2.6) & (np.abs(v) < 1.5)
    ripple = scene.noise(u * 2.2, v * 2.2, 3, smooth=True)
    crest = np.exp(-(((ripple - 0.5) / 0.035) ** 2))
    colour = (0.75 + 0.35 * crest)[..., None] * rgb(0.05, 0.42, 0.50)
    scene.put(water, colour, 0.17 + 0.01 * ripple, 0.0, 0.5)


def _house(
    scene: Relief,
    x: float,
    y: float,
    degrees: float,
    half: tuple[float, float],
    tint: tuple[float, float, float],
    *,
    panels: bool = False,
    leak: bool = False,
) -> None:
    """A house under a pitched roof, whose ridge lies along u.

    Args:
        scene: where to build.
        x: its middle.
        y: its middle.
        degrees: turn of the ridge.
        half: half its length and half its width, in metres.
        tint: of the tiles.
        panels: solar panels, one cell of which is hot.
        leak: half of the roof is badly insulated.
    """
    u, v = scene.local(x, y, degrees)
    where = (np.abs(u) < half[0]) & (np.abs(v) < half[1])
    rise = 3.4 + 0.75 * (half[1] - np.abs(v))
    s, t = u / 0.30, np.abs(v) / 0.36
    tone = scene.pick(np.floor(s), np.floor(t) + 40 * (v > 0)) - 0.5
    moss = np.clip(scene.noise(u * 0.5 + x, v * 0.5 + y, 5, smooth=True) - 0.55, 0, 1)
    rows = t % 1
    bright = (0.19 + 0.06 * tone) * (0.72 + 0.45 * rows) * (1 - 0.18 * (np.abs(s % 1 - 0.5) > 0.4))
    colour = bright[..., None] * np.asarray(tint, np.float32)
    colour = colour + moss[..., None] * rgb(0.05, 0.12, 0.02)
    bump = 0.05 * rows + 0.02 * np.abs(np.sin(np.pi * s))
    warm = 0.34 + 0.03 * tone - 0.10 * moss + 0.05 * rows
    if leak:
        rafters = np.abs(u / 0.9 % 1 - 0.5)
        cold = np.exp(-((np.minimum(rafters, 0.5) / 0.10) ** 2))
        part = np.clip((u + 1.0) / 0.8, 0, 1) * np.clip((3.6 - u) / 0.8, 0, 1)
        warm = warm + part * (0.26 - 0.13 * cold) * (0.55 + scene.noise(u, v, 4, smooth=True))
    scene.put(where, colour, warm, rise + bump, 0.05)
    ridge = (np.abs(u) < half[0]) & (np.abs(v) < 0.16)
    scene.put(ridge, 0.9 * 0.17 * np.asarray(tint, np.float32), 0.40, rise + 0.12)
    gutter = where & (np.abs(v) > half[1] - 0.14)
    scene.put(gutter, 0.32, 0.26, 3.3, 0.4)
    stack = (np.abs(u - 0.55 * half[0]) < 0.42) & (np.abs(v - 0.9) < 0.42)
    scene.put(stack, (0.26, 0.13, 0.10), 0.46, rise.max() + 0.8)
    flue = np.hypot(u - 0.55 * half[0], v - 0.9) < 0.22
    scene.put(flue, 0.015, 0.97, rise.max() + 0.4)
    for place in (-0.45, 0.05):
        du = np.abs(u - place * half[0])
        window = (du < 0.48) & (np.abs(v - 0.55 * half[1]) < 0.62)
        scene.put(window, 0.25, 0.38, rise + 0.14)
        glass = (du < 0.40) & (np.abs(v - 0.55 * half[1]) < 0.54)
        scene.put(glass, (0.05, 0.07, 0.10), 0.46, rise + 0.10, 1.5)
    if panels:
        _panels(scene, u, v + 0.5 * half[1], rise)


def _panels(scene: Relief, u: Array, v: Array, rise: Array) -> None:
    s, t = (u + 4.4) / 1.1, (v + 1.6) / 1.55
    board = (s > 0) & (s < 8) & (t > 0) & (t < 2)
    frame = (np.abs(s % 1 - 0.5) > 0.475) | (np.abs(t % 1 - 0.5) > 0.482)
    cells = (np.abs(s * 6 % 1 - 0.5) > 0.46) | (np.abs(t * 8 % 1 - 0.5) > 0.46)
    blue = np.where(
        frame[..., None], 0.45, np.where(cells[..., None], 0.10, rgb(0.012, 0.02, 0.06))
    )
    warm = 0.50 + 0.05 * scene.pick(np.floor(s), np.floor(t) + 9) - 0.06 * frame
    cell = (np.floor(s * 6) == 15) & (np.floor(t * 8) == 10)
    warm = warm + 0.36 * cell
    string = (np.floor(s) == 5) & (t > 1)
    warm = warm + 0.10 * string  # one panel gives no current and grows warm
    scene.put(board, blue, warm, rise + 0.22, 0.8)


def _hall(scene: Relief) -> None:
    """A flat roof with gravel, ducts and cooling units."""
    u, v = scene.local(-14.0, -16.3, 8.0)
    where = (np.abs(u) < 12.0) & (np.abs(v) < 5.0)
    stone = scene.noise(u * 5, v * 5, 4) - 0.5
    stain = scene.noise(u * 0.4, v * 0.4, 5, smooth=True) - 0.5
    grey = 0.27 + 0.22 * stone + 0.20 * stain
    wet = np.clip((stain - 0.06) / 0.05, 0, 1)  # a puddle: cool, and hard to see
    grey = grey * (1 - 0.35 * wet)
    scene.put(where, grey[..., None] * rgb(1, 0.98, 0.93), 0.42 + 0.06 * stone - 0.16 * wet, 4.5)
    rim = where & ((np.abs(u) > 11.6) | (np.abs(v) > 4.6))
    scene.put(rim, 0.42, 0.33, 5.1, 0.2)
    for place in (-7.5, -4.4):
        box = (np.abs(u - place) < 1.15) & (np.abs(v - 1.6) < 1.15)
        scene.put(box, (0.52, 0.54, 0.55), 0.45, 6.0, 0.3)
        far, turn = np.hypot(u - place, v - 1.6), np.arctan2(v - 1.6, u - place)
        fan = far < 0.92
        blades = np.sin(5 * turn + 2.5 * far) > 0.1
        scene.put(fan, 0.03 + 0.14 * blades, 0.80 + 0.08 * blades, 5.8)
        scene.put(far < 0.18, 0.4, 0.90, 6.0)
    duct = (np.abs(v + 1.2) < 0.5) & (u > -8) & (u < 7.5)
    round_ = 5.2 + np.sqrt(np.maximum(0.25 - (v + 1.2) ** 2, 0))
    joint = np.abs(u % 2.2 - 1.1) < 0.06
    scene.put(duct, 0.46 - 0.16 * joint, 0.40 + 0.18 * np.clip((u + 2) / 9, 0, 1), round_, 0.9)
    for place in (1.5, 5.0, 8.5):
        dome = np.hypot(u - place, v - 2.2)
        scene.put(dome < 0.95, 0.35, 0.40, 4.9)
        glass = dome < 0.8
        scene.put(glass, (0.28, 0.33, 0.36), 0.66, 4.9 + 0.5 * (1 - dome**2), 1.5)


def _car(
    scene: Relief, x: float, y: float, degrees: float, colour: tuple[float, ...], engine: float
) -> None:
    """A car whose engine, in front (u > 0), is hot or not."""
    u, v = scene.local(x, y, degrees)
    body = (np.abs(u / 2.2) ** 4 + np.abs(v / 0.9) ** 6) < 1
    curve = 0.9 - 0.10 * (v / 0.9) ** 2 - 0.12 * (u / 2.2) ** 4
    bonnet = np.exp(-(((u - 1.35) / 0.62) ** 2) - (v / 0.72) ** 4)
    paint = np.asarray(colour, np.float32)
    scene.put(body, paint, 0.33 + 0.58 * engine * bonnet, curve, 1.2)
    cabin = (np.abs((u + 0.35) / 1.35) ** 4 + np.abs(v / 0.76) ** 6) < 1
    scene.put(cabin, (0.02, 0.025, 0.03), 0.22, curve + 0.28, 2.0)
    roof = (np.abs((u + 0.45) / 0.85) ** 6 + np.abs(v / 0.66) ** 6) < 1
    scene.put(roof, paint, 0.31, curve + 0.52 - 0.15 * v**2, 1.2)
    near = (np.hypot(u / 2.7, v / 1.35) < 1) & ~body
    scene.warmth += 0.08 * engine * cv2.GaussianBlur(near.astype(np.float32), (0, 0), 3) * (u > 0)


def _tree(scene: Relief, x: float, y: float, radius: float) -> None:
    """A crown of leaves: lumps upon lumps."""
    u, v = scene.local(x, y)
    leaf = scene.noise(u * 1.1 + 5 * x, v * 1.1 + 5 * y, 5)
    far = np.hypot(u, v) / radius + 0.75 * (leaf - 0.5)
    where = far < 1
    dome = np.sqrt(np.maximum(1 - far**2, 0))
    tall = 1.2 + 1.5 * radius * dome + 1.6 * (leaf - 0.5)
    shade = np.clip(0.4 + 1.1 * leaf, 0, 1.6)[..., None]
    scene.put(where, shade * rgb(0.055, 0.10, 0.022), 0.20 + 0.10 * leaf, tall)


def _person(scene: Relief, x: float, y: float, coat: tuple[float, float, float]) -> None:
    """Head and shoulders from above, larger than life by a third, to be seen at this height."""
    u, v = scene.local(x, y, 30.0)
    body = np.hypot(u / 0.36, v / 0.21) < 1
    scene.put(body, np.asarray(coat, np.float32), 0.84, 1.5)
    scene.put(np.hypot(u, v - 0.04) < 0.15, (0.06, 0.045, 0.035), 0.97, 1.8)
