"""Values under the cursor: arrays on the shelf, of which single pixels are asked for."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.web.shelf import Shelf

_MEDIA_TYPE = "application/x-npy"  # never of what comes from outside
_MOST = 8


def keep_values(shelf: Shelf, image: npt.NDArray[Any]) -> str:
    """Put an image's values on the shelf; their token.

    Args:
        shelf: Where to.
        image: (H, W) or (H, W, C); where a masked array is masked there is no value.
    """
    if isinstance(image, np.ma.MaskedArray):
        image = np.ma.filled(image.astype(np.float64), np.nan)
    buffer = io.BytesIO()
    np.save(buffer, image, allow_pickle=False)
    return shelf.put(buffer.getvalue(), "values.npy", _MEDIA_TYPE)


def read_values(shelf: Shelf, asked: Sequence[str]) -> list[list[float] | None]:
    """The values of single pixels.

    Args:
        shelf: Where they are.
        asked: Each "token:x:y".

    Returns:
        For each the values of its channels; None outside the image and where there is none.

    Raises:
        UserError: A token is of no values, or what is asked for is no pixel.
    """
    return [_read(shelf, *_parse(one)) for one in asked[:_MOST]]


def _parse(asked: str) -> tuple[str, int, int]:
    token, *place = asked.split(":")
    try:
        x, y = map(int, place)
    except ValueError:
        raise UserError("Ask for the values of a pixel: its image, x and y.") from None
    return token, x, y


def _read(shelf: Shelf, token: str, x: int, y: int) -> list[float] | None:
    item = shelf.get(token)
    if item.media_type != _MEDIA_TYPE:
        raise UserError("These are no values.")
    image = np.load(item.path, mmap_mode="r", allow_pickle=False)
    if not (0 <= y < image.shape[0] and 0 <= x < image.shape[1]):
        return None
    values = [float(value) for value in np.atleast_1d(image[y, x])]
    return values if all(map(math.isfinite, values)) else None
