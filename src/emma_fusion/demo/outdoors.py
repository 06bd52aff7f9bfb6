"""Land and sky by day: what the scenes outside the town are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emma_fusion.demo.canvas import EYE, Canvas
from emma_fusion.demo.textures import Array, rgb

Colour = Sequence[float]


def sky(
    scene: Canvas,
    *,
    zenith: Colour,
    horizon: Colour,
    cloud: Colour,
    cover: float,
    warm: tuple[float, float],
    size: float = 1.0,
) -> None:
    """A sky with clouds in perspective.

    Args:
        scene: where to paint.
        zenith: light from above.
        horizon: light from far away.
        cloud: light of a cloud.
        cover: how much of the sky clouds take, in [0, 1].
        warm: what the infrared camera sees of a clear sky and of a cloud.
        size: of the clouds.
    """
    rise = np.clip(scene.up / 0.5, 0, 1)[..., None]
    clear = np.asarray(horizon, np.float32) * (1 - rise) ** 2
    clear = clear + np.asarray(zenith, np.float32) * (1 - (1 - rise) ** 2)
    height = np.maximum(scene.up, 0) + 0.07  # clouds lie in one plane, which bends at the horizon
    s, t = scene.across / height / size, 1 / height / size
    turned = 0.5 * scene.noise(s * 1.3 + 5, t * 1.3 + 5, 4, smooth=True)
    billow = scene.noise(s * 0.9 + turned + 50, t * 0.7 + turned + 50, 7, smooth=True)
    above = scene.noise(s * 0.9 + turned + 49.85, t * 0.7 + turned + 50.2, 5, smooth=True)
    part = np.clip((billow - 0.75 + 0.5 * cover) / 0.16, 0, 1) ** 1.4
    shaded = np.clip(0.86 + 1.5 * (billow - above), 0.5, 1.15)[..., None]
    light = clear * (1 - part[..., None]) + np.asarray(cloud, np.float32) * (
        shaded * part[..., None]
    )
    warmth = warm[0] + (warm[1] - warm[0]) * np.maximum(part, (1 - rise[..., 0]) ** 6)
    scene.paint(np.ones(part.shape, bool), 0, warmth, depth=1e4, light=light)


def sun_disc(scene: Canvas, sun: Sequence[float], power: float) -> None:
    """The sun itself and the bright sky around it."""
    x, y = sun[0] / sun[2], sun[1] / sun[2]
    far = np.hypot(scene.across - x, scene.up - y)
    halo = 0.05 * np.exp(-far / 0.22) + 0.16 * np.exp(-far / 0.06) + (far < 0.016)
    scene.light += (power * halo * (scene.depth > 5e3))[..., None] * rgb(1.0, 0.90, 0.72)


def ridge(
    scene: Canvas,
    z: float,
    height: float,
    colour: Colour,
    warm: float,
    *,
    wide: float,
    trees: float = 0.0,
) -> None:
    """A line of hills, or of far trees.

    Args:
        scene: where to paint.
        z: how far away.
        height: of the highest, in metres above the camera's eye.
        colour: albedo.
        warm: warmth, or what it sends back of near-infrared light.
        wide: metres from hill to hill, about.
        trees: metres that treetops add to the outline.
    """
    x, y = scene.x_at(z), scene.y_at(z)
    fixed = np.zeros_like(x)
    outline = height * scene.noise(x / wide + 20, fixed + z / 97, 4, smooth=True)
    outline += trees * scene.noise(x / (1.2 * max(trees, 1)) + 3, fixed + 11.5, 5)
    leaves = scene.noise(x / (0.006 * z) + 7, y / (0.006 * z) + 7, 4) - 0.5
    shade = (1 + (0.9 if trees else 0.35) * leaves)[..., None]
    where = (y > EYE - 3) & (y < EYE + outline)
    surface = np.asarray(colour, np.float32) * shade
    scene.paint(where, surface, warm * (1 + 0.3 * leaves), depth=z, normal=(0, 0.7, -0.7))


def land(scene: Canvas) -> tuple[Array, Array, Array]:
    """The ground that each pixel below the horizon sees: which pixels, and their x and z."""
    below = scene.up < -EYE / 400
    z = np.where(below, -EYE / np.where(below, scene.up, -1), 1).astype(np.float32)
    return below, scene.x_at(z), z


def meadow(scene: Canvas, colour: Colour, warm: float) -> None:
    """Grass to the horizon: blades near by, patches further away."""
    below, x, z = land(scene)
    near = np.clip(10 / z, 0, 1)
    blades = (scene.noise(x * 22, z * 7, 3) - 0.5) * near
    tufts = scene.noise(x * 2.2 + 9, z * 1.1 + 9, 4) - 0.5
    patches = scene.noise(x * 0.12 + 31, z * 0.06 + 31, 4, smooth=True) - 0.5
    shade = np.clip(1 + 1.1 * blades + 0.9 * tufts + 0.7 * patches, 0.15, 2)
    dry = np.clip(0.5 + 1.5 * patches + 0.8 * tufts, 0, 1)[..., None]
    tint = np.asarray(colour, np.float32) * (rgb(1, 1, 1) + dry * rgb(0.55, 0.18, 0.1))
    warmth = warm * (1 + 0.20 * tufts + 0.25 * patches + 0.15 * blades)
    scene.paint(below, shade[..., None] * tint, warmth, depth=z, normal=(0, 1, 0))


def road(scene: Canvas, half: float, warm: float) -> None:
    """A country road straight ahead: patched asphalt, lines, gravel at its edges."""
    below, x, z = land(scene)
    near = np.clip(9 / z, 0, 1)
    ragged = 0.22 * (scene.noise(x * 0 + 4, z * 1.7, 4) - 0.5)
    grain = (scene.noise(x * 16, z * 16, 3) - 0.5) * near
    stain = scene.noise(x * 0.8 + 60, z * 0.25 + 60, 4, smooth=True) - 0.5
    gravel = below & (np.abs(x) < half + 0.55 + 2 * ragged)
    stones = 0.30 + 0.25 * grain + 0.10 * stain
    scene.paint(
        gravel, stones[..., None] * rgb(1, 0.93, 0.82), warm * 0.95, depth=z, normal=(0, 1, 0)
    )
    tarred = below & (np.abs(x) < half + 0.3 * ragged)
    tracks = np.exp(-(((np.abs(np.abs(x) - half / 2) - 0.72) / 0.30) ** 2))
    seam = np.abs(x - 0.35 * scene.noise(z * 0.3, x * 0 + 2, 3) - 0.8) < 0.018
    repair = (x > 0.5) & (x < half - 0.4) & (np.abs(z - 7.2) < 0.9)
    bright = 0.135 + 0.10 * grain + 0.05 * stain - 0.015 * tracks - 0.05 * (seam | repair)
    lines = (np.abs(np.abs(x) - half + 0.28) < 0.06) | ((np.abs(x) < 0.06) & (z % 7.5 < 3.2))
    worn = lines * np.clip(scene.noise(x * 8 + 9, z * 8 + 9) * 3.0 - 0.6, 0.25, 1)
    bright = bright + 0.48 * worn
    warmth = warm * (1 + 0.10 * tracks + 0.12 * stain + 0.06 * grain - 0.10 * worn + 0.06 * repair)
    scene.paint(
        tarred, bright[..., None] * rgb(0.98, 0.99, 1.02), warmth, depth=z, normal=(0, 1, 0)
    )


def broadleaf(
    scene: Canvas,
    x: float,
    z: float,
    tall: float,
    *,
    colour: Colour,
    warm: float,
    bare: float = 0.0,
    lit: float = 0.0,
) -> Array:
    """A tree with a trunk, branches and a crown of leaves; its pixels, for a shadow.

    Args:
        scene: where to paint.
        x: of the trunk.
        z: how far away.
        tall: metres from the ground to the top.
        colour: of its leaves.
        warm: of its leaves, the trunk is a little warmer.
        bare: how many leaves it has lost, in [0, 1].
        lit: how much of the light and shade in the crown the infrared camera sees.
    """
    s, t = scene.x_at(z) - x, scene.y_at(z)
    bend = 0.03 * tall
    joints = [(x, 0.0), (x + bend, 0.25 * tall), (x - bend / 2, 0.5 * tall), (x, 0.8 * tall)]
    thick = [0.055 * tall, 0.042 * tall, 0.03 * tall, 0.01 * tall]
    wood = scene.limb(joints, z, thick)
    for side, low, reach in ((-1, 0.30, 0.26), (1, 0.36, 0.25), (-1, 0.46, 0.2), (1, 0.52, 0.17)):
        tip = (x + side * reach * tall, (low + 0.24) * tall)
        wood |= scene.limb([(x, low * tall), tip], z, (0.02 * tall, 0.006 * tall))
    bark = 0.10 + 0.10 * scene.noise(s * 9 + 3, t * 2 + 90)
    scene.paint(wood & (t > 0), bark[..., None] * rgb(1.0, 0.86, 0.7), warm * 1.08, depth=z)
    leaf = scene.noise(s * 14 / tall + 17 + x, t * 14 / tall + 30, 5)
    behind = scene.noise(s * 14 / tall + 17.2 + x, t * 14 / tall + 29.7, 5)
    crown = np.full(s.shape, np.inf, np.float32)
    for dx, y, radius in (
        (0, 0.62, 0.27),
        (-0.19, 0.55, 0.18),
        (0.2, 0.58, 0.2),
        (0.03, 0.82, 0.2),
    ):
        crown = np.minimum(crown, np.hypot(s - dx * tall, t - y * tall) / (radius * tall))
    where = (crown + 1.7 * (leaf - 0.5) < 0.92) & (leaf > 0.34 + 0.30 * bare)
    shade = np.clip(
        0.45 + 1.1 * leaf**1.5 + 2.2 * (leaf - behind) + 0.25 * (t / tall - 0.6), 0.12, 2
    )
    surface = shade[..., None] * np.asarray(colour, np.float32)
    warmth = warm * (0.82 + 0.36 * leaf) * (1 + lit * (shade - 1))
    scene.paint(where, surface, warmth, depth=z, normal=(0, 0.6, -0.8))
    return np.asarray(where | (wood & (t > 0)))
