"""Named conventions: which formula a name stands for in whose tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from emma_fusion.errors import UserError
from emma_fusion.metrics.edges import edge_preservation
from emma_fusion.metrics.levels import Picture
from emma_fusion.metrics.statistics import peak_signal_to_noise
from emma_fusion.metrics.structure import structural_similarity
from emma_fusion.metrics.table import METRICS

Scorer = Callable[[Picture, Picture, Picture], Any]


@dataclass(frozen=True)
class Convention:
    """A set of formulas that belong together.

    Attributes:
        name: How the convention is asked for.
        title: Whose it is, in a line.
        metrics: Short name of the metric -> function of (fused, infrared, visible).
        default: The names that are scored where none are asked for.
        colour: What a colour picture is scored by: its "luminance", or its "channels" each.
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
    """Make a metric of the fused picture alone look like one of three pictures."""
    return lambda fused, infrared, visible: function(fused, **settings)


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
                        "Qabf": partial(
                            edge_preservation, equal="strength", slope="-gy/gx", empty="nan"
                        ),
                        # Its scikit-image takes floats without a range to span 2.
                        "SSIM": partial(structural_similarity, data_range=2.0),
                        "PSNR": partial(peak_signal_to_noise, peak="maximum"),
                    }
                ),
                NINE,
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
