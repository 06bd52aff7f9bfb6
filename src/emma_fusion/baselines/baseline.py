"""What every classical method has in common: its name, its source, its contract."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emma_fusion.errors import UserError

Plane = NDArray[np.floating[Any]]
Core = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Baseline:
    """A fusion method: called with two planes, it gives the fused one.

    The core computes in float64, so that a result does not depend on the sources' dtype;
    what a method puts below 0 or above 1 is clipped.

    Attributes:
        name: How the method is asked for.
        core: The method itself, float64 planes in and out.
        citation: Where the method was published.
    """

    name: str
    core: Core
    citation: str

    def __call__(self, infrared: Plane, visible: Plane) -> Plane:
        """Fuse two registered planes.

        Args:
            infrared: (H, W) float32 or float64 in [0, 1], any size from 1x1 up.
            visible: As `infrared`, of the same size and dtype.

        Returns:
            (H, W) in [0, 1], of the sources' dtype.

        Raises:
            UserError: Sizes or dtypes differ, or an image is not a finite float plane in [0, 1].
        """
        _check("infrared", infrared)
        _check("visible", visible)
        if infrared.shape != visible.shape or infrared.dtype != visible.dtype:
            raise UserError(
                f"The images must have one size and dtype: infrared is {infrared.shape} "
                f"{infrared.dtype}, visible is {visible.shape} {visible.dtype}."
            )
        fused = self.core(infrared.astype(np.float64), visible.astype(np.float64))
        return np.clip(fused, 0.0, 1.0).astype(infrared.dtype)


def _check(which: str, plane: Plane) -> None:
    if not isinstance(plane, np.ndarray) or plane.dtype not in (np.float32, np.float64):
        kind = plane.dtype if isinstance(plane, np.ndarray) else type(plane).__name__
        raise UserError(
            f"The {which} image must be a float32 or float64 array in [0, 1], not {kind}."
        )
    if plane.ndim != 2 or plane.size == 0:
        raise UserError(
            f"The {which} image must be one plane (H, W) with pixels in it, not {plane.shape}."
        )
    # Written so that NaN fails too.
    if not (plane.min() >= 0 and plane.max() <= 1):
        raise UserError(f"The {which} image must be finite and lie in [0, 1].")
