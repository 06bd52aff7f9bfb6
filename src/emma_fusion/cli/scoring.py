"""What the verbs that score have in common: how they are asked for formulas and metrics."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

ConventionOption = Annotated[str, typer.Option(help="Whose formulas: ours, paper, vifb or tang.")]
ProtocolOption = Annotated[
    Literal["direct", "paper"],
    typer.Option(
        help="direct: pictures as they are. paper: the fused luminance stretched to its minimum "
        "and maximum and rounded to 8 bit first, which raises EN, SD, SF and AG."
    ),
]
MetricsOption = Annotated[
    str | None,
    typer.Option(
        help="Names with commas between, or all; without it, those of the convention's tables.",
        metavar="NAMES",
    ),
]


def choose_metrics(convention: str, names: str | None) -> tuple[str, ...]:
    """Find the metrics that a user means.

    Args:
        convention: Name of a convention.
        names: With commas between, "all", or None for the convention's default ones.

    Raises:
        UserError: There is no such convention, or it has no such metric.
    """
    from emma_fusion.errors import UserError
    from emma_fusion.metrics.conventions import find_convention

    found = find_convention(convention)
    if names is None:
        return found.default
    if names == "all":
        return tuple(found.metrics)
    chosen = tuple(dict.fromkeys(name.strip() for name in names.split(",")))
    if unknown := [name for name in chosen if name not in found.metrics]:
        raise UserError(
            f"The convention {convention} has no metric {unknown[0]!r}; "
            f"it has {', '.join(found.metrics)}."
        )
    return chosen
