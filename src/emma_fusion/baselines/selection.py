"""The rule of choice that the multi-resolution methods share."""

import cv2
import numpy as np
from numpy.typing import NDArray


def stronger(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, pixel by pixel, the coefficient whose 3x3 neighbourhood has more energy.

    The neighbourhood keeps single noisy coefficients from winning inside a region of the other
    source (Burt and Kolczynski 1993; Li, Manjunath and Mitra 1995).

    Args:
        a: (H, W) coefficients of the first source.
        b: (H, W) coefficients of the second source.

    Returns:
        (H, W), every value from `a` or `b`; of `a` where they tie.
    """
    energy_a, energy_b = (
        cv2.boxFilter(x * x, -1, (3, 3), borderType=cv2.BORDER_REPLICATE) for x in (a, b)
    )
    return np.where(energy_a >= energy_b, a, b)
