"""What the verbs that score have in common: how they are asked for formulas and metrics."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

DatasetsOption = Annotated[
    list[str],
    typer.Option(
        "--dataset",
        "-d",
        help="A dataset: NAME=INFRARED,VISIBLE for two folders of your own, or one of roadscene, "
        "msrs, m3fd, tno, llvip, fmb, vifb, harvard-ct, harvard-pet and harvard-spect, which is "
        "looked for under --root. The option may be given several times.",
    ),
]
ResumedOption = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="The folder that the results are written to. A run that was stopped there is "
        "continued.",
    ),
]
RootOption = Annotated[
    Path | None,
    typer.Option(envvar="EMMA_DATA", help="The folder that holds the known datasets."),
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        help="Use only this many pairs of each dataset, the first ones. Without it, all are used.",
        min=1,
    ),
]
SeedOption = Annotated[int, typer.Option(help="The seed of the bootstrap intervals.", min=0)]
DeviceOption = Annotated[
    str, typer.Option(help="The device that the models run on: auto, cpu, cuda and so on.")
]

ConventionOption = Annotated[
    str, typer.Option(help="Whose formulas the metrics follow: ours, paper, vifb or tang.")
]
ProtocolOption = Annotated[
    Literal["direct", "paper"],
    typer.Option(
        help="What is scored. direct takes the images as they are; paper first stretches the fused "
        "luminance to its minimum and maximum and rounds it to 8 bits, which raises EN, SD, SF "
        "and AG."
    ),
]
MetricsOption = Annotated[
    str | None,
    typer.Option(
        help="The metrics to compute, with commas between their names, or all. Without it, they "
        "are those of the convention's tables.",
        metavar="NAMES",
    ),
]


def begin(verb: str, output: Path, *modules: str) -> None:
    """Check before hours of work and not after, and let module:function find the user's files.

    Args:
        verb: What was asked for.
        output: The folder that results are to go to; it need not exist.
        modules: What the verb needs of the extra `bench`.

    Raises:
        UserError: A module is missing, or the output is a file.
    """
    from importlib.util import find_spec

    from emma_fusion.errors import UserError

    if missing := [name for name in modules if find_spec(name) is None]:
        raise UserError(f"emma {verb} needs {missing[0]}: pip install 'emma-fusion[bench]'.")
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file, but the results need a folder: choose another one.")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


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


def finite(value: Any) -> Any:
    """Put null in the place of numbers that JSON does not have: infinities and NaN."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
