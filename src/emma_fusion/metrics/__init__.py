"""Metrics of fused images: one pure function each, and the conventions they are known by.

Every function takes arrays or tensors, one image (H, W) or many (..., H, W), as uint8, uint16
or floats in [0, 1], and computes in float64 on levels 0..255, on the device where the images are.
`METRICS` holds direction, range and number of sources of each; `CONVENTIONS` the formulas
that go by the same names elsewhere.

>>> import numpy as np
>>> from emma_fusion import metrics
>>> dark, bright = np.zeros((64, 64)), np.tile(np.linspace(0, 1, 64), (64, 1))
>>> round(metrics.standard_deviation(bright), 2)
74.77
>>> metrics.METRICS["SD"].better
'higher'
"""

from emma_fusion.metrics.conventions import CONVENTIONS, Convention
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
from emma_fusion.metrics.levels import as_levels
from emma_fusion.metrics.perception import contrast_preservation, visible_difference
from emma_fusion.metrics.protocol import PROTOCOLS, prepare
from emma_fusion.metrics.scoring import luminance, score
from emma_fusion.metrics.statistics import (
    correlation,
    correlation_of_differences,
    mean_squared_error,
    peak_signal_to_noise,
    root_mean_squared_error,
    standard_deviation,
)
from emma_fusion.metrics.structure import multi_scale_similarity, structural_similarity
from emma_fusion.metrics.table import METRICS, Metric
from emma_fusion.metrics.visual_fidelity import (
    visual_information_fidelity,
    visual_information_fidelity_for_fusion,
)

__all__ = [
    "CONVENTIONS",
    "METRICS",
    "PROTOCOLS",
    "Convention",
    "Metric",
    "as_levels",
    "average_gradient",
    "contrast_preservation",
    "correlation",
    "correlation_of_differences",
    "cross_entropy",
    "edge_intensity",
    "edge_preservation",
    "entropy",
    "feature_mutual_information",
    "hidden_pattern_ratio",
    "invented_edges",
    "luminance",
    "mean_squared_error",
    "multi_scale_similarity",
    "mutual_information",
    "normalised_mutual_information",
    "peak_signal_to_noise",
    "prepare",
    "root_mean_squared_error",
    "score",
    "spatial_frequency",
    "standard_deviation",
    "structural_similarity",
    "visible_difference",
    "visual_information_fidelity",
    "visual_information_fidelity_for_fusion",
]
