"""Metrics of the edges that came through fusion, and of those that were invented."""

import math
from typing import Literal

import torch
from torch import Tensor

from emma_fusion.metrics.filters import ratio, sobel
from emma_fusion.metrics.levels import of_three_pictures


@of_three_pictures()
def edge_preservation(
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    *,
    equal: Literal["one", "strength"] = "one",
    slope: Literal["gy/gx", "-gy/gx"] = "gy/gx",
    empty: Literal["unweighted", "nan"] = "unweighted",
) -> Tensor:
    """Qabf, how well strength and angle of the sources' edges are preserved.

    C. S. Xydeas and V. Petrovic, Objective image fusion performance measure, Electronics Letters
    36(4), 2000. Sobel with zeros beyond the border; for each source, with G the ratio of
    the smaller strength to the larger and A = 1 - |difference of angles| / (pi / 2),
    Q = 0.9994 / (1 + exp(-15 (G - 0.5))) * 0.9879 / (1 + exp(-22 (A - 0.8))); the mean of Q over
    both sources is weighted by the sources' strengths.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.
        equal: What G is where both strengths are equal: 1, or (in evaluators in use) the strength
            itself, which on 0..255 is nearly the same.
        slope: The angle is the arc tangent of this, and pi / 2 where gx = 0. The sign decides to
            which side that angle is near; the `paper` evaluator has the other one.
        empty: Where neither source has any edge, the mean is not weighted, or not defined.

    Returns:
        About 0 to 0.975: the constants leave 1 out of reach.
    """
    f, *sources = (_edges(x, slope) for x in (fused, infrared, visible))
    kept = torch.zeros((), dtype=torch.float64, device=fused.device)
    weight, plain = kept, kept
    for source in sources:
        quality = _preserved(source, f, equal)
        kept = kept + (quality * source[0]).sum()
        plain = plain + quality.mean() / 2
        weight = weight + source[0].sum()
    return torch.where(weight > 0, kept / weight, plain if empty == "unweighted" else torch.nan)


def _edges(plane: Tensor, slope: str) -> tuple[Tensor, Tensor]:
    gx, gy = sobel(plane, "zeros")
    strength = (gx * gx).addcmul_(gy, gy).sqrt_()
    angle = torch.atan(gy / gx)
    if slope == "-gy/gx":
        angle.neg_()
    return strength, torch.where(gx == 0, math.pi / 2, angle)


def _preserved(source: tuple[Tensor, Tensor], fused: tuple[Tensor, Tensor], equal: str) -> Tensor:
    (g_s, a_s), (g_f, a_f) = source, fused
    strength = ratio(torch.minimum(g_s, g_f), torch.maximum(g_s, g_f), 1.0)
    if equal == "strength":
        strength = torch.where(g_s == g_f, g_s, strength)
    angle = 1 - (a_s - a_f).abs() / (math.pi / 2)
    return (
        0.9994 * torch.sigmoid(15 * (strength - 0.5)) * 0.9879 * torch.sigmoid(22 * (angle - 0.8))
    )
