"""Images as arrays: floats in [0, 1] and what becomes of them, colours without alpha, strips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]
STRIP = 2**20
"""How many pixels are worked on at a time."""


def from_unit(image: FloatArray, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Turn floats in [0, 1] into a dtype; integers take their full range, rounded to nearest.

    >>> from_unit(np.float32([0, 0.5, 1]), np.uint8)
    array([  0, 128, 255], dtype=uint8)
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return image.astype(dtype)
    top = np.iinfo(dtype).max
    rounded: npt.NDArray[Any] = np.rint(np.clip(image, 0, 1) * np.float32(top)).astype(dtype)
    return rounded


def without_alpha(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The image without its fourth channel, if it has one."""
    return image[..., :3] if image.ndim == 3 else image


def strips_of(image: npt.NDArray[Any]) -> Iterator[slice]:
    """The rows of an image, `STRIP` pixels at a time.

    Steps of a calculation each leave an array behind; of a large image they would not fit in
    memory, of strips they stay in the processor's cache.
    """
    height, width = image.shape[:2]
    step = max(1, STRIP // width)
    for start in range(0, height, step):
        yield slice(start, start + step)
