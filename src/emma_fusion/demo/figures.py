"""What stands in more than one scene, each thing with its two faces: colour and warmth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from emma_fusion.demo.canvas import Canvas, Colour, Point
from emma_fusion.demo.textures import Array, rgb

_SODIUM, _HEADLIGHT = (1.0, 0.72, 0.42), (0.75, 0.86, 1.0)


def street_lamp(scene: Canvas, x: float, z: float) -> None:
    """A cold pole with a warm head."""
    pole = scene.limb([(x, 0), (x, 5.2)], z, (0.12, 0.08))
    arm = scene.limb([(x, 5.2), (x + 0.25, 5.55), (x + 0.9, 5.62)], z, (0.08, 0.07, 0.07))
    scene.paint((pole | arm) & (scene.y_at(z) > 0), 0.06, 0.15, depth=z)
    head = [(x + 0.6, 5.68), (x + 1.35, 5.68), (x + 1.30, 5.56), (x + 0.65, 5.56)]
    scene.paint(scene.polygon(head, z), 0.06, 0.50, depth=z)
    tube = scene.disc(x + 0.98, 5.55, z, (0.30, 0.05))
    scene.paint(tube, 0, 0.72, depth=z, light=9 * rgb(*_SODIUM))
    scene.lamps.append(((x + 0.98, 5.4, z), _SODIUM, 6.5))


def tree(scene: Canvas, x: float, z: float) -> None:
    """A trunk and a crown of leaves, all near the temperature of the air."""
    trunk = scene.limb([(x, 0), (x + 0.04, 1.6), (x - 0.1, 3.2)], z, (0.30, 0.24, 0.18))
    bark = 0.05 + 0.05 * scene.noise(scene.x_at(z) * 9, scene.y_at(z) * 2 + 90)
    colour = bark[..., None] * rgb(1.0, 0.85, 0.7)
    scene.paint(trunk & (scene.y_at(z) > 0), colour, 0.24, depth=z)
    s, t = scene.x_at(z), scene.y_at(z)
    leaf = scene.noise(s * 2.2 + 17 * x, t * 2.2 + 30, 5)
    crown = np.full(s.shape, np.inf, np.float32)
    for dx, y, radius in ((0.0, 4.3, 1.7), (-1.0, 3.9, 1.1), (1.1, 4.1, 1.3), (0.2, 5.4, 1.3)):
        crown = np.minimum(crown, np.hypot(s - x - dx, t - y) / radius)
    where = (crown + 1.5 * (leaf - 0.5) < 0.85) & (leaf > 0.30)
    shade = (0.015 + 0.16 * leaf**2)[..., None] * rgb(0.8, 1.1, 0.5)
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
    blue = rgb(0.03, 0.12, 0.50)
    scene.paint(square(0.33), blue, 0.11, depth=z, light=0.55 * blue)
    triangle = [(x - 0.28, 2.34), (x + 0.28, 2.34), (x, 2.89)]
    scene.paint(scene.polygon(triangle, z), 0.8, 0.12, depth=z, light=0.40)
    figure = scene.disc(x + 0.01, 2.71, z, (0.032, 0.032))
    figure |= scene.limb([(x + 0.01, 2.64), (x, 2.53)], z, (0.05, 0.05))
    figure |= scene.limb([(x - 0.07, 2.40), (x, 2.53), (x + 0.07, 2.40)], z, (0.03,) * 3)
    figure |= scene.limb([(x - 0.07, 2.55), (x + 0.01, 2.63), (x + 0.07, 2.54)], z, (0.025,) * 3)
    scene.paint(figure, 0.02, 0.12, depth=z)


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
        part(grille, (0.02 + 0.06 * ribs)[..., None] * rgb(1, 1, 1), 0.93 - 0.14 * ribs)
    part(both_sides([(0.78, 0.24), (0.88, 0.29), (0.88, 0.37), (0.78, 0.40)]), 0.05, 0.20)
    part((s < 0.26) & (t > 0.28) & (t < 0.39), 0.65, 0.19)
    for side in (-1, 1):
        lens = scene.disc(x + side * 0.68, 0.66, z, (0.16, 0.085), -12 * side)
        part(scene.disc(x + side * 0.95, 1.00, z, (0.09, 0.07)), paint, 0.19)
        if running:
            part(lens, 0.3, 0.42, 1.2 * rgb(*_HEADLIGHT))
            bulb = scene.disc(x + side * 0.68, 0.66, z, (0.10, 0.07))
            part(bulb, 0.0, 0.58, 30 * rgb(*_HEADLIGHT))
            scene.headlights.append((x + side * 0.68, 0.66, z - 0.1))
        else:
            part(lens, (0.35, 0.02, 0.02), 0.20, (0.05, 0.0, 0.0))


def deer(scene: Canvas, x: float, z: float) -> None:
    """A roe deer, seen from its side, that looks up; all of it is warm."""
    coat, white = (0.20, 0.14, 0.085), (0.55, 0.5, 0.42)

    def part(mask: Array, colour: Colour, warm: float) -> None:
        core = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.03 * scene.focal / z)
        scene.paint(mask, colour, warm * (0.74 + 0.26 * core), depth=z)

    for hip, knee, foot in ((-0.40, -0.46, -0.41), (0.36, 0.38, 0.34)):  # the legs behind
        joints = [(x + hip, 0.62), (x + knee, 0.33), (x + foot, 0.02)]
        part(scene.limb(joints, z, (0.13, 0.065, 0.045)), coat, 0.58)
    body = [(x - 0.42, 0.74), (x - 0.15, 0.70), (x + 0.15, 0.69), (x + 0.40, 0.72)]
    part(scene.limb(body, z, (0.30, 0.29, 0.31, 0.29)), coat, 0.76)
    for hip, knee, foot in ((-0.47, -0.56, -0.50), (0.43, 0.46, 0.45)):
        joints = [(x + hip, 0.66), (x + knee, 0.34), (x + foot, 0.02)]
        part(scene.limb(joints, z, (0.17, 0.07, 0.045)), coat, 0.66)
    part(scene.limb([(x + 0.44, 0.80), (x + 0.58, 1.05)], z, (0.22, 0.13)), coat, 0.80)
    part(scene.limb([(x + 0.57, 1.10), (x + 0.76, 1.03)], z, (0.14, 0.065)), coat, 0.90)
    for tip in (0.49, 0.57):
        part(scene.limb([(x + 0.55, 1.14), (x + tip, 1.28)], z, (0.06, 0.03)), coat, 0.82)
    part(scene.disc(x - 0.57, 0.78, z, (0.045, 0.09)), white, 0.70)
