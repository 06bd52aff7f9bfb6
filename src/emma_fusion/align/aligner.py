"""Aligning pairs on their way from files to the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from emma_fusion.align.geometry import Matrix, Size, size_of
from emma_fusion.align.grid import Grid
from emma_fusion.align.registration import (
    Alignment,
    Wanted,
    plane_of,
    register,
)
from emma_fusion.align.rig import Rig, load_rig
from emma_fusion.errors import UserError
from emma_fusion.values.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Aligned:
    """An infrared image on the visible image's grid.

    Attributes:
        image: (H, W) or (H, W, 3 or 4) of the infrared image's dtype.
        cover: see `Pair.cover`.
        covered: (H, W), 1 where the infrared camera saw and 0 elsewhere; None for everywhere.
        record: how it was aligned, for the fused image's metadata; empty where it was not.
    """

    image: npt.NDArray[Any]
    cover: FloatArray | None
    record: dict[str, Any]
    covered: FloatArray | None = None


class Aligner:
    """Aligns pair after pair in one way.

    Args:
        how: "translation", "rigid", "similarity", "affine", "homography" or "auto", the file of a
            calibration, or a calibration.

    Raises:
        UserError: it is neither, or the file is damaged.
    """

    def __init__(self, how: str | Rig) -> None:
        self._rig: Rig | None = None
        self._grid: Grid | None = None  # of the rig, made with its first pair
        self._wanted: Wanted = "auto"
        self._how = str(how.notes.get("by", "rig")) if isinstance(how, Rig) else how
        if isinstance(how, Rig):
            self._rig = how
        elif how in get_args(Wanted):
            self._wanted = how  # type: ignore[assignment]
        elif Path(how).suffix or Path(how).exists():
            self._rig = load_rig(how)
        else:
            raise UserError(
                f"There is no alignment {how!r} here: use {', '.join(get_args(Wanted))}, or the "
                "file of a calibration that emma calibrate wrote."
            )

    @property
    def is_rig(self) -> bool:
        """Whether the transform is that of a calibration."""
        return self._rig is not None

    @property
    def wanted(self) -> Wanted:
        """The kind of transform that is searched for, if there is no calibration."""
        return self._wanted

    def __call__(
        self,
        infrared: npt.NDArray[Any],
        visible: npt.NDArray[Any],
        labels: tuple[str, str] = ("infrared", "visible"),
    ) -> Aligned:
        """Bring an infrared image onto the grid of a visible one.

        Args:
            infrared: (H', W') or (H', W', 3 or 4).
            visible: (H, W) or (H, W, 3 or 4).
            labels: what to call the two in errors.

        Raises:
            UserError: one is no image, the two could not be aligned with confidence, or they
                have other sizes than the calibration.
        """
        for label, image in zip(labels, (infrared, visible), strict=True):
            if image.ndim not in (2, 3):
                raise UserError(f"{label} has the shape {image.shape}: give (H, W) or (H, W, 3).")
        sizes = size_of(infrared), size_of(visible)
        if self._rig is not None:
            self._rig.check(*sizes, labels)
            record: dict[str, Any] = {"by": Path(self._how).name, "model": self._rig.model}
            if self._rig.lenses is not None:
                infrared_lens, visible_lens = (lens.to_facts() for lens in self._rig.lenses)
                record["lenses"] = {"infrared": infrared_lens, "visible": visible_lens}
            if self._grid is None:
                grid = Grid.of_rig(self._rig)
                if not grid.covered.any():
                    raise UserError(
                        f"{Path(self._how).name} places {labels[0]} outside of {labels[1]}, so "
                        "that there is nothing to fuse: calibrate the cameras again."
                    )
                self._grid = grid
            return on(self._grid, infrared, self._rig.matrix, record)
        found = register(plane_of(infrared), plane_of(visible), self._wanted)
        check(found, labels)
        facts: dict[str, Any] = {
            "by": self._how,
            "model": found.model,
            "confidence": round(found.confidence, 3),
            "moved_pixels": round(found.moved, 2),
        }
        return place(infrared, found.matrix, sizes[1], facts, mask=found.mask)


def align(
    infrared: npt.NDArray[Any],
    visible: npt.NDArray[Any],
    aligner: Aligner | None,
    labels: tuple[str, str],
) -> Aligned:
    """Align an infrared image, or leave it as it is if there is no aligner."""
    return Aligned(infrared, None, {}) if aligner is None else aligner(infrared, visible, labels)


def check(found: Alignment, labels: tuple[str, str]) -> None:
    """Refuse an alignment that is not to be trusted.

    Raises:
        UserError: it is not.
    """
    if not found.trusted:
        raise UserError(
            f"{labels[0]} could not be aligned with {labels[1]}: only {found.confidence:.0%} of "
            f"their patches agree, but {found.least:.0%} must. They show too few contours "
            "in common. If they come from a fixed rig, calibrate it from many "
            "pairs: emma calibrate."
        )


def place(
    infrared: npt.NDArray[Any],
    matrix: Matrix,
    size: Size,
    record: dict[str, Any],
    grid: Grid | None = None,
    mask: FloatArray | None = None,
) -> Aligned:
    """The image where a transform puts it; untouched where that is the identity.

    Args:
        infrared: (H', W') or (H', W', C).
        matrix: (3, 3), from (x, y) of the visible image to (x, y) of the infrared one.
        size: (H, W) of the visible image.
        record: how it was aligned.
        grid: of this transform and these sizes, where it is known already.
        mask: (H', W'), 1 where the image shows something; None for everywhere.
    """
    if size_of(infrared) == size and np.allclose(matrix, np.eye(3), atol=1e-9):
        return Aligned(infrared, None, {"alignment": record})
    grid = grid or Grid.of_matrix(matrix, size, size_of(infrared), mask)
    return on(grid, infrared, matrix, record)


def on(grid: Grid, infrared: npt.NDArray[Any], matrix: Matrix, record: dict[str, Any]) -> Aligned:
    """The image on a grid, and the record with the transform that made it."""
    rows = [[round(value, 8) for value in row] for row in matrix.tolist()]
    record = {"alignment": {**record, "visible_to_infrared": rows}}
    return Aligned(grid(infrared), grid.cover, record, grid.covered)
