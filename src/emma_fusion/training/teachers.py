"""Stage 0: the fused images that A_i and A_v learn to undo."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emma_fusion import baselines
from emma_fusion.baselines.additive import add
from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images
from emma_fusion.images.raster import read_pair
from emma_fusion.training.config import Pairs
from emma_fusion.values.arrays import FloatArray


class Teachers:
    """Gives the teachers' fused images of one set of pairs.

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
        """The folders that have no image of this stem."""
        return [
            name
            for name, folder in zip(self.names, self.folders, strict=True)
            if stem not in folder
        ]

    def fuse(self, stem: str, infrared: FloatArray, visible: FloatArray) -> list[FloatArray]:
        """Every teacher's image of a pair; the additive one, if asked for, is the last.

        Args:
            stem: The pair's name.
            infrared: ``(H, W)`` in [0, 1].
            visible: The same.

        Raises:
            UserError: There is no teacher, or its image has another size than the pair.
        """
        fused = [_read_plane(folder[stem], infrared.shape) for folder in self.folders]
        fused += [baselines.fuse(method, infrared, visible) for method in self.methods]
        if self.additive is not None:
            fused.append(add(infrared, visible, self.additive))
        if not fused:
            raise UserError(
                f"The pair {stem} has no teacher: name folders of fused images (teachers), "
                "baselines (methods) or additive."
            )
        return fused


def levelled(fused: FloatArray, like: FloatArray) -> FloatArray:
    """A teacher's image with the mean and the standard deviation of another image of its pair.

    Public networks write their images stretched to their own minimum and maximum. By how much one
    image was stretched depends on its darkest and its brightest pixel, which no patch shows: a
    network that learns from such images learns a mean of all tones, and never theirs.

    Args:
        fused: The teacher's image, ``(H, W)`` in [0, 1].
        like: An image of the same pair whose tone follows one rule for all pairs, the same shape.

    Returns:
        The same shape, in [0, 1]; a constant image gets the mean alone.
    """
    centred = fused - fused.mean()
    spread = float(fused.std())
    if spread > 0:
        centred = centred * (float(like.std()) / spread)
    level: FloatArray = np.clip(centred + like.mean(), 0, 1).astype(np.float32)
    return level


def _read_plane(path: Path, shape: tuple[int, ...]) -> FloatArray:
    plane = read_pair(path, path, colour="none").visible
    if plane.shape != shape:
        raise UserError(
            f"The teacher's image {path} is {plane.shape[1]}×{plane.shape[0]}, its pair "
            f"{shape[1]}×{shape[0]}: they must be equal."
        )
    return plane
