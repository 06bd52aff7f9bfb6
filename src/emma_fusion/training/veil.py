"""Smoke and fog over the visible image: an augmentation for scenes that no training pair shows.

A veil of thickness that varies over the image mixes the visible image with grey, as light that is
scattered on the way does (H. Koschmieder, 1924). Where a teacher's image follows the visible one
it is veiled alike; where it follows the infrared one, which sees through smoke, it stays.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

GRID = 4
"""The thickness is drawn on so many points each way, and smooth between them."""
CLEAREST, THICKEST = 0.8, 0.05
"""What comes through the veil at its thinnest and thickest place."""
DARKEST, BRIGHTEST = 0.35, 0.9
"""The grey of the veil."""
ALIKE = 0.05
"""Where the sources differ by less, which of them the teacher follows is not known."""
AROUND = 5


def veil(
    planes: tuple[Tensor, ...], share: float, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Veils the visible image of some samples, and the teacher's where it follows the visible one.

    Args:
        planes: Infrared, visible and, if there is one, what a teacher makes of them;
            ``(B, 1, S, S)`` in [0, 1] each.
        share: Of the samples, about.
        generator: On the CPU; not drawn from where ``share`` is 0.

    Returns:
        The planes, the same shapes.
    """
    if share == 0:
        return planes
    infrared, visible, *by_teacher = planes
    batch = len(visible)
    chosen = torch.rand(batch, 1, 1, 1, generator=generator) < share
    grey = DARKEST + (BRIGHTEST - DARKEST) * torch.rand(batch, 1, 1, 1, generator=generator)
    ends = torch.rand(batch, 2, 1, 1, generator=generator).sort(1).values
    points = torch.rand(batch, 1, GRID, GRID, generator=generator)
    points = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * points
    through = THICKEST + (CLEAREST - THICKEST) * points
    through = functional.interpolate(through, visible.shape[-2:], mode="bicubic").clamp(0, 1)
    veiled = torch.where(chosen, through * visible + (1 - through) * grey, visible)
    result = [infrared, veiled]
    for fused in by_teacher:
        change = (1 - _share_of_infrared(infrared, visible, fused)) * (veiled - visible)
        result.append(torch.where(chosen, (fused + change).clamp(0, 1), fused))
    return tuple(result)


def _share_of_infrared(infrared: Tensor, visible: Tensor, fused: Tensor) -> Tensor:
    """How near a fused image is to the infrared one, 0 to 1, by the means around each pixel."""
    planes = torch.cat((infrared - visible, fused - visible))
    apart, moved = functional.avg_pool2d(
        planes, AROUND, 1, AROUND // 2, count_include_pad=False
    ).chunk(2)
    return (apart * moved / (apart.square() + ALIKE**2)).clamp(0, 1)
