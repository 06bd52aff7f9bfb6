"""What stands in the street, each thing with its two faces: colour and warmth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from emma_fusion.demo.canvas import Array, Canvas, Colour, Point

_LEFT, _RIGHT, _END = -6.5, 8.0, 62.0  # x of the houses, x of the garden wall, z of the end
_KERB = 3.8
_WINDOW, _SODIUM, _HEADLIGHT = (1.0, 0.62, 0.28), (1.0, 0.72, 0.42), (0.75, 0.86, 1.0)


def _rgb(red: float, green: float, blue: float) -> Array:
    return np.array((red, green, blue), np.float32)


def sky(scene: Canvas) -> None:
    """The town's glow, clouds, stars and a moon; to the infrared camera it is simply cold."""
    rise = np.clip(scene.up / 0.45, 0, 1)
    glow = ((1 - rise) ** 3)[..., None] * _rgb(0.060, 0.042, 0.034) + _rgb(0.004, 0.007, 0.016)
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
    colour = tint * _rgb(*_WINDOW) + (1 - tint) * _rgb(1, 0.85, 0.6)
    wall = (0.12 + 0.14 * scene.pick(house, house))[..., None] * _rgb(1.0, 0.85, 0.75)
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

    tint = np.where(road[..., None], _rgb(0.95, 0.98, 1.05), _rgb(1.05, 1.0, 0.92))
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
    tint = np.where(mortar[..., None], _rgb(1, 0.93, 0.85), _rgb(1.15, 0.62, 0.46))
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
    glow = _rgb(*_WINDOW) * (0.5 + 0.9 * scene.pick(floor, column))[..., None]
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
    glow = _rgb(1.0, 0.72, 0.40) * (0.70 * shown + 1.5 * lamp)[..., None]
    light[glass] = glow[glass]
    warm[glass] = (0.30 + 0.08 * lamp)[glass]
    board = front & (y > 2.85) & (y < 3.58)
    colour[board] = (0.05, 0.11, 0.09)
    warm[board] = 0.235
    ink = scene.write("CAFE LUMEN", (z - 15.9) / 5.3, (y - 2.9) / 0.63, thick=9) * board
    light += ink[..., None] * _rgb(1.9, 0.55, 0.35)
    warm += 0.03 * ink


def _shutters(scene: Canvas, z: Array, y: Array, colour: Array, warm: Array) -> None:
    shut = ((z > 23.4) & (z < 26.6) | (z < 14.6)) & (y > 0.1) & (y < 2.9)
    ribs = np.sin(y * 40) * np.clip(20 / z, 0, 1)
    ink = scene.write("emma", (z - 12.45) / 1.9, (y - 1.0) / 1.1, thick=9)[..., None]
    steel = (0.15 + 0.05 * ribs)[..., None] * _rgb(0.9, 1.0, 1.1)
    colour[shut] = (steel * (1 - ink) + ink * _rgb(0.12, 0.50, 0.70))[shut]
    warm[shut] = (0.17 + 0.012 * ribs)[shut]


def garden(scene: Canvas) -> None:
    """A wall with a hedge behind it, on the right, where no lamp stands."""
    right = scene.across > _RIGHT / _END
    z = np.where(right, _RIGHT / np.where(right, scene.across, 1), 1).astype(np.float32)
    y = scene.y_at(z)
    leaves = scene.noise(z * 1.3, y * 1.8, 5)
    top = 2.5 + 1.6 * scene.noise(z * 0.4 + 80, z * 0 + 80, 5) + 0.8 * (leaves - 0.5)
    colour = (0.02 + 0.11 * leaves**2)[..., None] * _rgb(0.75, 1.1, 0.5)
    warm = 0.10 + 0.17 * leaves
    stone = y < 1.0 + 0.02 * leaves
    course = np.floor(y / 0.25)
    s, t = z / 0.7 + 0.5 * (course % 2), y / 0.25
    joint = (np.abs(t % 1 - 0.5) > 0.44) | (np.abs(s % 1 - 0.5) > 0.47)
    block = scene.pick(np.floor(s), course)
    grey = np.where(joint, 0.07, 0.13 + 0.09 * block)
    colour[stone] = (grey[..., None] * _rgb(1, 0.97, 0.9))[stone]
    warm = np.where(stone, 0.21 + 0.04 * block - 0.02 * joint, warm)
    scene.paint(right & (y > 0) & (y < top), colour, warm, depth=z, normal=(-1, 0, 0))


