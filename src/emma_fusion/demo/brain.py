"""A slice through a head: what a PET scanner and an MRI scanner would show of it."""

from __future__ import annotations

import cv2
import numpy as np

from emma_fusion.demo.textures import Array, Textures
from emma_fusion.values.palettes import apply_palette

_TUMOUR = (-0.27, 0.20)
_QUIET = (0.36, -0.36)  # where the cortex takes up little, though it looks sound


def draw(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """See `emma_fusion.demo.render_scene`; PET in the palette `hot`, and a T2-weighted MRI."""
    table = Textures(rng)
    rows, columns = np.mgrid[: 2 * height, : 2 * width].astype(np.float32)
    half = float(min(height, width))
    x, y = (columns + 0.5 - width) / half, (height - rows - 0.5) / half
    water, activity = _tissue(table, x, y)

    sharp = cv2.GaussianBlur(water, (0, 0), 0.0035 * half)
    bias = 1 + 0.12 * x - 0.10 * y  # the coil is nearer on one side
    mri = cv2.resize(sharp * bias, (width, height), interpolation=cv2.INTER_AREA)
    noise = rng.normal(size=(2, height, width)) * 0.014
    mri = np.hypot(mri + noise[0], noise[1])  # magnitude images have Rician noise

    blurred = cv2.GaussianBlur(activity, (0, 0), 0.026 * half)
    pet = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_AREA)
    counts = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), max(0.012 * half, 0.6))
    pet = pet * (1 + 0.07 * counts / counts.std()) + 0.006 * np.abs(counts / counts.std())
    coloured = apply_palette(np.clip(pet, 0, 1).astype(np.float32), "hot")
    return _eight_bits(coloured), _eight_bits(mri)


def _eight_bits(image: Array) -> Array:
    return np.asarray(np.round(255 * np.clip(image, 0, 1)), np.uint8)


def _step(distance: Array, soft: float = 0.006) -> Array:
    """1 where a distance is positive, 0 where it is negative, with a soft edge."""
    return np.asarray(np.clip(distance / soft + 0.5, 0, 1), np.float32)


