"""Images side by side with a caption each, to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_PAPER, _INK = (24, 24, 27), (235, 235, 235)


def make_sheet(images: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Lay images out in one row, each under its caption.

    Args:
        images: caption to image, uint8 (H, W) or (H, W, 3) RGB; all of one height.

    Returns:
        uint8 (H', W', 3) RGB, a little larger than the images together.

    Raises:
        ValueError: there is no image, one is not uint8, or the heights differ.

    >>> make_sheet({"infrared": np.zeros((60, 80), np.uint8)}).shape
    (84, 88, 3)
    """
    if not images:
        raise ValueError("a sheet needs one image at least")
    heights = {image.shape[0] for image in images.values()}
    if len(heights) > 1 or any(image.dtype != np.uint8 for image in images.values()):
        kinds = ", ".join(f"{p.dtype} {p.shape}" for p in images.values())
        raise ValueError(f"a sheet needs uint8 images of one height, not {kinds}")
    (height,) = heights
    band, gap, size = max(20, height // 14), max(4, height // 60), max(20, height // 14) / 48
    columns = []
    for caption, image in images.items():
        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=2)
        column = np.full((height + band + gap, image.shape[1], 3), _PAPER, np.uint8)
        column[band:-gap] = image
        font, thick = cv2.FONT_HERSHEY_DUPLEX, max(1, round(size))
        width = cv2.getTextSize(caption, font, size, thick)[0][0]
        place = (max(0, (image.shape[1] - width) // 2), round(band * 0.68))
        cv2.putText(column, caption, place, font, size, _INK, thick, cv2.LINE_AA)
        columns += [np.full((len(column), gap, 3), _PAPER, np.uint8), column]
    return np.concatenate([*columns, columns[0]], axis=1)
