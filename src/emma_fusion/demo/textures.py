"""Randomness that stays where it was drawn: noise, grains, and letters."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def rgb(red: float, green: float, blue: float) -> Array:
    """A colour, float32 (3,)."""
    return np.array((red, green, blue), np.float32)


class Textures:
    """A table of random numbers, and what is looked up in it.

    Args:
        rng: the generator of everything random in a scene.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._table = rng.random((256, 256), dtype=np.float32)

    def noise(self, s: Array, t: Array, octaves: int = 4, smooth: bool = False) -> Array:
        """Noise in [0, 1], (H, W); its coarsest hills are one unit of s and t wide.

        `smooth` hides the grid that large hills show otherwise; it takes longer.
        """
        kind = cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR
        total, weight = np.zeros(s.shape, np.float32), 0.0
        for k in range(octaves):
            a, b = ((each * 2**k + 37.3 * k).astype(np.float32) for each in (s, t))
            hills = cv2.remap(self._table, a, b, kind, borderMode=cv2.BORDER_WRAP)
            total += np.asarray(hills, np.float32) / 1.6**k
            weight += 1 / 1.6**k
        return total / np.float32(weight)

    def pick(self, *cells: Array) -> Array:
        """A random number in [0, 1] for each cell, the same wherever that cell is seen."""
        row = cells[0].astype(np.int32) * 13 + 7
        column = cells[-1].astype(np.int32) * 29 + 3
        return np.asarray(self._table[row & 255, column & 255])

    def write(self, word: str, s: Array, t: Array, thick: int = 7) -> Array:
        """A word's ink in [0, 1], (H, W), spread over 0 <= s <= 1 (right), 0 <= t <= 1 (up)."""
        glyphs = _text(word, thick)
        maps = (
            (s * glyphs.shape[1]).astype(np.float32),
            ((1 - t) * glyphs.shape[0]).astype(np.float32),
        )
        return np.asarray(cv2.remap(glyphs, *maps, cv2.INTER_LINEAR))


def _text(word: str, thick: int) -> Array:
    """A word, white on black, float32 in [0, 1], with a soft edge."""
    font, scale, margin = cv2.FONT_HERSHEY_DUPLEX, 3.0, 14
    (width, height), base = cv2.getTextSize(word, font, scale, thick)
    image = np.zeros((height + base + 2 * margin, width + 2 * margin), np.uint8)
    place = (margin, height + margin)
    cv2.putText(image, word, place, font, scale, 255, thick, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 2).astype(np.float32) / 255)
