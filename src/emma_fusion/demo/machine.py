"""A pump and its motor in a plant room: what runs hot, and what it says on the plates."""

from __future__ import annotations

import numpy as np

from emma_fusion.demo.cameras import halved, microbolometer
from emma_fusion.demo.relief import Relief
from emma_fusion.demo.textures import Array, rgb

_LAMP = (-0.50, 0.62, 0.60)
_AXIS = -0.28  # y of the shaft
_STEEL, _BLUE, _GREEN = (0.40, 0.41, 0.42), (0.035, 0.12, 0.30), (0.05, 0.20, 0.11)


def draw(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """See `emma_fusion.demo.render_scene`."""
    scene = Relief(2 * height, 2 * width, 2.4, rng)
    _wall(scene)
    _tank(scene)
    _cabinet(scene)
    _pipes(scene)
    _base(scene)
    _motor(scene)
    _pump(scene)
    _gauge(scene, 0.18, 0.36)
    warm = scene.warmth + 0.03 * (scene.normals()[..., 2] - 0.8)
    dim = 1 - 0.55 * np.clip((scene.x - 0.1) / 1.2, 0, 1) - 0.3 * np.clip(-scene.y - 0.4, 0, 1)
    scene.albedo *= dim[..., None]  # the lamp hangs on the left
    infrared = microbolometer(halved(warm), rng)
    return infrared, scene.visible(_LAMP, (1.9, 1.75, 1.5), (0.14, 0.15, 0.17), 0.5, 1.25)


def _grime(scene: Relief, scale: float, at: float) -> Array:
    return scene.noise(scene.x * scale + at, scene.y * scale + at, 5, smooth=True) - 0.5


def _wall(scene: Relief) -> None:
    """Painted concrete, green up to the height of a shoulder, and a floor."""
    x, y = scene.x, scene.y
    grime, rough = _grime(scene, 1.6, 9), scene.noise(x * 40, y * 40, 3) - 0.5
    streak = np.clip(scene.noise(x * 14 + 3, y * 0.9, 4) - 0.62, 0, 1)
    upper = (0.42 + 0.14 * grime + 0.05 * rough - 0.5 * streak)[..., None] * rgb(1, 0.97, 0.9)
    lower = (0.9 + 0.5 * grime + 0.2 * rough)[..., None] * rgb(0.15, 0.22, 0.19)
    colour = np.where((y > 0.16 + 0.004 * grime)[..., None], upper, lower)
    everywhere = np.ones(x.shape, bool)
    scene.put(everywhere, colour, 0.20 + 0.03 * grime, 0.002 * rough)
    scene.put(np.abs(y - 0.16) < 0.012, (0.03, 0.03, 0.03), 0.20)
    floor = y < -0.72
    grey = 0.20 + 0.10 * grime + 0.05 * rough
    scene.put(floor, grey[..., None] * rgb(0.95, 0.98, 1.0), 0.18 + 0.02 * grime, 0.35)
    stripe = (np.abs(y + 0.80) < 0.035) & ((x + y) % 0.16 < 0.08)
    scene.put(np.abs(y + 0.80) < 0.035, (0.55, 0.40, 0.03), 0.18)
    scene.put(stripe, 0.03, 0.185)


def _rod(scene: Relief, u: Array, v: Array, half: float, radius: float) -> tuple[Array, Array]:
    """The pixels of a cylinder along u, and how far its surface stands out of its axis."""
    where = (np.abs(u) < half) & (np.abs(v) < radius)
    return where, np.sqrt(np.maximum(radius**2 - v**2, 0)).astype(np.float32)


def _tank(scene: Relief) -> None:
    """A steel tank half full of hot water: only the infrared camera sees how full."""
    u, v = scene.local(-0.93, 0.30, 90.0)
    where, out = _rod(scene, u, v, 0.62, 0.21)
    grime = _grime(scene, 5, 3)
    brushed = scene.noise(scene.x * 3, scene.y * 90, 3) - 0.5
    level = 0.26 + 0.004 * np.sin(scene.x * 60)
    full = 1 / (1 + np.exp((scene.y - level) / 0.012))
    warm = 0.27 + 0.33 * full + 0.04 * np.clip(scene.y - level, -0.3, 0.3) + 0.01 * grime
    colour = (0.44 + 0.06 * brushed + 0.05 * grime)[..., None] * rgb(0.97, 1.0, 1.03)
    scene.put(where, colour, warm, 0.14 + out, 0.7)
    for place in (-0.5, 0.08, 0.5):
        band, out = _rod(scene, u - place, v, 0.02, 0.222)
        scene.put(band, 0.30, warm - 0.03, 0.14 + out, 0.6)
    plate = (np.abs(scene.x + 0.93) < 0.11) & (np.abs(scene.y - 0.62) < 0.045)
    scene.put(plate, (0.55, 0.42, 0.05), 0.28)
    _text(scene, "TANK 2", -0.93, 0.62, 0.19, 0.055)


def _text(scene: Relief, word: str, x: float, y: float, wide: float, tall: float) -> None:
    """Black letters, which have the temperature of what they stand on."""
    s, t = (scene.x - x) / wide + 0.5, (scene.y - y) / tall + 0.5
    ink = scene.write(word, s, t, thick=8) * ((np.abs(s - 0.5) < 0.5) & (np.abs(t - 0.5) < 0.5))
    scene.albedo *= 1 - 0.94 * ink[..., None]


def _cabinet(scene: Relief) -> None:
    """Three fuses in an open box; the contact of the middle one is bad."""
    u, v = scene.local(0.86, 0.52)
    box = (np.abs(u) < 0.27) & (np.abs(v) < 0.34)
    scene.put(box, (0.45, 0.46, 0.45), 0.23, 0.14)
    inside = (np.abs(u) < 0.245) & (np.abs(v) < 0.315)
    scene.put(inside, (0.30, 0.31, 0.30), 0.24, 0.02)
    for rail in (0.12, -0.16):
        scene.put(inside & (np.abs(v - rail) < 0.018), 0.45, 0.26, 0.03, 0.8)
    for k, (place, warm) in enumerate(((-0.14, 0.34), (0.0, 0.47), (0.14, 0.33))):
        wire_colour = ((0.22, 0.10, 0.05), (0.02, 0.02, 0.02), (0.32, 0.32, 0.33))[k]
        sway = place + 0.012 * np.sin(v * 22 + 2 * k)
        hot = np.clip((warm - 0.36) * 3, 0, 1) * np.exp(-np.abs(v - 0.20) / 0.05)
        wire = inside & (np.abs(u - sway) < 0.013)
        scene.put(wire, wire_colour, 0.27 + 0.35 * hot, 0.05)
        fuse = (np.abs(u - place) < 0.048) & (np.abs(v - 0.12) < 0.085)
        heat = (0.97 - warm) * np.exp(-np.hypot(u - place, v - 0.195) / 0.04) * (k == 1)
        scene.put(fuse, (0.62, 0.62, 0.58), warm + heat, 0.09)
        scene.put(fuse & (np.abs(v - 0.12) < 0.022), (0.10, 0.11, 0.12), warm + heat, 0.105)
        _text(scene, f"F{k + 1}", 0.86 + place, 0.52 + 0.066, 0.05, 0.035)
        relay = (np.abs(u - place) < 0.055) & (np.abs(v + 0.16) < 0.07)
        scene.put(relay, (0.08, 0.085, 0.09), 0.36, 0.08)
        scene.put(relay & (np.abs(v + 0.16) < 0.02), (0.03, 0.20, 0.10), 0.36, 0.085)
    lamp = np.hypot(u - 0.18, v + 0.27) < 0.016
    scene.put(lamp, 0.05, 0.27, 0.05)
    scene.light[lamp] = (0.15, 1.6, 0.35)


def _pipes(scene: Relief) -> None:
    """Hot water in and out, with flanges and a valve; a cold line; a tray of cables."""
    paint = _grime(scene, 7, 30)

    def pipe(
        ends: tuple[float, float, float, float],
        radius: float,
        colour: tuple[float, ...],
        warm: float,
    ) -> None:
        x0, y0, x1, y1 = ends
        angle = float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
        u, v = scene.local((x0 + x1) / 2, (y0 + y1) / 2, angle)
        half = float(np.hypot(x1 - x0, y1 - y0)) / 2
        where, out = _rod(scene, u, v, half, radius)
        tint = (1 + 0.5 * paint)[..., None] * np.asarray(colour, np.float32)
        scene.put(where, tint, warm + 0.02 * paint, 0.10 + out, 0.7)
        for end in (-half + 0.03, half - 0.03):
            ring, out = _rod(scene, u - end, v, 0.018, radius * 1.55)
            scene.put(ring, np.asarray(colour, np.float32) * 0.7, warm - 0.03, 0.10 + out, 0.5)

    pipe((-1.2, 0.86, 1.2, 0.86), 0.028, (0.36, 0.36, 0.35), 0.215)
    pipe((-1.2, 0.79, 0.6, 0.79), 0.018, (0.30, 0.13, 0.06), 0.235)
    pipe((-0.93, -0.36, -0.93, -0.62), 0.055, _GREEN, 0.58)
    pipe((-0.93, -0.62, -0.50, -0.62), 0.055, _GREEN, 0.57)
    pipe((-0.45, -0.16, -0.45, 0.74), 0.062, _GREEN, 0.66)
    pipe((-0.45, 0.74, 0.20, 0.74), 0.055, _GREEN, 0.64)
    for y in (0.30, 0.33):
        scene.put((np.abs(scene.x + 0.45) < 0.062) & (np.abs(scene.y - y) < 0.008), 0.6, 0.66)
    u, v = scene.local(-0.45, 0.10)
    far = np.hypot(u, v)
    body = far < 0.10
    scene.put(body, (0.16, 0.165, 0.17), 0.62, 0.16 + np.sqrt(np.maximum(0.01 - far**2, 0)), 0.5)
    turn = np.arctan2(v, u)
    wheel = (np.abs(far - 0.135) < 0.014) | ((far < 0.135) & (np.abs(np.sin(1.5 * turn)) < 0.09))
    scene.put(wheel | (far < 0.03), (0.42, 0.03, 0.02), 0.37, 0.33, 0.6)


def _base(scene: Relief) -> None:
    x, y = scene.x, scene.y
    frame = (np.abs(x - 0.06) < 0.82) & (np.abs(y + 0.64) < 0.05)
    rust = np.clip(_grime(scene, 9, 60) * 3, 0, 1)[..., None]
    scene.put(frame, 0.10 + rust * rgb(0.14, 0.05, 0.01), 0.25, 0.36)
    for place in (-0.62, -0.1, 0.3, 0.78):
        scene.put(np.hypot(x - place, y + 0.64) < 0.02, 0.4, 0.25, 0.38, 0.8)


def _motor(scene: Relief) -> None:
    """Cooling fins, a box for its cables, a fan at its end, and a bearing that fails."""
    u, v = scene.local(0.44, _AXIS)
    where, out = _rod(scene, u, v, 0.36, 0.235)
    fins = np.abs(v / 0.027 % 1 - 0.5)
    ribbed = where & (np.abs(u) < 0.33)
    grime = _grime(scene, 6, 80)
    colour = (1 + 0.6 * grime)[..., None] * np.asarray(_BLUE, np.float32)
    windings = np.exp(-((u / 0.24) ** 4))
    warm = 0.40 + 0.16 * windings + 0.05 * (0.5 - fins) + 0.02 * grime
    scene.put(where, colour, 0.44, 0.18 + out, 0.5)
    scene.put(ribbed, colour, warm, 0.20 + out + 0.03 * (fins < 0.27), 0.35)
    for foot in (-0.22, 0.22):
        stand = (np.abs(u - foot) < 0.05) & (v < -0.20) & (v > -0.32)
        scene.put(stand, np.asarray(_BLUE, np.float32) * 0.9, 0.36, 0.36)
    cowl, out = _rod(scene, u - 0.40, v, 0.075, 0.225)
    slots = (np.abs(v / 0.04 % 1 - 0.5) < 0.2) & (np.abs(u - 0.42) < 0.035)
    scene.put(cowl, (0.05, 0.055, 0.06), 0.31, 0.18 + out, 0.4)
    scene.put(cowl & slots, 0.008, 0.37, 0.16 + out)
    box = (np.abs(u - 0.04) < 0.11) & (np.abs(v - 0.22) < 0.085)
    scene.put(box, np.asarray(_BLUE, np.float32) * 1.1, 0.41, 0.47, 0.4)
    for du, dv in ((-0.09, 0.065), (0.09, 0.065), (-0.09, -0.065), (0.09, -0.065)):
        scene.put(np.hypot(u - 0.04 - du, v - 0.22 - dv) < 0.010, 0.5, 0.40, 0.48, 1.0)
    cable = (
        (np.abs(u - 0.04 - 0.22 * np.clip(v - 0.3, 0, 1) ** 1.5) < 0.017) & (v > 0.30) & (v < 0.52)
    )
    scene.put(cable, 0.02, 0.33, 0.3)
    plate = (np.abs(u + 0.10) < 0.12) & (np.abs(v + 0.02) < 0.062)
    scene.put(plate, (0.58, 0.58, 0.56), 0.505, 0.445, 0.3)
    _text(scene, "15 kW  50 Hz", 0.34, _AXIS + 0.008, 0.20, 0.04)
    _text(scene, "1470 / min", 0.34, _AXIS - 0.042, 0.17, 0.036)
    shield, out = _rod(scene, u + 0.39, v, 0.035, 0.20)
    heat = np.exp(-np.hypot((u + 0.43) / 0.09, v / 0.10))
    scene.put(shield, np.asarray(_BLUE, np.float32) * 0.8, 0.42 + 0.42 * heat, 0.18 + out, 0.5)
    bearing, out = _rod(scene, u + 0.44, v, 0.03, 0.085)
    scene.put(bearing, _STEEL, 0.97, 0.22 + out, 0.9)
    scene.warmth += 0.40 * np.exp(-np.hypot(u + 0.43, v) / 0.07) * ribbed


def _pump(scene: Relief) -> None:
    """A shaft with a coupling, and the snail of the pump."""
    u, v = scene.local(-0.08, _AXIS)
    shaft, out = _rod(scene, u, v, 0.16, 0.032)
    scene.put(shaft, _STEEL, 0.55 + 0.3 * np.clip(u / 0.16, 0, 1), 0.22 + out, 1.0)
    for place in (-0.035, 0.045):
        hub, out = _rod(scene, u - place, v, 0.035, 0.095)
        scene.put(hub, (0.48, 0.30, 0.02), 0.44, 0.22 + out, 0.5)
    u, v = scene.local(-0.45, _AXIS)
    turn, far = np.arctan2(v, -u), np.hypot(u, v)
    edge = 0.215 + 0.035 * turn / np.pi
    snail = far < edge
    tube = 0.075 * np.sqrt(np.maximum(1 - ((far - edge + 0.075) / 0.075) ** 2, 0))
    paint = (1 + 0.6 * _grime(scene, 6, 44))[..., None] * np.asarray(_GREEN, np.float32)
    scene.put(snail, paint, 0.60 + 0.05 * tube / 0.075, 0.24 + tube, 0.6)
    scene.put(far < 0.13, paint * 0.9, 0.58, 0.30, 0.5)
    for k in range(8):
        bolt = (
            np.hypot(u - 0.105 * np.cos(k * np.pi / 4), v - 0.105 * np.sin(k * np.pi / 4)) < 0.013
        )
        scene.put(bolt, 0.42, 0.56, 0.32, 1.0)
    scene.put(far < 0.055, _STEEL, 0.60, 0.33, 0.8)
    arrow = (np.abs(v - 0.165) < 0.010) & (np.abs(u) < 0.05)
    arrow |= (np.abs(v - 0.165) < 0.6 * (u + 0.085)) & (u < -0.045) & (u > -0.085)
    scene.put(arrow, (0.75, 0.74, 0.70), 0.63)
    foot = (np.abs(u) < 0.16) & (v < -0.22) & (v > -0.33)
    scene.put(foot, np.asarray(_GREEN, np.float32) * 0.8, 0.45, 0.34)


def _gauge(scene: Relief, x: float, y: float) -> None:
    """A dial whose hand only the visible camera can read."""
    u, v = scene.local(x, y)
    far, turn = np.hypot(u, v), np.degrees(np.arctan2(u, v))
    stem = (np.abs(u) < 0.018) & (v > 0.05) & (v < 0.36)
    scene.put(stem, (0.40, 0.28, 0.10), 0.45, 0.14, 0.8)
    scene.put(far < 0.125, 0.22, 0.26, 0.22, 0.9)
    scene.put(far < 0.108, (0.72, 0.72, 0.69), 0.25, 0.20)
    inside = np.abs(turn) < 138
    ticks = (np.abs(turn / 27 - np.round(turn / 27)) < 0.045) & (far > 0.078) & (far < 0.10)
    fine = (np.abs(turn / 9 - np.round(turn / 9)) < 0.09) & (far > 0.089) & (far < 0.10)
    scene.put((ticks | fine) & inside, 0.03, 0.25)
    red = (turn > 84) & (turn < 136) & (np.abs(far - 0.07) < 0.006)
    scene.put(red, (0.6, 0.03, 0.02), 0.25)
    a, b = scene.local(x, y, 90 - 62)  # the hand points at 62 degrees from the top
    hand = (np.abs(b) < 0.005 * (1 - a / 0.11)) & (a > -0.03) & (a < 0.088)
    scene.put(hand | (far < 0.012), 0.015, 0.25, 0.205)
    _text(scene, "bar", x, y - 0.06, 0.05, 0.032)
