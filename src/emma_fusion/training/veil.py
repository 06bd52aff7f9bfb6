"""Veils of smoke and warmth: an augmentation for scenes that no training pair shows.

Smoke of a thickness that varies over the image mixes the visible image with grey, as light that is
scattered on the way does (H. Koschmieder, 1924); warm ground or air does the same to the infrared
one, more faintly. The teacher's image changes with each source as far as it follows it: people who
are seen through smoke stay as they are, and warm ground stays as the visible image shows it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

GRID = 4
"""The thickness is drawn on so many points each way, and smooth between them."""
SMOKE_THROUGH, SMOKE_GREY = (0.05, 0.8), (0.35, 0.9)
"""What comes through smoke, and its grey: both between two values."""
WARMTH_THROUGH, WARMTH_GREY = (0.5, 1.0), (0.0, 0.6)
"""The same of warmth in the infrared image."""
GAIN = 4.0
"""The infrared image is made up to so many times brighter before that, so that the ground's own
texture comes to levels that no training pair has."""
ALIKE = 0.1
"""Where the infrared image is not brighter by about this, the teacher follows the visible one."""
AROUND = 5


def veil(
    planes: tuple[Tensor, ...], shares: Sequence[float], generator: torch.Generator
) -> tuple[Tensor, ...]:
    """Veils both sources of some samples, and the teacher's image as far as it follows each.

    Args:
        planes: Infrared, visible and, if there is one, what a teacher makes of them;
            ``(B, 1, S, S)`` in [0, 1] each.
        shares: How likely each sample is to be veiled, B of them.
        generator: On the CPU; not drawn from where none is to be.

    Returns:
        The planes, the same shapes.
    """
    if not any(shares):
        return planes
    infrared, visible, *by_teacher = planes
    drawn = torch.rand(len(visible), generator=generator) < torch.tensor(shares)
    chosen = drawn[:, None, None, None]
    smoky = torch.where(chosen, _mixed(visible, SMOKE_THROUGH, SMOKE_GREY, generator), visible)
    gains = 1 + (GAIN - 1) * torch.rand(len(visible), 1, 1, 1, generator=generator)
    warm = _mixed((gains * infrared).clamp(max=1), WARMTH_THROUGH, WARMTH_GREY, generator)
    # Nothing warm becomes colder. What became brighter than the visible image would be something
    # warm of its own, to be seen.
    warm = torch.maximum(infrared, torch.minimum(warm, smoky))
    warm = torch.where(chosen, warm, infrared)
    result = [warm, smoky]
    for fused in by_teacher:
        of_infrared = _share_of_infrared(infrared, visible, fused)
        change = of_infrared * (warm - infrared) + (1 - of_infrared) * (smoky - visible)
        result.append(torch.where(chosen, (fused + change).clamp(0, 1), fused))
    return tuple(result)


def _mixed(
    plane: Tensor,
    through: tuple[float, float],
    grey: tuple[float, float],
    generator: torch.Generator,
) -> Tensor:
    """An image behind a veil: what comes through it varies smoothly, its grey is one for each."""
    batch = len(plane)
    own_grey = grey[0] + (grey[1] - grey[0]) * torch.rand(batch, 1, 1, 1, generator=generator)
    ends = torch.rand(batch, 2, 1, 1, generator=generator).sort(1).values
    points = torch.rand(batch, 1, GRID, GRID, generator=generator)
    points = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * points
    points = through[0] + (through[1] - through[0]) * points
    own_through = functional.interpolate(points, plane.shape[-2:], mode="bicubic").clamp(0, 1)
    return own_through * plane + (1 - own_through) * own_grey


def _share_of_infrared(infrared: Tensor, visible: Tensor, fused: Tensor) -> Tensor:
    """How far a fused image follows the infrared one, 0 to 1, by the means around each pixel.

    Only what is brighter there than in the visible image, such as people, shines through smoke.
    """
    planes = torch.cat(((infrared - visible).relu(), fused - visible))
    apart, moved = functional.avg_pool2d(
        planes, AROUND, 1, AROUND // 2, count_include_pad=False
    ).chunk(2)
    return (apart * moved / (apart.square() + ALIKE**2)).clamp(0, 1)
