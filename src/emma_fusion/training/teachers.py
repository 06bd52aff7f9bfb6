"""Stage 0: the fused pictures that A_i and A_v learn to undo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion import baselines
from emma_fusion.errors import UserError
from emma_fusion.media.folders import list_pictures
from emma_fusion.media.rasters import read_pair
from emma_fusion.training.config import Enhance, Pairs

Plane = npt.NDArray[np.float32]


class Teachers:
    """Gives the teachers' fused pictures of one set of pairs.

    Args:
        pairs: The set; its folders of teachers are used where it has them, else its baselines.

    Raises:
        UserError: A folder does not exist.
    """

    def __init__(self, pairs: Pairs) -> None:
        self.folders = [list_pictures(folder) for folder in pairs.teachers]
        self.names = [str(folder) for folder in pairs.teachers]
        self.methods = [] if pairs.teachers else pairs.methods
        self.enhance = pairs.enhance

    def missing(self, stem: str) -> list[str]:
        """The folders that have no picture of this stem."""
        return [
            name
            for name, folder in zip(self.names, self.folders, strict=True)
            if stem not in folder
        ]

    def fuse(self, stem: str, infrared: Plane, visible: Plane) -> list[Plane]:
        """Every teacher's picture of a pair; the enhanced one, if asked for, is the last.

        Args:
            stem: The pair's name.
            infrared: ``(H, W)`` in [0, 1].
            visible: The same.

        Raises:
            UserError: A teacher's picture has another size than the pair.
        """
        fused = [_read_plane(folder[stem], infrared.shape) for folder in self.folders]
        fused += [baselines.fuse(method, infrared, visible) for method in self.methods]
        if self.enhance is not None:
            fused.append(enhanced(fused, infrared, visible, self.enhance))
        return fused


def enhanced(fused: Sequence[Plane], infrared: Plane, visible: Plane, how: Enhance) -> Plane:
    """A stronger teacher made of others.

    The mean of the teachers decides how bright each region is. In four bands of a Laplacian
    pyramid a share ``how.detail`` of the mean's detail is replaced by the sources', each weighted
    by its local energy, times ``how.gains``. Then contrast is raised about the mean and what
    leaves [0.06, 0.94] is compressed smoothly instead of clipped.

    Args:
        fused: Other teachers' pictures, ``(H, W)`` in [0, 1].
        infrared: ``(H, W)`` in [0, 1].
        visible: The same.
        how: The settings.

    Returns:
        ``(H, W)`` float32 in [0, 1].
    """
    mean = np.stack(fused).mean(axis=0, dtype=np.float32)
    levels = len(how.gains)
    details, coarse = _bands(mean, levels)
    infrared_details, _ = _bands(infrared, levels)
    visible_details, _ = _bands(visible, levels)
    result: Plane = coarse
    for level in reversed(range(levels)):
        energy_i, energy_v = _energy(infrared_details[level]), _energy(visible_details[level])
        share = energy_i / (energy_i + energy_v + 1e-8)
        of_sources = share * infrared_details[level] + (1 - share) * visible_details[level]
        detail = (1 - how.detail) * details[level] + how.detail * how.gains[level] * of_sources
        result = (_larger(result, detail.shape) + detail).astype(np.float32)
    middle = float(result.mean())
    raised = (result - middle) * how.contrast + middle + how.centre * (0.5 - middle)
    return _compress(raised.astype(np.float32))


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
    return np.asarray(cv2.GaussianBlur(band**2, (0, 0), 2.0), np.float32)


def _larger(plane: Plane, shape: tuple[int, ...]) -> Plane:
    return np.asarray(cv2.pyrUp(plane, dstsize=(shape[1], shape[0])), np.float32)


def _compress(x: Plane, knee: float = 0.06) -> Plane:
    """Bends values within ``knee`` of 0 and 1, or beyond, so that none is clipped."""
    low = knee - knee * np.tanh((knee - x) / knee)
    high = 1 - knee + knee * np.tanh((x - 1 + knee) / knee)
    return np.where(x < knee, low, np.where(x > 1 - knee, high, x)).astype(np.float32)


def _read_plane(path: Path, shape: tuple[int, ...]) -> Plane:
    plane = read_pair(path, path, colour="none").visible
    if plane.shape != shape:
        raise UserError(
            f"The teacher's picture {path} is {plane.shape[1]}×{plane.shape[0]}, its pair "
            f"{shape[1]}×{shape[0]}: they must be equal."
        )
    return plane