def street_lamp(scene: Canvas, x: float, z: float) -> None:
    """A cold pole with a warm head."""
    pole = scene.limb([(x, 0), (x, 5.2)], z, (0.12, 0.08))
    arm = scene.limb([(x, 5.2), (x + 0.25, 5.55), (x + 0.9, 5.62)], z, (0.08, 0.07, 0.07))
    scene.paint((pole | arm) & (scene.y_at(z) > 0), 0.06, 0.15, depth=z)
    head = [(x + 0.6, 5.68), (x + 1.35, 5.68), (x + 1.30, 5.56), (x + 0.65, 5.56)]
    scene.paint(scene.polygon(head, z), 0.06, 0.50, depth=z)
    tube = scene.disc(x + 0.98, 5.55, z, (0.30, 0.05))
    scene.paint(tube, 0, 0.72, depth=z, light=9 * _rgb(*_SODIUM))
    scene.lamps.append(((x + 0.98, 5.4, z), _SODIUM, 6.5))


def tree(scene: Canvas, x: float, z: float) -> None:
    """A trunk and a crown of leaves, all near the temperature of the air."""
    trunk = scene.limb([(x, 0), (x + 0.04, 1.6), (x - 0.1, 3.2)], z, (0.30, 0.24, 0.18))
    bark = 0.05 + 0.05 * scene.noise(scene.x_at(z) * 9, scene.y_at(z) * 2 + 90)
    colour = bark[..., None] * _rgb(1.0, 0.85, 0.7)
    scene.paint(trunk & (scene.y_at(z) > 0), colour, 0.24, depth=z)
    s, t = scene.x_at(z), scene.y_at(z)
    leaf = scene.noise(s * 2.2 + 17 * x, t * 2.2 + 30, 5)
    crown = np.full(s.shape, np.inf, np.float32)
    for dx, y, radius in ((0.0, 4.3, 1.7), (-1.0, 3.9, 1.1), (1.1, 4.1, 1.3), (0.2, 5.4, 1.3)):
        crown = np.minimum(crown, np.hypot(s - x - dx, t - y) / radius)
    where = (crown + 1.5 * (leaf - 0.5) < 0.85) & (leaf > 0.30)
    shade = (0.015 + 0.16 * leaf**2)[..., None] * _rgb(0.8, 1.1, 0.5)
    scene.paint(where, shade, 0.11 + 0.16 * leaf, depth=z)


def crossing_sign(scene: Canvas, x: float, z: float) -> None:
    """A blue sign that sends light back to whoever shines at it; cold."""

    def square(half: float) -> Array:
        low, high = 2.61 - half, 2.61 + half
        corners = [(x - half, low), (x + half, low), (x + half, high), (x - half, high)]
        return scene.polygon(corners, z)

    post = scene.limb([(x, 0), (x, 2.95)], z, (0.07, 0.07))
    scene.paint(post & (scene.y_at(z) > 0), 0.15, 0.16, depth=z)
    scene.paint(square(0.36), 0.8, 0.11, depth=z, light=0.20)
    blue = _rgb(0.03, 0.12, 0.50)
    scene.paint(square(0.33), blue, 0.11, depth=z, light=0.55 * blue)
    triangle = [(x - 0.28, 2.34), (x + 0.28, 2.34), (x, 2.89)]
    scene.paint(scene.polygon(triangle, z), 0.8, 0.12, depth=z, light=0.40)
    figure = scene.disc(x + 0.01, 2.71, z, (0.032, 0.032))
    figure |= scene.limb([(x + 0.01, 2.64), (x, 2.53)], z, (0.05, 0.05))
    figure |= scene.limb([(x - 0.07, 2.40), (x, 2.53), (x + 0.07, 2.40)], z, (0.03,) * 3)
    figure |= scene.limb([(x - 0.07, 2.55), (x + 0.01, 2.63), (x + 0.07, 2.54)], z, (0.025,) * 3)
    scene.paint(figure, 0.02, 0.12, depth=z)


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
        scene.light += ink[..., None] * _rgb(0.25, 1.3, 1.6)
        scene.warmth += 0.05 * ink
    scene.lamps.append(((x + 0.3, 6.5, z - 1.0), (0.3, 0.85, 1.0), 1.2))


