"""Metrics of structural similarity."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from emma_fusion.metrics.filters import extend, gaussian, windows
from emma_fusion.metrics.levels import of_three_images

Window = Literal["gaussian", "uniform"]


@of_three_images(smallest=11)
def structural_similarity(
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    *,
    window: Window = "uniform",
    data_range: float = 255.0,
    border: Literal["inside", "replicate"] = "inside",
    combine: Literal["sum", "mean"] = "sum",
) -> Tensor:
    """SSIM of the fused image with each source, summed.

    Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, Image quality assessment: from error
    visibility to structural similarity, IEEE TIP 13(4), 2004.

    Args:
        fused: (..., H, W), 11 pixels a side or more.
        infrared: As `fused`.
        visible: As `fused`.
        window: "uniform" is 7x7 with sample covariances, as scikit-image has it by default;
            "gaussian" is the original's 11x11 with sigma 1.5.
        data_range: What the constants (0.01 range)^2 and (0.03 range)^2 are taken from.
        border: The mean is over windows wholly inside, or over all with the border repeated.
        combine: Sum of both sources' values, or their mean.

    Returns:
        -2 to 2 (-1 to 1 as a mean).
    """
    if border == "replicate":
        fused, infrared, visible = (extend(x, 5, border) for x in (fused, infrared, visible))
    total = _mean_similarity(fused, (infrared, visible), window, data_range, light=True).sum()
    return total / 2 if combine == "mean" else total


WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@of_three_images(smallest=11 * 2 ** (len(WEIGHTS) - 1))
def multi_scale_similarity(fused: Tensor, infrared: Tensor, visible: Tensor) -> Tensor:
    """MS-SSIM of the fused image with each source, summed.

    Z. Wang, E. P. Simoncelli and A. C. Bovik, Multiscale structural similarity for image quality
    assessment, Asilomar 2003: contrast and structure at five scales, luminance at the coarsest,
    each to the power of its published weight; between the scales 2x2 pixels are averaged. A
    mean below zero counts as zero, since its power is not defined.

    Args:
        fused: (..., H, W), 176 pixels a side or more.
        infrared: As `fused`.
        visible: As `fused`.

    Returns:
        0 to 2.
    """
    planes = torch.stack([fused, infrared, visible])
    products = torch.ones(2, dtype=torch.float64, device=fused.device)
    for scale, weight in enumerate(WEIGHTS, 1):
        f, *sources = planes
        coarsest = scale == len(WEIGHTS)
        means = _mean_similarity(f, sources, "gaussian", 255.0, light=coarsest)
        products *= means.clamp(min=0) ** weight
        planes = avg_pool2d(planes, 2)
    return products.sum()


def _mean_similarity(
    fused: Tensor, sources: Sequence[Tensor], window: Window, data_range: float, *, light: bool
) -> Tensor:
    """Return, for each source, the mean of contrast and structure, and of luminance if asked."""
    taps = gaussian(11, 1.5) if window == "gaussian" else [1 / 7] * 7
    unbias = 1.0 if window == "gaussian" else 49 / 48
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    totals = fused.new_zeros(len(sources))
    for mean_f, variance_f, moments in windows(fused, sources, taps):
        for source, (mean, variance, covariance) in enumerate(moments):
            similarity = (2 * unbias) * covariance + c2
            similarity /= variance.add_(variance_f).mul_(unbias).add_(c2)
            if light:
                similarity *= torch.mul(mean_f, mean).mul_(2).add_(c1)
                similarity /= mean.square_().addcmul_(mean_f, mean_f).add_(c1)
            totals[source] += similarity.sum()
    return totals / ((fused.shape[0] - len(taps) + 1) * (fused.shape[1] - len(taps) + 1))
