"""Mutual information of local features."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import unfold

from emma_fusion.metrics.filters import extend, sobel
from emma_fusion.metrics.levels import of_three_images

SIDE = 3
WINDOWS_AT_ONCE = 2048  # keeps their joint distributions in the cache
TINY = 1e-12

Feature = Literal["pixel", "edge", "gradient"]


@of_three_images(smallest=SIDE)
def feature_mutual_information(
    fused: Tensor, infrared: Tensor, visible: Tensor, *, feature: Feature = "edge"
) -> Tensor:
    """FMI, the mutual information of local features, from window to window.

    M. B. A. Haghighat, A. Aghagolzadeh and H. Seyedarabi, A non-reference image fusion metric based
    on mutual information of image features, Computers and Electrical Engineering 37(5), 2011, in
    the windowed form of M. Haghighat and M. A. Razian, Fast-FMI, AICT 2014. In each 3x3 window the
    features of an image, divided by their sum, are a distribution over its 9 places. The joint
    distribution of two windows is estimated from their correlation: between independence and the
    upper or lower Frechet bound. FMI is the mean of I(F; S) / (H(F) + H(S)) over the windows,
    summed over both sources S. Two windows that are equal count 1/2, also where they are empty.

    No values of other implementations were at hand; see docs/metrics.md.

    Args:
        fused: (..., H, W), three pixels a side or more.
        infrared: As `fused`.
        visible: As `fused`.
        feature: "pixel" is the grey level, "gradient" the strength of central differences
            (one-sided at the border), "edge" 1 where the squared Sobel strength is more than four
            times its mean and 0 elsewhere. Where a paper names none, it was the edges.

    Returns:
        0 to 1; 1 for three equal images.
    """
    f, *sources = (_feature(x, feature) for x in (fused, infrared, visible))
    total = torch.zeros((), dtype=torch.float64, device=fused.device)
    rows = max(WINDOWS_AT_ONCE // f.shape[1], 1)
    for start in range(0, f.shape[0] - SIDE + 1, rows):
        strip = slice(start, start + rows + SIDE - 1)
        window_f = _windows(f[strip])
        for source in sources:
            total = total + _shared(window_f, _windows(source[strip])).sum()
    height, width = fused.shape
    return total / ((height - SIDE + 1) * (width - SIDE + 1))


def _feature(plane: Tensor, feature: Feature) -> Tensor:
    if feature == "pixel":
        return plane
    if feature == "gradient":
        return torch.hypot(*torch.gradient(plane))
    gx, gy = sobel(extend(plane, 1, "replicate"))
    squares = gx.square() + gy.square()
    return (squares > 4 * squares.mean()).to(torch.float64)


def _windows(plane: Tensor) -> Tensor:
    """Return every 3x3 window, (N, 9)."""
    return unfold(plane[None, None], SIDE)[0].T.contiguous()


def _shared(x: Tensor, y: Tensor) -> Tensor:
    """Return I / (H(X) + H(Y)) of each pair of windows (N, 9), 0 to 1/2."""
    p, q = _distribution(x), _distribution(y)
    cumulated_p, cumulated_q = p.cumsum(1)[:, :, None], q.cumsum(1)[:, None, :]
    independent = cumulated_p * cumulated_q

    centred_x, centred_y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    strength = (centred_x.square().sum(1) * centred_y.square().sum(1)).sqrt()
    wanted = torch.where(strength > TINY, (centred_x * centred_y).sum(1) / strength, 0.0)

    upper = torch.minimum(cumulated_p, cumulated_q)
    lower = (cumulated_p + cumulated_q - 1).clamp(min=0)
    bound = torch.where((wanted >= 0)[:, None, None], upper, lower)
    # Hoeffding: a covariance is the sum of the joint distribution less the independent one.
    covariance = (bound - independent).sum((1, 2))
    reached = covariance / (_variance(p) * _variance(q)).sqrt().clamp(min=TINY)
    share = torch.where(reached.abs() > TINY, wanted / reached, 0.0).clamp(0, 1)
    joint = _density(torch.lerp(independent, bound, share[:, None, None]))

    entropies = _entropy(p) + _entropy(q)
    information = entropies - _entropy(joint.flatten(1))
    value = torch.where(entropies > TINY, information / entropies, 0.0).clamp(0, 0.5)
    return torch.where((x == y).all(1), 0.5, value)


def _distribution(windows: Tensor) -> Tensor:
    total = windows.sum(1, keepdim=True)
    return torch.where(total > 0, windows / total, 1 / windows.shape[1])


def _density(cumulated: Tensor) -> Tensor:
    """Return the joint density (N, 9, 9) whose cumulated sums are given."""
    density = cumulated.clone()
    density[:, 1:] -= cumulated[:, :-1]
    density[:, :, 1:] -= density[:, :, :-1].clone()
    return density.clamp_(min=0)  # differences of equal sums may fall below zero by rounding


def _variance(p: Tensor) -> Tensor:
    """Return the variance of the place, for each distribution (N, 9)."""
    places = torch.arange(p.shape[1], dtype=p.dtype, device=p.device)
    return (p @ places**2 - (p @ places) ** 2).clamp(min=0)


def _entropy(p: Tensor) -> Tensor:
    return -torch.xlogy(p, p).sum(1)