def _underneath(scene: Canvas, x: float, z: float, half: float) -> Array:
    """The ground right under a thing, which it keeps dark."""
    far = np.hypot((scene.x_at(scene.depth) - x) / half, (scene.depth - z) / 0.5)
    return np.asarray((scene.normal[..., 1] > 0) & (far < 1))


def walker(
    scene: Canvas, x: float, z: float, *, stride: float, coat: Colour, trousers: Colour
) -> None:
    """Somebody 1.76 m tall, walking to the left; face and hands are the warmest.

    Args:
        scene: where to paint.
        x: where the walker is.
        z: how far away.
        stride: metres from foot to foot, about.
        coat: its colour.
        trousers: theirs.
    """
    scene.albedo[_underneath(scene, x, z, 0.42)] *= 0.55
    k, skin, shoes = stride / 2, (0.22, 0.16, 0.12), (0.03, 0.03, 0.03)

    def part(mask: Array, colour: Colour, warm: float) -> None:
        # Warmth falls off towards the outline, as on anything round.
        core = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.035 * scene.focal / z)
        scene.paint(mask, colour, warm * (0.72 + 0.28 * core), depth=z)

    hip, heel, toe = (x, 0.92), (x + 1.05 * k, 0.12), (x - 0.80 * k, 0.10)
    part(scene.limb([hip, (x + 0.42 * k, 0.50), heel], z, (0.20, 0.15, 0.10)), trousers, 0.68)
    shoe = [(heel[0], 0.07), (x + 0.75 * k, 0.04)]
    part(scene.limb(shoe, z, (0.10, 0.08)), shoes, 0.52)
    arm = [(x + 0.02, 1.42), (x - 0.30 * k - 0.06, 1.15), (x - 0.75 * k - 0.06, 1.02)]
    part(scene.limb(arm, z, (0.13, 0.11, 0.09)), coat, 0.70)
    part(scene.disc(arm[-1][0] - 0.03, 1.00, z, (0.05, 0.05)), skin, 0.92)
    part(scene.limb([hip, (x - 0.62 * k, 0.50), toe], z, (0.20, 0.16, 0.10)), trousers, 0.74)
    shoe = [(toe[0], 0.06), (x - 1.20 * k, 0.05)]
    part(scene.limb(shoe, z, (0.11, 0.08)), shoes, 0.54)
    right = [(0.10, 1.52), (0.18, 1.44), (0.20, 1.10), (0.19, 0.80)]
    left = [(-0.18, 0.80), (-0.19, 1.12), (-0.17, 1.46), (-0.07, 1.53)]
    part(scene.polygon([(x + a, y) for a, y in right + left], z), coat, 0.78)
    arm = [(x + 0.10, 1.43), (x + 0.45 * k + 0.05, 1.17), (x + 0.50 * k, 0.94)]
    part(scene.limb(arm, z, (0.13, 0.11, 0.09)), coat, 0.74)
    part(scene.disc(x + 0.50 * k, 0.89, z, (0.05, 0.06)), skin, 0.92)
    part(scene.limb([(x - 0.01, 1.50), (x - 0.02, 1.58)], z, (0.12, 0.11)), skin, 0.96)
    part(scene.disc(x - 0.025, 1.655, z, (0.095, 0.125)), skin, 1.0)
    face = scene.disc(x - 0.07, 1.64, z, (0.07, 0.11))
    part(scene.disc(x + 0.005, 1.70, z, (0.10, 0.095)) & ~face, shoes, 0.72)


