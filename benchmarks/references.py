"""What each metric of `ours` is compared with: independent libraries, and formulas in direct.py."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.special
import scipy.stats
import skimage.measure
import skimage.metrics
import sklearn.metrics

from direct import DIRECT, MORE, Plane

Value = Callable[[Plane, Plane, Plane], float]


@dataclass(frozen=True)
class Reference:
    """An independent value of a metric.

    Attributes:
        metric: Its short name.
        by: Who computes it.
        value: Of the fused plane and both sources, (H, W) float64 on 0..255.
        settings: Of our function, where it is not asked for `ours`.
        tolerance: The relative deviation that a test allows.
        side: Only so many pixels a side, where it is slow.
    """

    metric: str
    by: str
    value: Value
    settings: dict[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-9
    side: int | None = None


def summed(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Value:
    """A library's function of a source and the fused image, summed over the sources."""
    return lambda f, a, b: sum(float(function(source, f, *args, **kwargs)) for source in (a, b))


def averaged(function: Callable[..., Any]) -> Value:
    total = summed(function)
    return lambda f, a, b: total(f, a, b) / 2


def levels(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of two lists of labels, called with the levels of two planes."""
    return lambda x, y: function(x.ravel().astype(int), y.ravel().astype(int))


def correlation(x: Plane, y: Plane) -> float:
    return scipy.stats.pearsonr(x.ravel(), y.ravel()).statistic


def correlation_of_differences(f: Plane, a: Plane, b: Plane) -> float:
    return correlation(a, f - b) + correlation(b, f - a)


def cross_entropy(source: Plane, f: Plane) -> float:
    p_s, p_f = (np.bincount(x.ravel().astype(int), minlength=256) / x.size for x in (source, f))
    # SciPy's is infinite where a level is missing from the fused image, so those go first.
    return scipy.special.rel_entr(p_s, p_f)[p_f > 0].sum() / np.log(2)


def spatial_frequency(f: Plane, a: Plane, b: Plane) -> float:
    return np.sqrt(sum(np.square(np.diff(f, axis=axis)).mean() for axis in (0, 1)))


def edge_intensity(f: Plane, a: Plane, b: Plane) -> float:
    return np.hypot(*(scipy.ndimage.sobel(f, axis, mode="nearest") for axis in (0, 1))).mean()


def peak_signal_to_noise(f: Plane, a: Plane, b: Plane) -> float:
    """scikit-image's has one source: both beside each other have the mean of both errors."""
    both, twice = np.hstack([a, b]), np.hstack([f, f])
    return skimage.metrics.peak_signal_noise_ratio(both, twice, data_range=255)


def torchmetrics(name: str, **settings: Any) -> Value:
    def value(source: Plane, f: Plane) -> float:
        import torch
        from torchmetrics.functional import image

        tensors = (torch.from_numpy(x)[None, None] for x in (f, source))
        return getattr(image, name)(*tensors, **settings).item()

    return summed(value)


ssim = skimage.metrics.structural_similarity
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}

REFERENCES: tuple[Reference, ...] = (
    Reference("EN", "scikit-image", lambda f, a, b: skimage.measure.shannon_entropy(f)),
    Reference("SD", "NumPy", lambda f, a, b: f.std()),
    Reference("SF", "NumPy", spatial_frequency),
    Reference("EI", "SciPy", edge_intensity),
    Reference("MI", "scikit-learn", summed(levels(sklearn.metrics.mutual_info_score))),
    Reference("NMI", "scikit-learn", summed(levels(sklearn.metrics.normalized_mutual_info_score))),
    Reference("CE", "SciPy", averaged(cross_entropy)),
    Reference("CC", "SciPy", averaged(correlation)),
    Reference("SCD", "SciPy", correlation_of_differences),
    Reference(
        "VIF",
        "torchmetrics",
        torchmetrics("visual_information_fidelity", sigma_n_sq=2.0),
        tolerance=1e-6,
    ),
    Reference("SSIM", "scikit-image", summed(ssim, data_range=255)),
    Reference(
        "SSIM",
        "scikit-image, as `paper`",
        summed(ssim, data_range=2),
        {"data_range": 2.0},
    ),
    Reference(
        "SSIM",
        "scikit-image, as `vifb`",
        summed(ssim, data_range=255, **GAUSSIAN),
        {"window": "gaussian"},
    ),
    Reference("PSNR", "scikit-image", peak_signal_to_noise),
    Reference("MSE", "scikit-image", averaged(skimage.metrics.mean_squared_error)),
    Reference(
        "RMSE",
        "scikit-image",
        averaged(lambda s, f: np.sqrt(skimage.metrics.mean_squared_error(s, f))),
    ),
    *(Reference(name, "direct formula", value) for name, value in DIRECT.items()),
    *(
        Reference(
            name,
            "direct formula",
            value,
            tolerance=1e-6 if name == "VIFF" else 1e-9,
            side=20 if name.startswith("FMI") else None,
        )
        for name, value in MORE.items()
    ),
)
