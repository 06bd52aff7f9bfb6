"""A house on fire: smoke hides from one camera whom the other still sees."""

from __future__ import annotations

import cv2
import numpy as np

from emma_fusion.demo import outdoors
from emma_fusion.demo.cameras import Weather, infrared_camera, visible_camera
from emma_fusion.demo.canvas import Canvas
from emma_fusion.demo.figures import walker
from emma_fusion.demo.textures import Array, rgb

_WEATHER = Weather(
    ambient=(0.16, 0.17, 0.19), sky=(0.55, 0.58, 0.62), sunlight=(0.3, 0.3, 0.3), exposure=1.35
)
_WALL = 17.0  # z of the house
_FIRE = (-3.6, 1.2)  # x and y of the burning window's sill
_WINDOWS = ((-7.2, 1.1), (-3.6, 1.1), (3.6, 1.1), (-7.2, 4.3), (-3.6, 4.3), (0.0, 4.3), (3.6, 4.3))


def draw(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """See `emma_fusion.demo.render_scene`."""
    scene = Canvas(2 * height, 2 * width, rng)
    grey = (0.78, 0.80, 0.83)
    outdoors.sky(
        scene, zenith=grey, horizon=grey, cloud=(0.9, 0.9, 0.92), cover=0.6, warm=(0.1, 0.16)
    )
    outdoors.meadow(scene, (0.085, 0.12, 0.035), 0.26)
    outdoors.ridge(scene, 90.0, 4.0, (0.06, 0.08, 0.035), 0.24, wide=40.0, trees=9.0)
    _yard(scene)
    outdoors.broadleaf(scene, 9.2, 21.0, 8.0, colour=(0.07, 0.10, 0.03), warm=0.25)
    _house(scene)
    _flames(scene)
    _hose(scene)
    yellow, dark = (0.42, 0.36, 0.10), (0.05, 0.05, 0.06)
    walker(scene, 4.7, 15.0, stride=0.5, coat=(0.3, 0.08, 0.07), trousers=dark)
    walker(scene, 0.9, 13.0, stride=0.75, coat=yellow, trousers=dark)
    walker(scene, 2.2, 12.6, stride=0.65, coat=(0.12, 0.16, 0.3), trousers=(0.2, 0.2, 0.22))
    veil = _smoke(scene)
    walker(scene, -2.6, 8.6, stride=0.8, coat=yellow, trousers=dark)
    veil[(np.abs(scene.depth - 8.6) < 1e-3) & (scene.normal[..., 2] < -0.9)] *= 0.1
    infrared = infrared_camera(scene, rng)
    return infrared, visible_camera(scene, rng, _WEATHER, veil)


def _yard(scene: Canvas) -> None:
    """Concrete slabs in front of the house, warmed by the fire."""
    below, x, z = outdoors.land(scene)
    where = below & (z < _WALL) & (np.abs(x) < 8)
    near = np.clip(9 / z, 0, 1)
    s, t = x / 1.6, z / 1.6
    seam = (np.abs(s % 1 - 0.5) > 0.485) | (np.abs(t % 1 - 0.5) > 0.485)
    slab = scene.pick(np.floor(s), np.floor(t)) - 0.5
    stain = scene.noise(x * 0.7 + 3, z * 0.7 + 3, 5, smooth=True) - 0.5
    grain = (scene.noise(x * 18, z * 18, 3) - 0.5) * near
    bright = (0.30 + 0.05 * slab + 0.16 * stain + 0.10 * grain) * (1 - 0.5 * seam * near)
    glow = np.exp(-np.hypot(x - _FIRE[0], z - _WALL) / 3.0)
    warm = 0.27 + 0.02 * slab + 0.04 * stain - 0.03 * seam + 0.22 * glow
    scene.paint(where, bright[..., None] * rgb(1, 0.97, 0.92), warm, depth=z, normal=(0, 1, 0))


def _house(scene: Canvas) -> None:
    """Two storeys of plaster over a brick base, a door and windows, and a roof of tiles."""
    x, y = scene.x_at(_WALL), scene.y_at(_WALL)
    wall = (np.abs(x + 1.6) < 7.6) & (y > 0) & (y < 6.6)
    dirt = scene.noise(x * 0.6 + 8, y * 0.25 + 8, 5, smooth=True) - 0.5
    rough = scene.noise(x * 9, y * 9, 3) - 0.5
    plaster = (0.46 + 0.16 * dirt + 0.06 * rough)[..., None] * rgb(1.0, 0.95, 0.84)
    course = np.floor(y / 0.13)
    mortar = (np.abs(y / 0.13 % 1 - 0.5) > 0.40) | (
        np.abs((x / 0.4 + 0.5 * (course % 2)) % 1 - 0.5) > 0.46
    )
    tone = 0.16 + 0.10 * scene.pick(np.floor(x / 0.4 + 0.5 * (course % 2)), course)
    brick = np.where(mortar[..., None], 0.28, tone[..., None] * rgb(1.5, 0.75, 0.55))
    colour = np.where((y < 0.9)[..., None], brick, plaster)
    rise = np.clip((y - _FIRE[1]) / 5, 0, 1)
    soot = np.exp(-(((x - _FIRE[0] - 0.9 * rise) / (0.9 + 1.2 * rise)) ** 2)) * (y > 2.2)
    colour = colour * (1 - 0.85 * np.clip(soot * (0.6 + dirt), 0, 1))[..., None]
    warm = 0.23 + 0.05 * dirt + 0.55 * soot * np.exp(-0.35 * np.maximum(y - 2.2, 0))
    scene.paint(wall, colour, warm, depth=_WALL)
    for left, low in _WINDOWS:
        frame = wall & (np.abs(x - left) < 0.72) & (y > low) & (y < low + 1.6)
        pane = frame & (np.abs(np.abs(x - left) - 0.33) < 0.29) & (np.abs(y - low - 0.8) < 0.71)
        burning = (left, low) == (_FIRE[0], 1.1)
        scene.paint(frame, 0.60, 0.40 if burning else 0.22, depth=_WALL)
        sky = 0.10 + 0.10 * scene.noise(x * 0.8, y * 0.8 + left, 3, smooth=True)
        scene.paint(pane, 0.02, 0.16, depth=_WALL, light=sky[..., None] * rgb(0.8, 0.9, 1.0))
    door = wall & (np.abs(x) < 0.62) & (y < 2.25)
    scene.paint(door, (0.16, 0.075, 0.035), 0.27, depth=_WALL)
    roof = scene.polygon([(-9.6, 6.5), (6.4, 6.5), (5.0, 10.0), (-8.2, 10.0)], _WALL)
    rows = (
        np.abs(y / 0.33 % 1 - 0.5) * 0.12
        + 0.12
        + 0.05 * scene.pick(np.floor(x / 0.25), np.floor(y / 0.33))
    )
    warmth = 0.20 + 0.25 * np.exp(-np.hypot(x + 2.4, y - 8) / 2.2)
    scene.paint(
        roof, rows[..., None] * rgb(1.5, 0.72, 0.5), warmth, depth=_WALL, normal=(0, 0.6, -0.8)
    )


def _flames(scene: Canvas) -> None:
    """Fire behind the window and out of it."""
    x, y = scene.x_at(_WALL) - _FIRE[0], scene.y_at(_WALL) - _FIRE[1]
    lick = scene.noise(x * 1.6 + 60, y * 0.8 + 60, 5, smooth=True)
    inside = (np.abs(x) < 0.66) & (y > 0) & (y < 1.45)
    reach = 1.2 + 3.2 * (lick - 0.42)
    tongue = np.clip(1.5 - y / reach - (np.abs(x - 0.12 * y) / 0.80) ** 4, 0, 1) * (y > 0.1)
    hot = np.maximum(np.where(inside, 0.35 + 0.75 * lick, 0), tongue * (0.3 + 1.1 * lick))
    hot = np.clip(hot, 0, 1.2)[..., None]
    where = hot[..., 0] > 0.16
    light = hot**1.2 * rgb(3.4, 1.35, 0.22) + np.maximum(hot - 0.72, 0) * rgb(3.0, 3.2, 1.2)
    scene.paint(
        where, 0.02, np.clip(0.72 + 0.6 * hot[..., 0], 0, 1), depth=_WALL - 0.1, light=light
    )
    scene.lamps.append(((_FIRE[0], 2.2, _WALL - 1.2), (1.0, 0.48, 0.14), 5.0))


def _hose(scene: Canvas) -> None:
    """A fire hose on the ground, cold from its water."""
    below, x, z = outdoors.land(scene)
    path = -0.9 + 1.1 * np.sin(z * 0.55) - 0.12 * z
    where = below & (np.abs(x - path) < 0.075) & (z < 15)
    shade = 0.30 + 0.25 * np.cos((x - path) / 0.075 * 1.4)
    scene.paint(where, shade[..., None] * rgb(1.0, 0.22, 0.15), 0.12, depth=z, normal=(0, 1, 0))


def _puffs(scene: Canvas, s: Array, t: Array) -> Array:
    """Round lumps with creases between them, in [0, 1], (H, W)."""
    total: Array = np.zeros(s.shape, np.float32)
    weight = 0.0
    for k in range(6):
        lump = scene.noise(s * 2**k + 9.7 * k, t * 2**k + 5.3 * k, 1, smooth=True)
        total += np.abs(2 * lump - 1) / np.float32(1.75**k)
        weight += 1 / 1.75**k
    return np.asarray(np.clip(total / np.float32(0.9 * weight), 0, 1))


def _smoke(scene: Canvas) -> Array:
    """Light of the smoke, and how much it hides: (H, W, 4)."""
    z = 12.0
    x, y = scene.x_at(z), scene.y_at(z)
    drift = x + 2.6  # the smoke leaves the window and goes to the right, rising and spreading
    s, t = x * 0.50 - 0.25 * y + 70, y * 0.50 + 70
    s = s + 0.35 * scene.noise(s * 0.8, t * 0.8 + 40, 3, smooth=True)
    t = t + 0.35 * scene.noise(s * 0.8 + 40, t * 0.8, 3, smooth=True)
    lumps = _puffs(scene, s, t)
    lit = lumps - _puffs(scene, s + 0.10, t - 0.16)  # light comes from above, on the right
    wide = scene.noise(x * 0.22 + 11, y * 0.22 + 11, 3, smooth=True)
    plume = np.exp(-(((y - 2.4 - 0.10 * drift) / (1.3 + 0.42 * np.maximum(drift, 0))) ** 2))
    plume = plume * np.clip(drift / 1.4 + 0.3, 0, 1) * np.clip((6.6 - x) / 2.5, 0, 1)
    tower = np.exp(-(((x + 1.9 - 0.6 * (y - 2)) / (0.6 + 0.30 * np.maximum(y - 2, 0))) ** 2))
    plume = np.maximum(plume, tower * np.clip((y - 1.7) / 1.4, 0, 1))
    dense = 1 - np.exp(
        -5.5 * np.clip(1.5 * plume * (0.40 + 0.75 * lumps + 0.6 * (wide - 0.5)) - 0.22, 0, 2)
    )
    dense = 0.985 * dense * np.clip((scene.depth - 7.5) / 4.5, 0, 1)  # it ends before the camera
    dense = cv2.GaussianBlur(dense.astype(np.float32), (0, 0), 0.003 * len(dense[0]))
    near_fire = np.exp(-np.hypot(x - _FIRE[0] * z / _WALL, y - 1.9) / 0.8)[..., None]
    grey = np.clip(0.17 + 0.34 * lumps + 0.55 * lit + 0.5 * (wide - 0.4) + 0.03 * y, 0.05, 1)
    light = 0.75 * grey[..., None] * rgb(0.98, 1.0, 1.03) + near_fire * rgb(0.45, 0.17, 0.05)
    veil = np.concatenate((light * dense[..., None], dense[..., None]), axis=-1)
    # Smoke that has cooled is nearly clear to a thermal camera; close to the fire it glows.
    scene.warmth += 0.30 * dense * near_fire[..., 0] + 0.04 * dense * (lumps - 0.4)
    return np.asarray(veil, np.float32)