def car(scene: Canvas, x: float, z: float, paint: Colour, *, running: bool) -> None:
    """A car: running, with its lights on and its engine hot, or parked and cold, from behind."""
    paint = np.asarray(paint, np.float32)
    under = _underneath(scene, x, z, 0.84)
    scene.albedo[under] *= 0.2
    scene.warmth[under] += 0.16 * running
    s, t = np.abs(scene.x_at(z) - x), scene.y_at(z)

    def part(mask: Array, colour: Any, warm: Any, light: Any = 0.0) -> None:
        scene.paint(mask, colour, warm, depth=z, light=light)

    def both_sides(half: Sequence[Point]) -> Array:
        mirrored = [(x - a, y) for a, y in reversed(half)]
        return scene.polygon([(x + a, y) for a, y in half] + mirrored, z)

    part((s > 0.58) & (s < 0.84) & (t > 0) & (t < 0.5), 0.02, 0.66 if running else 0.22)
    shape = [(0.62, 0.22), (0.86, 0.26), (0.90, 0.45), (0.90, 0.72), (0.84, 0.90)]
    shape += [(0.74, 0.97), (0.58, 1.36), (0.46, 1.44), (0.20, 1.475)]
    # The engine sits low in the middle; its heat comes through the bonnet and the grille.
    heat = np.exp(-((s / 0.75) ** 4) - ((t - 0.66) / 0.30) ** 2) * running
    sheen = (0.7 + 0.4 * np.clip(t, 0, 1.5))[..., None]
    part(both_sides(shape), paint * sheen, 0.20 + 0.42 * heat)
    glass = both_sides([(0.72, 0.97), (0.56, 1.33), (0.44, 1.39), (0.20, 1.41)])
    part(glass, 0.03, 0.07 + 0.05 * t)
    if running:
        driver = scene.disc(x + 0.30, 1.13, z, (0.09, 0.12))
        driver |= scene.limb([(x + 0.18, 0.99), (x + 0.42, 0.99)], z, (0.12, 0.12))
        scene.warmth[driver & glass] += 0.08  # glass hides most of a driver's warmth
    bonnet = both_sides([(0.82, 0.74), (0.78, 0.92), (0.70, 0.965)])
    part(bonnet, paint * 1.25, 0.21 + 0.64 * heat)
    if running:
        ribs = np.sin(t * 75) > 0.2
        grille = both_sides([(0.38, 0.44), (0.44, 0.50), (0.42, 0.66), (0.38, 0.70)])
        part(grille, (0.02 + 0.06 * ribs)[..., None] * _rgb(1, 1, 1), 0.93 - 0.14 * ribs)
    part(both_sides([(0.78, 0.24), (0.88, 0.29), (0.88, 0.37), (0.78, 0.40)]), 0.05, 0.20)
    part((s < 0.26) & (t > 0.28) & (t < 0.39), 0.65, 0.19)
    for side in (-1, 1):
        lens = scene.disc(x + side * 0.68, 0.66, z, (0.16, 0.085), -12 * side)
        part(scene.disc(x + side * 0.95, 1.00, z, (0.09, 0.07)), paint, 0.19)
        if running:
            part(lens, 0.3, 0.42, 1.2 * _rgb(*_HEADLIGHT))
            bulb = scene.disc(x + side * 0.68, 0.66, z, (0.10, 0.07))
            part(bulb, 0.0, 0.58, 30 * _rgb(*_HEADLIGHT))
            scene.headlights.append((x + side * 0.68, 0.66, z - 0.1))
        else:
            part(lens, (0.35, 0.02, 0.02), 0.20, (0.05, 0.0, 0.0))
