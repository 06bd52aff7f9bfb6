"""Stage 0: the fused pictures that A_i and A_v learn to undo."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion import baselines
from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images
from emma_fusion.images.raster import read_pair
from emma_fusion.training.config import Additive, Pairs

Plane = npt.NDArray[np.float32]

KEPT_BRIGHTNESS = 0.15
"""What remains of a sum's brightness above the centre."""
PLAIN_SUM = 0.2
"""The share of the plain sum in the bands of detail."""


class Teachers:
    """Gives the teachers' fused pictures of one set of pairs.

    Args:
        pairs: The set; its folders of teachers are used where it has them, else its baselines.

    Raises:
        UserError: A folder does not exist.
    """

    def __init__(self, pairs: Pairs) -> None:
        self.folders = [list_images(folder) for folder in pairs.teachers]
        self.names = [str(folder) for folder in pairs.teachers]
        self.methods = [] if pairs.teachers else pairs.methods
        self.additive = pairs.additive

    def missing(self, stem: str) -> list[str]:
        """The folders that have no picture of this stem."""
        return [
            name
            for name, folder in zip(self.names, self.folders, strict=True)
            if stem not in folder
        ]

    def fuse(self, stem: str, infrared: Plane, visible: Plane) -> list[Plane]:
        """Every teacher's picture of a pair; the additive one, if asked for, is the last.

        Args:
            stem: The pair's name.
            infrared: ``(H, W)`` in [0, 1].
            visible: The same.

        Raises:
            UserError: There is no teacher, or its picture has another size than the pair.
        """
        fused = [_read_plane(folder[stem], infrared.shape) for folder in self.folders]
        fused += [baselines.fuse(method, infrared, visible) for method in self.methods]
        if self.additive is not None:
            fused.append(additive(infrared, visible, self.additive))
        if not fused:
            raise UserError(
                f"The pair {stem} has no teacher: name folders of fused pictures (teachers), "
                "baselines (methods) or additive."
            )
        return fused


def additive(infrared: Plane, visible: Plane, how: Additive) -> Plane:
    """A teacher of our own, the sum of both sources as far as it fits into a picture.

    Below the finest bands of a Laplacian pyramid the fused picture is k (i + v), k at most
    ``how.contrast`` and so that the standard deviation of k (i + v) is at most ``how.spread``; a
    sum brighter than ``how.centre`` on average is darkened as a whole. In the bands themselves
    the source with more local energy counts more, by the energies to the power of 3/2, and a
    fifth of the plain sum is mixed in. What leaves the range is compressed, not clipped.

    The sum is what both sources can be read back from: it leads by the sum of the correlations
    of differences (SCD), and sensing has the least to invent.

    Args:
        infrared: ``(H, W)`` in [0, 1].
        visible: The same.
        how: The settings.

    Returns:
        ``(H, W)`` float32 in [0, 1].
    """
    levels = len(how.gains)
    infrared_details, infrared_coarse = _bands(infrared, levels)
    visible_details, visible_coarse = _bands(visible, levels)
    spread = float((infrared + visible).std())
    factor = how.contrast if spread == 0 else min(how.contrast, how.spread / spread)
    total = infrared_coarse + visible_coarse
    middle = float(total.mean())
    bright = max(0.0, factor * middle - how.centre)
    result: Plane = np.asarray(factor * total - (1 - KEPT_BRIGHTNESS) * bright, np.float32)
    for level in reversed(range(levels)):
        i, v = infrared_details[level], visible_details[level]
        energy_i, energy_v = _energy(i), _energy(v)
        share = energy_i**1.5 / (energy_i**1.5 + energy_v**1.5 + 1e-15)
        chosen = (1 - PLAIN_SUM) * (share * i + (1 - share) * v) + PLAIN_SUM * (i + v)
        # Detail as weak as noise keeps its strength: a gain would only make the noise seen.
        energy = np.maximum(energy_i, energy_v)
        above_noise = energy / (energy + (how.noise / 255) ** 2 + 1e-12)
        gain = (1 + (how.gains[level] - 1) * above_noise) * min(1.0, factor) ** 0.5
        result = np.asarray(_larger(result, i.shape) + gain * chosen, np.float32)
    return _compress(result)


def _bands(plane: Plane, levels: int) -> tuple[list[Plane], Plane]:
    """The Laplacian pyramid of a plane: its detail, finest first, and what remains."""
    details = []
    for _ in range(levels):
        smaller: Plane = np.asarray(cv2.pyrDown(plane), np.float32)
        details.append(plane - _larger(smaller, plane.shape))
        plane = smaller
    return details, plane


def _energy(band: Plane) -> Plane:
    """The local energy of a band of detail."""
    return np.asarray(cv2.GaussianBlur(band**2, (0, 0), 1.5), np.float32)


def _larger(plane: Plane, shape: tuple[int, ...]) -> Plane:
    return np.asarray(cv2.pyrUp(plane, dstsize=(shape[1], shape[0])), np.float32)


def _compress(x: Plane, low: float = 0.02, high: float = 0.15) -> Plane:
    """Bends values within ``low`` of 0 and ``high`` of 1, or beyond, so that none is clipped."""
    dark = low - low * np.tanh((low - x) / low)
    light = 1 - high + high * np.tanh((x - 1 + high) / high)
    return np.where(x < low, dark, np.where(x > 1 - high, light, x)).astype(np.float32)


def _read_plane(path: Path, shape: tuple[int, ...]) -> Plane:
    plane = read_pair(path, path, colour="none").visible
    if plane.shape != shape:
        raise UserError(
            f"The teacher's picture {path} is {plane.shape[1]}×{plane.shape[0]}, its pair "
            f"{shape[1]}×{shape[0]}: they must be equal."
        )
    return plane
