"""Metrics from the visual information fidelity of Sheikh and Bovik."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import threshold

from emma_fusion.metrics.filters import correlate, gaussian, windows
from emma_fusion.metrics.levels import of_three_images

WINDOWS = (17, 9, 5, 3)
SMALLEST = 41  # What four valid windows with halvings between them leave a pixel of.
TINY = 1e-10


@of_three_images(smallest=SMALLEST)
def visual_information_fidelity(
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    *,
    combine: Literal["sum", "mean"] = "sum",
) -> Tensor:
    """VIF, the information of each source that the fused image still holds, summed.

    H. R. Sheikh and A. C. Bovik, Image information and visual quality, IEEE TIP 15(2), 2006, in
    its pixel-domain form (VIFP) with the source as the reference: four scales, Gaussian windows
    of N = 17, 9, 5, 3 pixels with sigma N / 5 laid only where they fit, variance 2 of the
    visual noise on levels 0..255; sum of log(1 + g^2 s / (v + 2)) over sum of log(1 + s / 2).

    Args:
        fused: (..., H, W), 41 pixels a side or more.
        infrared: As `fused`.
        visible: As `fused`.
        combine: Sum of both sources' values (the paper's tables), or their mean.

    Returns:
        0 and more; 2 for three equal images (1 as a mean), more where the fused image has
        more contrast than its sources. A constant source has nothing to lose: 1 for it.
    """
    kept, held = fused.new_zeros(2, 2)
    for _, channels in _scales(fused, infrared, visible):
        for source, channel in enumerate(channels):
            information = _information(*channel, noise=2.0)
            kept[source] += information[0]
            held[source] += information[1]
    total = torch.where(held > 0, kept / held, 1.0).sum()
    return total / 2 if combine == "mean" else total


VIFF_NOISE = 0.005 * 255**2
VIFF_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)
VIFF_EMPTY = 1e-7


@of_three_images(smallest=SMALLEST)
def visual_information_fidelity_for_fusion(
    fused: Tensor, infrared: Tensor, visible: Tensor
) -> Tensor:
    """VIFF, the information of the more contrasted source at each place that is still held.

    Y. Han, Y. Cai, Y. Cao and X. Xu, A new image fusion performance metric based on visual
    information fidelity, Information Fusion 14(2), 2013. Windows and scales are those of
    `visual_information_fidelity`, with 0.005 * 255^2 as the variance of the visual noise. At each
    place the source with the smaller gain counts, since the fused image falls shorter of it. The
    ratios of the four scales are weighted 1, 0, 0.15 and 1 (over 2.15).

    No values of other implementations were at hand; see docs/metrics.md.

    Args:
        fused: (..., H, W), 41 pixels a side or more.
        infrared: As `fused`.
        visible: As `fused`.

    Returns:
        0 and more; 1 for three equal images.
    """
    kept, held = torch.full((2, len(WINDOWS)), VIFF_EMPTY, dtype=torch.float64, device=fused.device)
    for scale, channels in _scales(fused, infrared, visible):
        (gain_a, left_a, power_a), (gain_b, left_b, power_b) = channels
        of_a = gain_a < gain_b
        gain = torch.minimum(gain_a, gain_b)
        left, power = torch.where(of_a, left_a, left_b), torch.where(of_a, power_a, power_b)
        information = _information(gain, left, power, noise=VIFF_NOISE)
        kept[scale] += information[0]
        held[scale] += information[1]
    weighted: Tensor = torch.dot(fused.new_tensor(VIFF_WEIGHTS), kept / held)
    return weighted


def _scales(
    fused: Tensor, infrared: Tensor, visible: Tensor
) -> Iterator[tuple[int, list[tuple[Tensor, Tensor, Tensor]]]]:
    """Give, strip by strip of each scale, the model of each source's channel to the fused image.

    Returns:
        The scale, and for both sources gain, unexplained variance and source variance.
    """
    planes = [fused, infrared, visible]
    for scale, side in enumerate(WINDOWS):
        taps = gaussian(side, side / 5)
        if scale:
            planes = [correlate(x, taps, taps)[::2, ::2].contiguous() for x in planes]
        for _, variance_f, moments in windows(planes[0], planes[1:], taps):
            variance_f.clamp_(min=0)
            yield scale, [_channel(c, variance, variance_f) for _, variance, c in moments]


def _channel(
    covariance: Tensor, variance: Tensor, variance_f: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Model the fused window as gain times the source plus noise that is left unexplained."""
    # Nothing comes through from or into a flat window, nor with reversed contrast.
    variance = threshold(variance, TINY, 0.0)
    gain = (covariance / (variance + TINY)).clamp_(min=0)
    gain *= (variance > 0) & (variance_f >= TINY)
    left = torch.addcmul(variance_f, gain, covariance, value=-1).clamp_(min=TINY)
    return gain, left, variance


def _information(
    gain: Tensor, left: Tensor, power: Tensor, *, noise: float
) -> tuple[Tensor, Tensor]:
    """Return what comes through a channel and what the source holds; the planes are used up."""
    kept = gain.square_().mul_(power).div_(left.add_(noise)).log1p_().sum()
    return kept, power.div_(noise).log1p_().sum()
