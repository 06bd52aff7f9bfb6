"""What a decoder gives: pixels, which of them hold data, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Decoded:
    """An image as it was read.

    Attributes:
        pixels: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA; uint8, uint16, float32 or float64.
        valid: (H, W), which pixels hold data; None where all do.
        stored: the dtype of the values in the file, where `pixels` has another; else "".
        notes: sentences without a subject about what was left out: "has a fourth band, ...".
        facts: what the record of a fused image says of it.
    """

    pixels: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_] | None = None
    stored: str = ""
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def upright(self, orientation: int) -> Decoded:
        """The image as viewers show it, by an EXIF orientation, 1 to 8."""
        if orientation not in range(2, 9):
            return self
        valid = None if self.valid is None else orient(self.valid, orientation)
        return replace(self, pixels=orient(self.pixels, orientation), valid=valid)


def orient(image: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Apply an EXIF orientation, 1 to 8 (EXIF 2.32, tag 274)."""
    if orientation in (5, 6, 7, 8):
        image = np.swapaxes(image, 0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
