"""Things seen straight from above or from the front: a map of heights, colours and warmth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from emma_fusion.demo.cameras import expose, halved
from emma_fusion.demo.textures import Array, Textures, rgb

Colour = Sequence[float] | Array


class Relief(Textures):
    """A plane with heights on it, towards the camera.

    Args:
        height: rows.
        width: columns.
        across: metres that the width shows.
        rng: the generator of everything random on it.

    Attributes:
        x: metres from the middle to the right, (H, W).
        y: metres from the middle upwards, (H, W).
        tall: height of what each pixel shows, (H, W).
    """

    def __init__(self, height: int, width: int, across: float, rng: np.random.Generator) -> None:
        super().__init__(rng)
        self.step = across / width
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        self.x = (columns + 0.5 - width / 2) * self.step
        self.y = (height / 2 - rows - 0.5) * self.step
        self.tall = np.zeros((height, width), np.float32)
        self.albedo = np.zeros((height, width, 3), np.float32)
        self.light = np.zeros((height, width, 3), np.float32)
        self.warmth = np.zeros((height, width), np.float32)
        self.shine = np.zeros((height, width), np.float32)

    def local(self, x: float, y: float, degrees: float = 0.0) -> tuple[Array, Array]:
        """Coordinates (u, v) about a place, turned counter-clockwise, each (H, W)."""
        turn = np.deg2rad(degrees)
        dx, dy = self.x - x, self.y - y
        return dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)

    def put(
        self, where: Array, albedo: Any, warmth: Any, tall: Any = None, shine: Any = 0.0
    ) -> None:
        """Cover pixels.

        Args:
            where: bool (H, W).
            albedo: a number, a colour (3,), or (H, W, 3).
            warmth: a number or (H, W).
            tall: height, a number or (H, W); the surface stays as high as it is without.
            shine: how much it mirrors the light, a number or (H, W).
        """
        targets = [(self.albedo, albedo), (self.warmth, warmth), (self.shine, shine)]
        for target, value in [*targets, *([(self.tall, tall)] if tall is not None else [])]:
            if np.ndim(value) >= 2:
                value = value[where] if target.ndim == np.ndim(value) else value[where][:, None]
            target[where] = value

    def shadows(self, sun: Sequence[float], reach: float) -> Array:
        """Which part of each pixel the sun does not reach, float32 (H, W).

        Args:
            sun: direction towards it; z is upwards.
            reach: how far the longest shadow falls, in metres.
        """
        flat = float(np.hypot(sun[0], sun[1]))
        steps = max(2, round(reach / self.step / 2))
        hidden = np.zeros(self.tall.shape, np.float32)
        for k in range(1, steps + 1):
            far = k * reach / steps
            move = np.array(
                ((1, 0, -far * sun[0] / flat / self.step), (0, 1, far * sun[1] / flat / self.step)),
                np.float32,
            )
            size = self.tall.shape[::-1]
            other = cv2.warpAffine(self.tall, move, size, flags=cv2.INTER_LINEAR)
            above = other - self.tall - far * sun[2] / flat
            hidden = np.maximum(hidden, np.clip(above / (3 * self.step), 0, 1))
        return cv2.GaussianBlur(hidden, (0, 0), 1.2).astype(np.float32)

    def normals(self) -> Array:
        """Where each pixel looks, (H, W, 3): right, up, and towards the camera."""
        across = cv2.Sobel(self.tall, cv2.CV_32F, 1, 0, scale=1 / 8) / self.step
        down = cv2.Sobel(self.tall, cv2.CV_32F, 0, 1, scale=1 / 8) / self.step
        normal = np.stack((-across, down, np.ones_like(across)), -1)
        return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True))

    def visible(
        self,
        sun: Sequence[float],
        sunlight: Colour,
        ambient: Colour,
        reach: float,
        exposure: float,
    ) -> Array:
        """Sunlight with shadows, dimmed corners, and shine: uint8 (H / 2, W / 2, 3)."""
        towards = np.asarray(sun, np.float32) / np.linalg.norm(sun)
        normal = self.normals()
        lit = 1 - self.shadows(sun, reach)
        direct = (np.maximum(normal @ towards, 0) * lit)[..., None]
        # What lies lower than what surrounds it gets less of the sky.
        corner = np.ones_like(lit)
        for metres in (0.03 * reach, 0.12 * reach):
            mean = cv2.GaussianBlur(self.tall, (0, 0), max(metres / self.step, 0.8))
            corner *= np.clip(1 - 0.35 * np.maximum(mean - self.tall, 0) / metres, 0.35, 1)
        light = direct * np.asarray(sunlight, np.float32)
        light = light + corner[..., None] * np.asarray(ambient, np.float32)
        half = towards + rgb(0, 0, 1)
        mirror = np.maximum(normal @ (half / np.linalg.norm(half)), 0) ** 60 * self.shine * lit
        radiance = self.albedo * light + self.light
        radiance = radiance + mirror[..., None] * np.asarray(sunlight, np.float32)
        return expose(halved(radiance), self.rng, exposure)
