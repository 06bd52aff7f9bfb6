"""A camera's lens: where it bends straight lines, and how that is undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.align.geometry import Matrix


@dataclass(frozen=True)
class Lens:
    """A pinhole and the distortion of Brown's model, in pixels of one image size.

    Attributes:
        focal: the focal length, the same along both axes.
        centre: (x, y), where the optical axis meets the image.
        distortion: (k1, k2, p1, p2, k3) as OpenCV counts them; all 0 for a lens without.
    """

    focal: float
    centre: tuple[float, float]
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)

    @property
    def matrix(self) -> Matrix:
        """(3, 3), from directions to pixels."""
        x, y = self.centre
        return np.array([[self.focal, 0, x], [0, self.focal, y], [0, 0, 1.0]])

    @property
    def coefficients(self) -> Matrix:
        """The distortion as an array, (5,)."""
        return np.array(self.distortion, np.float64)

    def straighten(self, points: npt.NDArray[Any]) -> Matrix:
        """Where (N, 2) pixels would be if the lens had no distortion."""
        places = np.asarray(points, np.float64).reshape(-1, 1, 2)
        if not any(self.distortion):
            return places[:, 0]
        # OpenCV's own few rounds do not settle far from the centre.
        rule = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-9)
        straight = cv2.undistortPoints(
            places, self.matrix, self.coefficients, R=None, P=self.matrix, criteria=rule
        )
        return np.asarray(straight, np.float64).reshape(-1, 2)

    def bend(self, points: npt.NDArray[Any]) -> Matrix:
        """Where the lens puts (N, 2) pixels of a camera without distortion."""
        places = np.asarray(points, np.float64).reshape(-1, 2)
        if not any(self.distortion):
            return places
        flat = (places - self.centre) / self.focal
        rays = np.column_stack([flat, np.ones(len(flat))])
        still = np.zeros(3)
        bent = cv2.projectPoints(rays, still, still, self.matrix, self.coefficients)[0]
        return np.asarray(bent, np.float64).reshape(-1, 2)

    def to_facts(self) -> dict[str, Any]:
        """What stands in a rig's file."""
        return {
            "focal_pixels": self.focal,
            "centre": list(self.centre),
            "distortion": list(self.distortion),
        }

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Lens:
        """Of what stands in a rig's file.

        Raises:
            ValueError: it is no lens.
        """
        numbers: Sequence[float] = [
            float(facts["focal_pixels"]),
            *map(float, facts["centre"]),
            *map(float, facts["distortion"]),
        ]
        if len(numbers) != 8 or not np.isfinite(numbers).all() or numbers[0] <= 0:
            raise ValueError("This is no lens.")
        focal, x, y, k1, k2, p1, p2, k3 = numbers
        return cls(focal, (x, y), (k1, k2, p1, p2, k3))
