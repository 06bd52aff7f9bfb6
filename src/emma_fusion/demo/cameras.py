"""What cameras make of a painted canvas: a visible image, an infrared and a near-infrared one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from emma_fusion.demo.canvas import Canvas, Colour
from emma_fusion.demo.textures import Array

_HEADLIGHT = (0.75, 0.86, 1.0)


@dataclass(frozen=True)
class Weather:
    """The light that a scene stands in, and what its air does to light.

    Attributes:
        ambient: light from everywhere.
        sky: light from above.
        sun: direction towards the sun, of length 1.
        sunlight: its light.
        air: which part of visible light a metre of air takes away.
        airlight: the light that the air sends instead.
        exposure: of the visible camera.
    """

    ambient: Colour = (0.013, 0.016, 0.026)
    sky: Colour = (0.0, 0.0, 0.0)
    sun: Sequence[float] = (0.0, 1.0, 0.0)
    sunlight: Colour = (0.0, 0.0, 0.0)
    air: float = 0.0
    airlight: Colour = (0.0, 0.0, 0.0)
    exposure: float = 1.9


NIGHT = Weather()


def visible_camera(
    scene: Canvas, rng: np.random.Generator, weather: Weather = NIGHT, veil: Array | None = None
) -> Array:
    """Light, a wet road's reflections, haze, glare around lamps, shot and read noise.

    Args:
        scene: the canvas (H, W): four samples a pixel make soft edges.
        rng: the generator of the noise.
        weather: light and air.
        veil: (H, W, 4): light that smoke sends, and in the last place how much it hides.

    Returns:
        uint8 (H / 2, W / 2, 3) RGB.
    """
    radiance = scene.albedo * _falling_light(scene, weather) + scene.light
    if scene.gloss.any():
        radiance += scene.gloss[..., None] * _mirrored(scene, radiance)
    if weather.air:
        clear = np.exp(-weather.air * np.where(scene.depth < 5e3, scene.depth, 0))[..., None]
        radiance = radiance * clear + np.asarray(weather.airlight, np.float32) * (1 - clear)
    if veil is not None:
        radiance = radiance * (1 - veil[..., 3:]) + veil[..., :3]
    return expose(halved(radiance), rng, weather.exposure)


def infrared_camera(scene: Canvas, rng: np.random.Generator, air: float = 0.0) -> Array:
    """Warmth, softly focused, with the grain and the columns of a microbolometer.

    Args:
        scene: the canvas (H, W).
        rng: the generator of the noise.
        air: which part of the warmth a metre of air takes away.

    Returns:
        uint8 (H / 2, W / 2).
    """
    warmth: Array = scene.warmth
    if air:
        clear = np.exp(-air * np.where(scene.depth < 5e3, scene.depth, 0))
        warmth = warmth * clear + 0.22 * (1 - clear)
    return microbolometer(halved(warmth), rng)


def near_infrared_camera(scene: Canvas, rng: np.random.Generator, weather: Weather) -> Array:
    """Sunlight beyond red, for which `scene.warmth` is what the surfaces send back.

    Returns:
        uint8 (H / 2, W / 2) of a canvas (H, W).
    """
    grey = np.mean(_falling_light(scene, weather), axis=-1)
    clear = np.exp(-0.08 * weather.air * np.where(scene.depth < 5e3, scene.depth, 0))
    near = scene.warmth * np.where(scene.depth < 5e3, grey, 1) * clear + 0.35 * (1 - clear)
    return expose(halved(near), rng, weather.exposure)


def expose(radiance: Array, rng: np.random.Generator, exposure: float) -> Array:
    """Glare, exposure, noise and the usual gamma: radiance (H, W) or (H, W, 3) to uint8."""
    small, width = radiance, radiance.shape[1]
    bright = np.clip(small - 0.8, 0, 12)
    for sigma, weight in ((0.002, 0.25), (0.008, 0.16), (0.03, 0.10)):
        small = small + weight * cv2.GaussianBlur(bright, (0, 0), sigma * 2 * width)
    exposed = 1 - np.exp(-exposure * small)
    grain = rng.normal(size=exposed.shape) * np.sqrt(1.2e-6 + 2.0e-4 * exposed)
    encoded = np.clip(exposed + grain, 0, 1) ** (1 / 2.2)
    return np.asarray(np.round(255 * encoded), np.uint8)


def microbolometer(warmth: Array, rng: np.random.Generator) -> Array:
    """Soft focus, grain and columns: warmth (H, W) in [0, 1] to uint8."""
    soft = cv2.GaussianBlur(warmth, (0, 0), 0.0016 * len(warmth[0]))
    noise = rng.normal(size=soft.shape) * 0.010 + rng.normal(size=soft.shape[1]) * 0.004
    return np.asarray(np.round(255 * np.clip(soft + noise, 0, 1)), np.uint8)


def halved(image: Array) -> Array:
    """The mean of every 2x2 samples."""
    height, width = image.shape[:2]
    half = (width // 2, height // 2)
    return np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA))


def _falling_light(scene: Canvas, weather: Weather) -> Array:
    """Light that falls on what each pixel shows, (H, W, 3)."""
    z = np.minimum(scene.depth, 200)
    place = np.stack((scene.x_at(z), scene.y_at(z), z), -1)
    total = np.empty(place.shape, np.float32)
    total[:] = weather.ambient
    if np.any(weather.sky):
        above = (0.5 + 0.5 * scene.normal[..., 1])[..., None]
        total += above * np.asarray(weather.sky, np.float32)
    if np.any(weather.sunlight):
        facing = np.einsum("...k,k", scene.normal, np.asarray(weather.sun, np.float32))
        direct = np.maximum(facing, 0) * (1 - scene.shade)
        total += direct[..., None] * np.asarray(weather.sunlight, np.float32)
    for where, colour, power in scene.lamps:
        towards = np.asarray(where, np.float32) - place
        squared = np.einsum("...k,...k", towards, towards) + 0.05
        facing = np.einsum("...k,...k", towards, scene.normal) / np.sqrt(squared)
        # Leaves and cloth scatter: some light goes round the corner.
        strength = power * np.maximum(0.25 + 0.75 * facing, 0) / squared
        total += strength[..., None] * np.asarray(colour, np.float32)
    for x, y, front in scene.headlights:
        dx, dy, dz = place[..., 0] - x, place[..., 1] - y, front - place[..., 2]
        distance = np.sqrt(dx**2 + dy**2 + dz**2) + 0.3
        sideways, upwards = dx / distance / 0.30, (dy / distance + 0.10) / 0.12
        beam = np.maximum(dz / distance, 0) * np.exp(-(sideways**2) - upwards**2)
        strength = 13.0 * beam / distance**2
        total += strength[..., None] * np.asarray(_HEADLIGHT, np.float32)
    return total


def _mirrored(scene: Canvas, radiance: Array) -> Array:
    """What wet asphalt mirrors: for each pixel below the horizon the one as far above it."""
    horizon = round(scene.middle[1])
    rows = np.arange(horizon, len(radiance))
    mirror = np.zeros_like(radiance)
    mirror[rows] = np.clip(radiance[np.maximum(2 * horizon - 1 - rows, 0)], 0, 3)
    # Roughness smears along the line of sight, that is, upwards in the image.
    size = scene.focal / 1000
    return np.asarray(0.7 * cv2.GaussianBlur(mirror, (0, 0), 3.2 * size, sigmaY=28 * size))
