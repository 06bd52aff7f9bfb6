"""What is known of each metric beside its formula: direction, range and number of sources."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from emma_fusion.metrics.edges import edge_preservation, invented_edges
from emma_fusion.metrics.features import feature_mutual_information
from emma_fusion.metrics.gradients import average_gradient, edge_intensity, spatial_frequency
from emma_fusion.metrics.hidden_pattern import hidden_pattern_ratio
from emma_fusion.metrics.information import (
    cross_entropy,
    entropy,
    mutual_information,
    normalised_mutual_information,
)
from emma_fusion.metrics.perception import contrast_preservation, visible_difference
from emma_fusion.metrics.statistics import (
    correlation,
    correlation_of_differences,
    mean_squared_error,
    peak_signal_to_noise,
    root_mean_squared_error,
    standard_deviation,
)
from emma_fusion.metrics.structure import multi_scale_similarity, structural_similarity
from emma_fusion.metrics.visual_fidelity import (
    visual_information_fidelity,
    visual_information_fidelity_for_fusion,
)


@dataclass(frozen=True)
class Metric:
    """A metric and what a table of results needs to know of it.

    Attributes:
        name: The short name that the field uses.
        title: What the name stands for.
        function: The metric; its defaults are the convention `ours`.
        better: Whether "higher" or "lower" values are better.
        low: The smallest value there can be.
        high: The largest value there can be.
        sources: How many source images it takes beside the fused one: 0 or 2.
    """

    name: str
    title: str
    function: Callable[..., Any]
    better: Literal["higher", "lower"]
    low: float
    high: float
    sources: Literal[0, 2] = 2


_INF = math.inf

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("EN", "entropy, bits", entropy, "higher", 0, 8, 0),
        Metric("SD", "standard deviation", standard_deviation, "higher", 0, 127.5, 0),
        Metric("SF", "spatial frequency", spatial_frequency, "higher", 0, 255 * 2**0.5, 0),
        Metric("AG", "average gradient", average_gradient, "higher", 0, 255, 0),
        Metric("EI", "edge intensity", edge_intensity, "higher", 0, 1020 * 2**0.5, 0),
        Metric("MI", "mutual information, nats", mutual_information, "higher", 0, 16 * math.log(2)),
        Metric(
            "NMI", "normalised mutual information", normalised_mutual_information, "higher", 0, 2
        ),
        Metric("CE", "cross entropy, bits", cross_entropy, "lower", -_INF, _INF),
        Metric("CC", "correlation", correlation, "higher", -1, 1),
        Metric(
            "SCD", "sum of correlations of differences", correlation_of_differences, "higher", -2, 2
        ),
        Metric(
            "VIF",
            "visual information fidelity, sum",
            visual_information_fidelity,
            "higher",
            0,
            _INF,
        ),
        Metric("VIFF", "VIF for fusion", visual_information_fidelity_for_fusion, "higher", 0, _INF),
        Metric("Qabf", "preservation of edges", edge_preservation, "higher", 0, 0.976),
        Metric("Nabf", "invented edges", invented_edges, "lower", 0, 1),
        Metric("SSIM", "structural similarity, sum", structural_similarity, "higher", -2, 2),
        Metric("MS-SSIM", "multi-scale SSIM, sum", multi_scale_similarity, "higher", 0, 2),
        *(
            Metric(
                f"FMI-{feature}",
                f"mutual information of {feature} features",
                partial(feature_mutual_information, feature=feature),
                "higher",
                0,
                1,
            )
            for feature in ("pixel", "edge", "gradient")
        ),
        Metric("Qcb", "preservation of visible contrast", contrast_preservation, "higher", 0, 1),
        Metric("Qcv", "visible difference", visible_difference, "lower", 0, _INF),
        Metric("PSNR", "peak signal to noise, dB", peak_signal_to_noise, "higher", 0, _INF),
        Metric("MSE", "mean squared error", mean_squared_error, "lower", 0, 255.0**2),
        Metric("RMSE", "root mean squared error", root_mean_squared_error, "lower", 0, 255),
        Metric("pattern", "hidden period-2 pattern", hidden_pattern_ratio, "lower", 0, _INF),
    )
}
