"""Metrics of the edges that came through fusion, and of those that were invented."""

import math
from typing import Literal

import torch
from torch import Tensor

from emma_fusion.metrics.filters import arctan_, extend, sobel, strips
from emma_fusion.metrics.levels import of_three_images

NOTHING = 1e-30


@of_three_images()
def edge_preservation(
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    *,
    equal: Literal["one", "strength"] = "one",
    empty: Literal["unweighted", "nan"] = "unweighted",
) -> Tensor:
    """Qabf, how well strength and angle of the sources' edges are preserved.

    C. S. Xydeas and V. Petrovic, Objective image fusion performance measure, Electronics Letters
    36(4), 2000. Sobel with zeros beyond the border; for each source, with G the ratio of
    the smaller strength to the larger and A = 1 - |difference of angles| / (pi / 2) where an
    angle is atan(-gy / gx), or pi / 2 where gx = 0, and differences are not wrapped,
    Q = 0.9994 / (1 + exp(-15 (G - 0.5))) * 0.9879 / (1 + exp(-22 (A - 0.8))); the mean of Q over
    both sources is weighted by the sources' strengths.

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.
        equal: What G is where both strengths are equal: 1, or (in evaluators in use) the strength
            itself, which on 0..255 is nearly the same.
        empty: Where neither source has any edge, the mean is not weighted, or not defined.

    Returns:
        About 0 to 0.975: the constants leave 1 out of reach.
    """
    planes = [extend(x, 1, "zeros") for x in (fused, infrared, visible)]
    kept, weight, plain = fused.new_zeros(3)
    for strip in strips(planes[0], 3):
        edges_f, *edges = (_edges(x[strip]) for x in planes)
        for strength, angle in edges:
            quality = _preserved((strength, angle), edges_f, equal)
            plain += quality.sum() / (2 * fused.numel())
            kept += quality.mul_(strength).sum()
            weight += strength.sum()
    return torch.where(weight > 0, kept / weight, plain if empty == "unweighted" else torch.nan)


def _edges(plane: Tensor) -> tuple[Tensor, Tensor]:
    gx, gy = sobel(plane)
    # The sign decides which of two nearly upright edges counts as close to pi / 2.
    slope = torch.div(gy, gx).neg_().masked_fill_(gx == 0, torch.inf)
    return gx.square_().addcmul_(gy, gy).sqrt_(), arctan_(slope)


def _preserved(source: tuple[Tensor, Tensor], fused: tuple[Tensor, Tensor], equal: str) -> Tensor:
    (g_s, a_s), (g_f, a_f) = source, fused
    # Nothing over nothing is 1; a whole number does not change by so little.
    strength = torch.minimum(g_s, g_f).add_(NOTHING)
    strength /= torch.maximum(g_s, g_f).add_(NOTHING)
    if equal == "strength":
        strength = torch.where(g_s == g_f, g_s, strength)
    angle = torch.sub(a_s, a_f).abs_().mul_(-2 / math.pi).add_(1)
    strength.sub_(0.5).mul_(15).sigmoid_()
    return strength.mul_(angle.sub_(0.8).mul_(22).sigmoid_()).mul_(0.9994 * 0.9879)


STRONG = 2.0
WEAK_WEIGHT = 0.001


@of_three_images()
def invented_edges(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """Nabf, the share of edges that fusion added: artefacts that neither source has.

    V. Petrovic and C. Xydeas, Objective image fusion performance characterisation, ICCV 2005, with
    the sum of B. K. Shreyamsha Kumar, Multifocus and multispectral image fusion based on pixel
    significance using discrete cosine harmonic wavelet transform, Signal, Image and Video
    Processing 7(6), 2013: where the fused edge is stronger than both sources', what is not
    preserved of either counts. Sobel over 8 with the border repeated; an edge of at least 2 levels
    weighs its strength to the power 1.5, a weaker one 0.001; Q is the root of
    0.9999 / (1 + exp(-19 (G - 0.5))) * 0.9995 / (1 + exp(-22 (A - 0.5))).

    Args:
        fused: (..., H, W).
        infrared: As `fused`.
        visible: As `fused`.

    Returns:
        0 to 1; lower is better.
    """
    f, *sources = (_fine_edges(x) for x in (fused, infrared, visible))
    added = (f[0] > sources[0][0]) & (f[0] > sources[1][0])
    lost = torch.zeros((), dtype=torch.float64, device=fused.device)
    weight = lost
    for source in sources:
        strength, angle = source
        weights = torch.where(strength >= STRONG, strength**1.5, WEAK_WEIGHT)
        larger = torch.maximum(strength, f[0])
        closeness = torch.where(larger > 0, torch.minimum(strength, f[0]) / larger, 0.0)
        alignment = ((angle - f[1]).abs() - math.pi / 2).abs() * (2 / math.pi)
        quality = (
            0.9999
            * torch.sigmoid(19 * (closeness - 0.5))
            * 0.9995
            * torch.sigmoid(22 * (alignment - 0.5))
        ).sqrt()
        lost = lost + (added * (1 - quality) * weights).sum()
        weight = weight + weights.sum()
    return lost / weight


def _fine_edges(plane: Tensor) -> tuple[Tensor, Tensor]:
    gx, gy = sobel(extend(plane / 8, 1, "replicate"))
    angle = torch.where((gx == 0) & (gy == 0), 0.0, torch.atan(gy / gx))
    return torch.hypot(gx, gy), angle
