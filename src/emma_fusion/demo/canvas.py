"""A canvas that remembers what each pixel shows: colour, light, warmth and place.

Coordinates are metres: x to the right, y up from the ground, z away from the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from emma_fusion.demo.textures import Array, Textures

Point = tuple[float, float]
Colour = Sequence[float] | Array

EYE = 1.65
"""Height of both cameras above the ground."""
_FOCAL = 0.95  # in image widths
_HORIZON = 0.44  # in image heights


class Canvas(Textures):
    """Painted from far to near; every painter covers what lies behind.

    Args:
        height: rows of the canvas.
        width: its columns.
        rng: the generator of everything random on it.
    """

    def __init__(self, height: int, width: int, rng: np.random.Generator) -> None:
        super().__init__(rng)
        self.focal = _FOCAL * width
        self.middle = (width / 2, _HORIZON * height)
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        self.across = (columns + 0.5 - self.middle[0]) / self.focal  # x / z of a pixel's ray
        self.up = (self.middle[1] - rows - 0.5) / self.focal  # (y - EYE) / z of it
        self.depth = np.full((height, width), 1e4, np.float32)
        self.normal = np.zeros((height, width, 3), np.float32)
        self.albedo = np.zeros((height, width, 3), np.float32)
        self.light = np.zeros((height, width, 3), np.float32)
        self.warmth = np.zeros((height, width), np.float32)
        self.gloss = np.zeros((height, width), np.float32)
        self.shade = np.zeros((height, width), np.float32)  # the part of the sun that is hidden
        self.lamps: list[tuple[Sequence[float], Colour, float]] = []
        self.headlights: list[Sequence[float]] = []

    def paint(
        self,
        where: Array,
        albedo: Any,
        warmth: Any,
        *,
        depth: Any,
        light: Any = 0.0,
        normal: Sequence[float] = (0, 0, -1),
    ) -> None:
        """Cover pixels with a surface.

        Args:
            where: bool (H, W), the pixels.
            albedo: colour in [0, 1]; one for all, (3,), or one for each pixel, (H, W, 3).
            warmth: what the infrared camera sees, in [0, 1]; a number or (H, W).
            depth: z of the surface; a number or (H, W).
            light: what shines of itself, any range; as albedo.
            normal: where the surface looks.
        """
        left, top, width, height = cv2.boundingRect(where.astype(np.uint8))
        window = np.s_[top : top + height, left : left + width]
        here = where[window]
        surface: list[tuple[Array, Any]] = [
            (self.albedo, albedo),
            (self.light, light),
            (self.warmth, warmth),
            (self.depth, depth),
            (self.normal, normal),
            (self.gloss, 0),
        ]
        for target, value in surface:
            if np.ndim(value) >= 2:
                value = value[window][here]
            target[window][here] = value

    def x_at(self, z: Any) -> Array:
        """X of what each pixel sees at depth z, (H, W)."""
        return np.asarray(self.across * z)

    def y_at(self, z: Any) -> Array:
        """Y of what each pixel sees at depth z, (H, W)."""
        return np.asarray(self.up * z + EYE)

    def polygon(self, points: Sequence[Point], z: float) -> Array:
        """The pixels, bool (H, W), of a polygon of (x, y) that stands at depth z."""
        mask = np.zeros(self.depth.shape, np.uint8)
        self._fill(mask, points, z)
        return mask.view(bool)

    def disc(self, x: float, y: float, z: float, radii: Point, angle: float = 0.0) -> Array:
        """The pixels of an ellipse; its angle in degrees, counter-clockwise."""
        return self.polygon(_ellipse(x, y, radii, angle), z)

    def shadow(self, mask: Array, z: float, sun: Sequence[float]) -> Array:
        """Where a thing keeps the sun from the ground.

        Args:
            mask: bool (H, W), the pixels of the thing.
            z: its depth.
            sun: direction towards the sun; z is not 0.

        Returns:
            float32 (H, W) in [0, 1], with a soft edge.
        """
        flat = (self.normal[..., 1] > 0.5) & (self.depth < 1e3)
        ground = np.where(flat, self.depth, 1)
        away = (z - ground) / sun[2]  # along the ray from the ground to the thing's plane
        x, y = self.x_at(ground) + away * sun[0], away * sun[1]
        column = self.middle[0] + self.focal * x / z - 0.5
        row = self.middle[1] - self.focal * (y - EYE) / z - 0.5
        maps = column.astype(np.float32), row.astype(np.float32)
        hidden = cv2.remap(mask.astype(np.float32), *maps, cv2.INTER_LINEAR)
        soft = cv2.GaussianBlur(hidden * flat * (away > 0), (0, 0), 0.0022 * len(self.depth[0]))
        return np.asarray(soft, np.float32)

    def limb(self, joints: Sequence[Point], z: float, thick: Sequence[float]) -> Array:
        """The pixels of rounded strokes from joint to joint, each joint with its thickness."""
        mask = np.zeros(self.depth.shape, np.uint8)
        for (ax, ay), (bx, by), wa, wb in zip(joints, joints[1:], thick, thick[1:], strict=False):
            length = max(np.hypot(bx - ax, by - ay), 1e-6)
            sx, sy = (ay - by) / length / 2, (bx - ax) / length / 2
            sides = [(ax + sx * wa, ay + sy * wa), (bx + sx * wb, by + sy * wb)]
            sides += [(bx - sx * wb, by - sy * wb), (ax - sx * wa, ay - sy * wa)]
            self._fill(mask, sides, z)
        for (x, y), width in zip(joints, thick, strict=True):
            self._fill(mask, _ellipse(x, y, (width / 2, width / 2)), z)
        return mask.view(bool)

    def _fill(self, mask: Array, points: Sequence[Point], z: float) -> None:
        """Fill a polygon; its corners are rounded to 1/16 pixel."""
        x, y = np.array(points).T
        column = self.middle[0] + self.focal * x / z - 0.5
        row = self.middle[1] - self.focal * (y - EYE) / z - 0.5
        corners = (np.stack((column, row), -1) * 16).round().astype(np.int32)
        cv2.fillPoly(mask, [corners], 1, shift=4)


def _ellipse(x: float, y: float, radii: Point, angle: float = 0.0) -> list[Point]:
    t, turn = np.linspace(0, 2 * np.pi, 48, endpoint=False), np.deg2rad(angle)
    a, b = radii[0] * np.cos(t), radii[1] * np.sin(t)
    xs, ys = x + a * np.cos(turn) - b * np.sin(turn), y + a * np.sin(turn) + b * np.cos(turn)
    return list(zip(xs.tolist(), ys.tolist(), strict=True))
