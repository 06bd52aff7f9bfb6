"""The two methods without a neighbourhood."""

import numpy as np
from numpy.typing import NDArray


def average(infrared: NDArray[np.float64], visible: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of both images: the mildest fusion, which halves every contrast."""
    return 0.5 * (infrared + visible)


def maximum(infrared: NDArray[np.float64], visible: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the brighter pixel of both: hot targets stay, dark detail goes."""
    return np.maximum(infrared, visible)
