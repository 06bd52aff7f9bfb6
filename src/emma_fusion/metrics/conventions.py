"""Named conventions: which formula a name stands for in whose tables."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import torch

from emma_fusion.errors import UserError
from emma_fusion.metrics.edges import edge_preservation, invented_edges
from emma_fusion.metrics.gradients import average_gradient, edge_intensity, spatial_frequency
from emma_fusion.metrics.information import cross_entropy, entropy, mutual_information
from emma_fusion.metrics.levels import Image, Levels, as_levels
from emma_fusion.metrics.perception import contrast_preservation, visible_difference
from emma_fusion.metrics.statistics import (
    peak_signal_to_noise,
    root_mean_squared_error,
    standard_deviation,
)
from emma_fusion.metrics.structure import structural_similarity
from emma_fusion.metrics.table import METRICS

Scorer = Callable[[Image, Image, Image], Any]


@dataclass(frozen=True)
class Convention:
    """A set of formulas that belong together.

    Attributes:
        name: How the convention is asked for.
        title: Whose it is, in a line.
        metrics: Short name of the metric -> function of (fused, infrared, visible).
        default: The names that are scored where none are asked for.
        colour: What a colour image is scored by: its "luminance", or its "channels" each.
    """

    name: str
    title: str
    metrics: Mapping[str, Scorer]
    default: tuple[str, ...]
    colour: str = "luminance"


def _ours(*names: str) -> dict[str, Scorer]:
    scorers: dict[str, Scorer] = {}
    for name in names or METRICS:
        metric = METRICS[name]
        scorers[name] = metric.function if metric.sources else _alone(metric.function)
    return scorers


def _alone(function: Callable[..., Any], **settings: Any) -> Scorer:
    """Make a metric of the fused image alone look like one of three images."""
    return lambda fused, infrared, visible: function(fused, **settings)


def _joined_spatial_frequency(fused: Image, infrared: Image, visible: Image) -> Any:
    """VIFB's SF: the channels stand side by side in one plane, joins included."""
    planes = as_levels(fused).planes
    joined = torch.cat(list(planes), dim=-1) if planes.ndim == 3 else planes
    return spatial_frequency(Levels(joined), divisor="pixels")


def _merged_top_levels(fused: Image, infrared: Image, visible: Image) -> Any:
    """Tang's MI: an index level + 1 in 8 bits saturates, so that 254 and 255 are one level."""
    planes = (Levels(as_levels(x).planes.clamp(max=254)) for x in (fused, infrared, visible))
    return mutual_information(*planes, unit="bits")


def _of_infrared(fused: Image, infrared: Image, visible: Image) -> Any:
    """Tang's Nabf: the arguments arrive in another order, and the infrared image is scored."""
    return invented_edges(infrared, visible, fused)


_VIFB: dict[str, Scorer] = {
    "AG": _alone(average_gradient, divisor="inner"),
    "CE": partial(cross_entropy, to_level="below"),
    "EI": _alone(edge_intensity),
    "EN": _alone(entropy, to_level="below"),
    "MI": partial(mutual_information, to_level="below"),
    "PSNR": partial(peak_signal_to_noise, error="vifb"),
    "Qabf": partial(edge_preservation, equal="strength", empty="nan"),
    "Qcb": partial(contrast_preservation, constant=math.nan),
    "Qcv": partial(visible_difference, constant=math.nan),
    "RMSE": partial(root_mean_squared_error, divisor="pixels"),
    "SF": _joined_spatial_frequency,
    "SSIM": partial(structural_similarity, window="gaussian"),
    "SD": _alone(standard_deviation),
}

_TANG: dict[str, Scorer] = {
    **_ours("EN", "SD", "SF", "AG", "CC", "SCD", "VIF"),
    "MI": _merged_top_levels,
    "Qabf": partial(edge_preservation, equal="strength", empty="nan"),
    "SSIM": partial(
        structural_similarity,
        window="gaussian",
        data_range=1.0,
        border="replicate",
        combine="mean",
    ),
    "PSNR": partial(peak_signal_to_noise, error="unit"),
    "Nabf": _of_infrared,
}

NINE = ("EN", "SD", "SF", "AG", "MI", "SCD", "VIF", "Qabf", "SSIM")

CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        convention.name: convention
        for convention in (
            Convention(
                "ours",
                "correct and consistent: levels 0..255, sums over both sources, no known bugs",
                MappingProxyType(_ours()),
                (*NINE, "pattern"),
            ),
            Convention(
                "paper",
                "the evaluator of the EMMA paper's authors, with its quirks",
                MappingProxyType(
                    {
                        **_ours("EN", "SD", "SF", "AG", "MI", "CC", "SCD", "VIF", "MSE"),
                        "Qabf": partial(edge_preservation, equal="strength", empty="nan"),
                        # Its scikit-image takes floats without a range to span 2.
                        "SSIM": partial(structural_similarity, data_range=2.0),
                        "PSNR": partial(peak_signal_to_noise, peak="maximum"),
                    }
                ),
                NINE,
            ),
            Convention(
                "vifb",
                "the MATLAB code of the VIFB benchmark, colour scored channel by channel",
                MappingProxyType(_VIFB),
                tuple(_VIFB),
                colour="channels",
            ),
            Convention(
                "tang",
                "the MATLAB set of L. Tang, from descriptions; not run against MATLAB",
                MappingProxyType(_TANG),
                tuple(_TANG),
            ),
        )
    }
)


def find_convention(name: str) -> Convention:
    """Return the named convention.

    Raises:
        UserError: There is none of that name.
    """
    try:
        return CONVENTIONS[name]
    except KeyError:
        raise UserError(
            f"There is no convention named {name!r}; choose one of {', '.join(CONVENTIONS)}."
        ) from None