def _tissue(table: Textures, x: Array, y: Array) -> tuple[Array, Array]:
    """What each place sends an MRI scanner, and how much tracer it takes up; both (H, W)."""
    wobble = table.noise(x * 1.6 + 40, y * 1.6 + 40, 3, smooth=True) - 0.5
    egg = np.hypot(x / (0.715 - 0.05 * y), (y + 0.01) / 0.90) + 0.02 * wobble
    fold = _folds(table, x, y)
    brain = _step(0.845 - egg)
    grey = np.maximum(_step(0.034 - fold, 0.012), _step(egg - 0.795, 0.012))
    sulcus = _step(0.0055 - fold) * np.clip((egg - 0.42) / 0.3, 0, 1)
    split = np.abs(x + 0.018 * np.sin(9 * y) + 0.02 * wobble)  # between the halves
    sulcus = np.maximum(sulcus, _step(0.007 - split) * _step(np.abs(y + 0.02) - 0.30, 0.05))
    grey = np.maximum(grey, _step(0.034 - split, 0.012) * _step(np.abs(y + 0.02) - 0.30, 0.05))

    nuclei = np.zeros_like(x)
    ventricle = np.zeros_like(x)
    for side in (-1, 1):
        u, v = side * x + 0.012 * wobble, y + 0.02 * wobble
        nuclei = np.maximum(nuclei, _blob(u, v, (0.115, -0.13), (0.085, 0.12), 15))  # thalamus
        nuclei = np.maximum(nuclei, _blob(u, v, (0.255, 0.045), (0.055, 0.15), 18))  # putamen
        nuclei = np.maximum(nuclei, _blob(u, v, (0.135, 0.20), (0.045, 0.085), 20))  # caudate
        front = _blob(u, v, (0.075, 0.215), (0.034, 0.125), -22)
        back = _blob(u, v, (0.165, -0.33), (0.040, 0.15), 24)
        ventricle = np.maximum(ventricle, np.maximum(front, back))
    ventricle = np.maximum(ventricle, _blob(x, y, (0.0, -0.08), (0.010, 0.12), 0))
    grey = np.maximum(grey * _step(egg - 0.46, 0.12), nuclei)

    lumps = table.noise(x * 7 + 3, y * 7 + 3, 4, smooth=True) - 0.5
    far = np.hypot(x - _TUMOUR[0], y - _TUMOUR[1]) + 0.16 * wobble + 0.05 * lumps
    tumour, core, swollen = (
        _step(0.125 - far, 0.02),
        _step(0.055 - far, 0.02),
        np.exp(-((far / 0.20) ** 4)),
    )
    texture = table.noise(x * 12, y * 12, 4) - 0.5

    water = 0.33 + 0.23 * grey + 0.05 * texture
    water = water + 0.26 * swollen * (1 - grey)
    water = water * (1 - tumour) + tumour * (0.66 + 0.35 * texture + 0.22 * core)
    fluid = np.maximum(sulcus * (1 - tumour), ventricle)
    water = water * (1 - fluid) + 0.93 * fluid
    space = _step(0.875 - egg)  # fluid around the brain, bone, fat and skin around that
    outside = 0.90 * space + (1 - space) * 0.05
    marrow = np.exp(-(((egg - 0.905) / 0.010) ** 2)) * 0.22
    fat = _step(egg - 0.940) * _step(1.0 - egg) * (0.58 + 0.5 * texture)
    water = water * brain + (1 - brain) * (outside + marrow + fat) * _step(1.0 - egg)

    quiet = np.exp(-(np.hypot((x - _QUIET[0]) / 0.20, (y - _QUIET[1]) / 0.24) ** 4))
    back = 1 + 0.18 * np.exp(-(((y + 0.62) / 0.2) ** 2))  # the cortex that sees
    uptake = 0.20 + 0.52 * grey * back * (1 - 0.62 * quiet) + 0.10 * nuclei
    uptake = uptake * (1 - fluid) * (1 - 0.45 * swollen * (1 - tumour))
    uptake = uptake * (1 - tumour) + tumour * (1.25 - 0.95 * core)
    activity = uptake * brain + 0.07 * (1 - brain) * _step(1.0 - egg)
    return np.asarray(water, np.float32), np.asarray(activity, np.float32)


def _blob(
    u: Array, v: Array, middle: tuple[float, float], radii: tuple[float, float], degrees: float
) -> Array:
    turn = np.deg2rad(degrees)
    du, dv = u - middle[0], v - middle[1]
    a, b = du * np.cos(turn) + dv * np.sin(turn), dv * np.cos(turn) - du * np.sin(turn)
    return _step((1 - np.hypot(a / radii[0], b / radii[1])) * min(radii))


def _folds(table: Textures, x: Array, y: Array) -> Array:
    """How far the nearest furrow of the cortex is, (H, W).

    Furrows are where a noise crosses its mean. Its hills are longer along the radius than across,
    so that furrows go in from the outside; its seam lies under the fissure between the halves.
    """
    angle, radius = np.arctan2(x, y), np.hypot(x / 0.72, y / 0.90)
    warp = table.noise(x * 4 + 70, y * 4 + 70, 3, smooth=True) - 0.5
    s, t = 5.2 * angle + 2.2 * warp, 6.5 * radius + 1.6 * warp
    hills = table.noise(s + 31, t + 31, 2, smooth=True).astype(np.float32)
    step = float(x[0, 1] - x[0, 0])
    slope = np.hypot(cv2.Sobel(hills, cv2.CV_32F, 1, 0), cv2.Sobel(hills, cv2.CV_32F, 0, 1))
    return np.asarray(np.abs(hills - 0.5) / np.maximum(slope / 8 / step, 2.0), np.float32)
