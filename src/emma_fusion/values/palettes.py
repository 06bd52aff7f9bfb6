"""Palettes: false colour for the infrared, as thermal cameras show it."""

from __future__ import annotations

from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError

Palette = Literal["inferno", "magma", "plasma", "viridis", "turbo", "hot"]


def apply_palette(plane: npt.NDArray[Any], palette: str) -> npt.NDArray[np.float32]:
    """Colour a plane by its values.

    Args:
        plane: (H, W) in [0, 1].
        palette: a name of `Palette`.

    Returns:
        (H, W, 3) float32 RGB in [0, 1].

    Raises:
        UserError: there is no such palette.

    >>> apply_palette(np.array([[0.0, 1.0]]), "hot").tolist()
    [[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]]
    """
    if palette not in get_args(Palette):
        raise UserError(f"There is no palette {palette!r}: use {', '.join(get_args(Palette))}.")
    levels = np.round(np.clip(plane, 0, 1) * 255).astype(np.uint8)
    bgr = cv2.applyColorMap(levels, getattr(cv2, f"COLORMAP_{palette.upper()}"))
    rgb: npt.NDArray[np.float32] = bgr[..., ::-1].astype(np.float32) / np.float32(255)
    return rgb
