"""A street at night, by two cameras."""

from __future__ import annotations

import numpy as np

from emma_fusion.demo.cameras import infrared_camera, visible_camera
from emma_fusion.demo.canvas import Canvas
from emma_fusion.demo.figures import car, crossing_sign, street_lamp, tree, walker
from emma_fusion.demo.textures import Array, rgb

_LEFT, _RIGHT, _END = -6.5, 8.0, 62.0  # x of the houses, x of the garden wall, z of the end
_KERB = 3.8
_WINDOW, _SODIUM, _HEADLIGHT = (1.0, 0.62, 0.28), (1.0, 0.72, 0.42), (0.75, 0.86, 1.0)


def draw(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Walkers, cars, signs and lit windows; see `emma_fusion.demo.render_scene`."""
    scene = Canvas(2 * height, 2 * width, rng)  # twice the size, for soft edges
    sky(scene)
    end_of_the_street(scene)
    ground(scene)
    houses(scene)
    garden(scene)
    street_lamp(scene, -4.2, 43.0)
    street_lamp(scene, -4.2, 28.0)
    blade_sign(scene, "HOTEL", -5.9, 25.0)
    tree(scene, 6.6, 24.0)
    car(scene, 2.7, 21.0, (0.10, 0.13, 0.18), running=False)
    red, blue, grey = (0.45, 0.10, 0.08), (0.05, 0.06, 0.09), (0.19, 0.175, 0.16)
    walker(scene, -4.9, 18.5, stride=0.55, coat=red, trousers=blue)
    street_lamp(scene, -4.2, 14.5)
    tree(scene, 6.3, 13.0)
    car(scene, -1.85, 11.8, (0.22, 0.05, 0.05), running=True)
    crossing_sign(scene, 4.3, 9.7)
    walker(scene, 2.3, 8.9, stride=0.9, coat=grey, trousers=grey)
    return infrared_camera(scene, rng), visible_camera(scene, rng)


def sky(scene: Canvas) -> None:
    """The town's glow, clouds, stars and a moon; to the infrared camera it is simply cold."""
    rise = np.clip(scene.up / 0.45, 0, 1)
    glow = ((1 - rise) ** 3)[..., None] * rgb(0.060, 0.042, 0.034) + rgb(0.004, 0.007, 0.016)
    cloud = scene.noise(scene.across * 6 + 40, scene.up * 18 + 40, 5)
    light = glow * (0.55 + 0.9 * cloud)[..., None]
    everywhere = np.ones(scene.depth.shape, bool)
    scene.paint(everywhere, 0, 0.02 + 0.08 * (1 - rise), depth=1e4, light=light)
    for x, y, bright in scene.rng.random((60, 3)):
        star = scene.disc(x * 1.2 - 0.6, 2.0 + y * 0.4, 1.0, (7e-4, 7e-4))
        scene.light[star] += 0.08 + 0.5 * bright**3
    moon = scene.disc(0.055, 1.935, 1.0, (0.0155, 0.0155))
    scene.light[moon & ~scene.disc(0.0475, 1.940, 1.0, (0.0145, 0.0145))] = (1.5, 1.5, 1.35)


def end_of_the_street(scene: Canvas) -> None:
    """Houses across the end, with small windows."""
    x, y = scene.x_at(_END), scene.y_at(_END)
    house = np.floor(x / 6.5)
    floors = 3 + np.floor(3.5 * scene.pick(house, house + 5))
    where = (y > 0) & (y < floors * 2.7 + 1.6)
    s, t = x / 6.5 * 3, (y - 1.0) / 2.7
    pane = (np.abs(s % 1 - 0.5) < 0.20) & (np.abs(t % 1 - 0.5) < 0.26) & (t > 0) & (t < floors)
    lit = pane & (scene.pick(np.floor(s), np.floor(t)) > 0.72)
    tint = scene.pick(np.floor(t), np.floor(s))[..., None]
    colour = tint * rgb(*_WINDOW) + (1 - tint) * rgb(1, 0.85, 0.6)
    wall = (0.12 + 0.14 * scene.pick(house, house))[..., None] * rgb(1.0, 0.85, 0.75)
    wall = np.where(pane[..., None], 0.03, wall)
    warm = 0.19 + 0.06 * scene.pick(house, house + 1) - 0.06 * pane + 0.04 * lit
    scene.paint(where, wall, warm, depth=_END, light=lit[..., None] * colour * 0.45)


def ground(scene: Canvas) -> None:
    """Asphalt, markings, kerbs and paving; it keeps the day's warmth, wheel tracks most of all."""
    below = scene.up < -1.65 / _END
    z = np.where(below, -1.65 / np.where(below, scene.up, -1), 1).astype(np.float32)
    x = scene.x_at(z)
    near = np.clip(9 / z, 0, 1)
    grain = (scene.noise(x * 14, z * 14, 3) - 0.5) * near
    stain = scene.noise(x * 0.9 + 60, z * 0.35 + 60) - 0.5
    road = np.abs(x) < _KERB

    tracks = np.exp(-(((np.abs(np.abs(x) - 1.85) - 0.75) / 0.32) ** 2))
    bright = 0.08 + 0.07 * grain + 0.05 * stain
    warm = 0.27 + 0.06 * tracks + 0.07 * stain + 0.02 * grain

    column = np.floor(x / 0.6)
    s, t = x / 0.6 - column, z / 0.6 + 0.5 * (column % 2)
    seam = (np.abs(s - 0.5) > 0.46) | (np.abs(t % 1 - 0.5) > 0.465)
    slab = (scene.pick(column, np.floor(t)) - 0.5) * near
    paved = (0.20 + 0.10 * slab + 0.06 * grain + 0.06 * stain) * (1 - 0.55 * seam * near)
    kerb = np.abs(x) < _KERB + 0.16
    paved = np.where(kerb, 0.30 + 0.08 * grain, paved)
    bright = np.where(road, bright, paved)
    warm = np.where(road, warm, 0.22 + 0.03 * slab + 0.05 * stain - 0.03 * seam * near)

    worn = np.clip(scene.noise(x * 7 + 9, z * 7 + 9) * 3.0 - 0.55, 0.3, 1)
    zebra = (z > 5.7) & (z < 7.5) & (np.abs(x) < 3.5) & ((x + 0.25) % 1.0 < 0.5)
    dashes = (z > 9) & (np.abs(x) < 0.07) & (z % 4.5 < 2.6)
    stop = (np.abs(z - 8.3) < 0.15) & (x > -3.5) & (x < -0.2)
    edge = (np.abs(np.abs(x) - 3.5) < 0.05) & (z > 8.2)
    marking = road & (zebra | dashes | edge | stop)
    bright = np.where(marking, bright + 0.50 * worn, bright)
    warm = np.where(marking, warm - 0.035 * worn, warm)

    far = np.hypot(x - 0.62, z - 4.75)
    hole, lid = far < 0.36, far < 0.30
    checks = ((x * 12) % 1 < 0.5) ^ ((z * 12) % 1 < 0.5)
    bright = np.where(hole, np.where(lid, 0.06 + 0.04 * checks, 0.13), bright)
    warm = warm + 0.12 * np.exp(-((far / 0.6) ** 2))
    warm = np.where(hole, np.where(lid, 0.66 - 0.12 * checks, 0.50), warm)

    tint = np.where(road[..., None], rgb(0.95, 0.98, 1.05), rgb(1.05, 1.0, 0.92))
    scene.paint(below, bright[..., None] * tint, warm, depth=z, normal=(0, 1, 0))
    wet = 0.10 + 0.55 * np.clip(stain * 3, 0, 1)
    scene.gloss = np.where(below & road & ~marking & ~hole, wet, 0).astype(np.float32)


def houses(scene: Canvas) -> None:
    """Brick on the left: a cafe and shutters below, flats above, some of them lit."""
    left = scene.across < _LEFT / _END
    z = np.where(left, _LEFT / np.where(left, scene.across, -1), 1).astype(np.float32)
    y = scene.y_at(z)
    where = left & (y > 0) & (y < 12.5)
    near = np.clip(16 / z, 0, 1)

    course = np.floor(y / 0.16)
    s, t = z / 0.52 + 0.5 * (course % 2), y / 0.16
    mortar = (np.abs(s % 1 - 0.5) > 0.465) | (np.abs(t % 1 - 0.5) > 0.40)
    brick = scene.pick(np.floor(s), course) - 0.5
    grime = scene.noise(z * 0.5 + 20, y * 0.7 + 20) - 0.5
    bright = (np.where(mortar, 0.40, 0.25 + 0.16 * brick) - 0.27) * near + 0.27
    tint = np.where(mortar[..., None], rgb(1, 0.93, 0.85), rgb(1.15, 0.62, 0.46))
    colour = (bright * (1 + 0.7 * grime))[..., None] * tint
    warm = 0.22 + 0.02 * brick * near + 0.07 * grime
    light = np.zeros_like(colour)

    ledge = (np.abs(y - 3.75) < 0.16) | (np.abs(y - 12.3) < 0.2) | (y < 0.35)
    colour[ledge] = (0.42, 0.40, 0.37)
    warm = np.where(ledge, 0.25, warm)

    column, floor = np.floor(z / 3.0), np.floor((y - 4.1) / 2.8)
    s, t = np.abs(z / 3.0 - column - 0.5), (y - 4.1) / 2.8 - floor
    flats = (y > 4.1) & (y < 12.1)
    frame = flats & (s < 0.25) & (np.abs(t - 0.52) < 0.34)
    sill = flats & (s < 0.28) & (np.abs(t - 0.15) < 0.03)
    pane = frame & (s < 0.225) & (np.abs(t - 0.52) < 0.315) & (s > 0.012)
    pane &= np.abs(t - 0.62) > 0.013
    lit = pane & (scene.pick(column + 3, floor + 11) > 0.56)
    curtain = (0.45 + 0.55 * np.clip((s - 0.06) / 0.03, 0, 1)) * (0.7 + 0.5 * t)
    glow = rgb(*_WINDOW) * (0.5 + 0.9 * scene.pick(floor, column))[..., None]
    colour[frame | sill] = (0.50, 0.48, 0.44)
    colour[pane] = (0.035, 0.04, 0.05)
    light[lit] = (glow * curtain[..., None])[lit]
    warm = np.where(pane, np.where(lit, 0.30, 0.11 + 0.04 * t), warm)

    _cafe(scene, z, y, colour, warm, light)
    _shutters(scene, z, y, colour, warm)
    scene.paint(where, colour, warm, depth=z, light=light, normal=(1, 0, 0))
    scene.lamps.append(((-6.0, 1.9, 19.0), (1.0, 0.70, 0.38), 2.4))


def _cafe(scene: Canvas, z: Array, y: Array, colour: Array, warm: Array, light: Array) -> None:
    front = (z > 15.6) & (z < 22.4)
    window = front & (y > 0.55) & (y < 2.75)
    bars = (np.abs((z - 15.6) / 1.7 % 1 - 0.5) > 0.47) | (y < 0.62) | (np.abs(y - 2.2) < 0.03)
    shelf = (np.abs(y % 0.55 - 0.27) < 0.03) & (y < 2.1)
    lamp = np.exp(-(((z % 1.7 - 0.85) / 0.22) ** 2) - ((y - 2.0) / 0.22) ** 2)
    things = scene.noise(z * 1.6 + 5, y * 2 + 5, 3)
    shown = (0.55 + 0.8 * things * (things > 0.52) * (y < 1.35)) * np.where(shelf, 0.55, 1)
    glass = window & ~bars
    colour[window] = (0.10, 0.16, 0.13)
    glow = rgb(1.0, 0.72, 0.40) * (0.70 * shown + 1.5 * lamp)[..., None]
    light[glass] = glow[glass]
    warm[glass] = (0.30 + 0.08 * lamp)[glass]
    board = front & (y > 2.85) & (y < 3.58)
    colour[board] = (0.05, 0.11, 0.09)
    warm[board] = 0.235
    ink = scene.write("CAFE LUMEN", (z - 15.9) / 5.3, (y - 2.9) / 0.63, thick=9) * board
    light += ink[..., None] * rgb(1.9, 0.55, 0.35)
    warm += 0.03 * ink


def _shutters(scene: Canvas, z: Array, y: Array, colour: Array, warm: Array) -> None:
    shut = ((z > 23.4) & (z < 26.6) | (z < 14.6)) & (y > 0.1) & (y < 2.9)
    ribs = np.sin(y * 40) * np.clip(20 / z, 0, 1)
    ink = scene.write("emma", (z - 12.45) / 1.9, (y - 1.0) / 1.1, thick=9)[..., None]
    steel = (0.15 + 0.05 * ribs)[..., None] * rgb(0.9, 1.0, 1.1)
    colour[shut] = (steel * (1 - ink) + ink * rgb(0.12, 0.50, 0.70))[shut]
    warm[shut] = (0.17 + 0.012 * ribs)[shut]


def garden(scene: Canvas) -> None:
    """A wall with a hedge behind it, on the right, where no lamp stands."""
    right = scene.across > _RIGHT / _END
    z = np.where(right, _RIGHT / np.where(right, scene.across, 1), 1).astype(np.float32)
    y = scene.y_at(z)
    leaves = scene.noise(z * 1.3, y * 1.8, 5)
    top = 2.5 + 1.6 * scene.noise(z * 0.4 + 80, z * 0 + 80, 5) + 0.8 * (leaves - 0.5)
    colour = (0.02 + 0.11 * leaves**2)[..., None] * rgb(0.75, 1.1, 0.5)
    warm = 0.10 + 0.17 * leaves
    stone = y < 1.0 + 0.02 * leaves
    course = np.floor(y / 0.25)
    s, t = z / 0.7 + 0.5 * (course % 2), y / 0.25
    joint = (np.abs(t % 1 - 0.5) > 0.44) | (np.abs(s % 1 - 0.5) > 0.47)
    block = scene.pick(np.floor(s), course)
    grey = np.where(joint, 0.07, 0.13 + 0.09 * block)
    colour[stone] = (grey[..., None] * rgb(1, 0.97, 0.9))[stone]
    warm = np.where(stone, 0.21 + 0.04 * block - 0.02 * joint, warm)
    scene.paint(right & (y > 0) & (y < top), colour, warm, depth=z, normal=(-1, 0, 0))


def blade_sign(scene: Canvas, word: str, x: float, z: float) -> None:
    """A lit sign that stands out from the wall, one letter above the other."""
    top, each, half = 7.4, 0.86, 0.50
    low, high = top - each * len(word) - 0.25, top + 0.15
    box = scene.polygon([(x - half, low), (x + half, low), (x + half, high), (x - half, high)], z)
    scene.paint(box, (0.03, 0.03, 0.05), 0.20, depth=z)
    s, t = scene.x_at(z) - x, scene.y_at(z)
    scene.light[box & (np.abs(np.abs(s) - half + 0.04) < 0.02)] = (0.2, 0.9, 1.2)
    for k, letter in enumerate(word):
        lower = top - (k + 0.92) * each
        ink = box * scene.write(letter, s / 0.62 + 0.5, (t - lower) / (0.84 * each), thick=11)
        scene.light += ink[..., None] * rgb(0.25, 1.3, 1.6)
        scene.warmth += 0.05 * ink
    scene.lamps.append(((x + 0.3, 6.5, z - 1.0), (0.3, 0.85, 1.0), 1.2))
