"""What two cameras make of a painted canvas: a visible image and an infrared one."""

from __future__ import annotations

import cv2
import numpy as np

from emma_fusion.demo.canvas import Array, Canvas

_AMBIENT = (0.013, 0.016, 0.026)
_HEADLIGHT = (0.75, 0.86, 1.0)
_EXPOSURE = 1.9


def visible_camera(scene: Canvas, rng: np.random.Generator) -> Array:
    """Light, a wet road's reflections, glare around lamps, shot and read noise.

    Returns:
        uint8 (H / 2, W / 2, 3) RGB of a canvas (H, W): four samples a pixel make soft edges.
    """
    radiance = scene.albedo * _falling_light(scene) + scene.light
    radiance += scene.gloss[..., None] * _mirrored(scene, radiance)
    small = _halved(radiance)
    bright = np.clip(small - 0.8, 0, 12)
    for sigma, weight in ((0.002, 0.25), (0.008, 0.16), (0.03, 0.10)):
        small = small + weight * cv2.GaussianBlur(bright, (0, 0), sigma * len(scene.depth[0]))
    exposed = 1 - np.exp(-_EXPOSURE * small)
    grain = rng.normal(size=exposed.shape) * np.sqrt(1.2e-6 + 2.0e-4 * exposed)
    encoded = np.clip(exposed + grain, 0, 1) ** (1 / 2.2)
    return np.asarray(np.round(255 * encoded), np.uint8)


def infrared_camera(scene: Canvas, rng: np.random.Generator) -> Array:
    """Warmth, softly focused, with the grain and the columns of a microbolometer.

    Returns:
        uint8 (H / 2, W / 2) of a canvas (H, W).
    """
    small = _halved(scene.warmth)
    soft = cv2.GaussianBlur(small, (0, 0), 0.0016 * len(small[0]))
    noise = rng.normal(size=soft.shape) * 0.010 + rng.normal(size=soft.shape[1]) * 0.004
    return np.asarray(np.round(255 * np.clip(soft + noise, 0, 1)), np.uint8)


def _halved(image: Array) -> Array:
    height, width = image.shape[:2]
    half = (width // 2, height // 2)
    return np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA))


def _falling_light(scene: Canvas) -> Array:
    """Light that falls on what each pixel shows, (H, W, 3)."""
    z = np.minimum(scene.depth, 200)
    place = np.stack((scene.x_at(z), scene.y_at(z), z), -1)
    total = np.empty(place.shape, np.float32)
    total[:] = _AMBIENT
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
