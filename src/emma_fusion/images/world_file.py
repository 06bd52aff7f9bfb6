"""World files: six numbers beside an image that say where on the Earth its pixels lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from emma_fusion.images.formats import Damaged
from emma_fusion.images.header import read_header

_MOST = 1000  # bytes that six numbers may take


def find_world_file(image: Path) -> Path | None:
    """The world file of an image: `a.tfw`, `a.tifw` or `a.wld` beside `a.tif`.

    >>> find_world_file(Path("no such image.png")) is None
    True
    """
    suffix = image.suffix[1:]
    endings = [suffix[:1] + suffix[-1:] + "w", suffix + "w", "wld"] if suffix else []
    names = [f".{case}" for ending in endings for case in (ending, ending.upper())]
    return next((file for name in names if (file := image.with_suffix(name)).is_file()), None)


def read_world_file(image: Path) -> tuple[npt.NDArray[np.float64], tuple[int, int]] | None:
    """Read where the pixels of an image lie.

    Returns:
        (3, 3), from (x, y) of a pixel's centre to coordinates, and (height, width); None where
        there is no world file that can be read, or the image is to be turned before it is seen.
    """
    file = find_world_file(image)
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            numbers = [float(word) for word in opened.read(_MOST).split()]
        header = read_header(image.read_bytes())
    except (OSError, ValueError, Damaged):
        return None
    if len(numbers) != 6 or header.orientation != 1:
        return None
    a, d, b, e, c, f = numbers
    matrix = np.array([[a, b, c], [d, e, f], [0, 0, 1.0]])
    if not np.isfinite(matrix).all() or np.linalg.det(matrix[:2, :2]) == 0:
        return None
    return matrix, (header.height, header.width)
