"""emma equivariance METHOD... --dataset NAME -o OUT: how far methods are from equivariance."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emma_fusion.cli.options import MatchOption
from emma_fusion.cli.progress import bar
from emma_fusion.cli.scoring import (
    DatasetsOption,
    DeviceOption,
    LimitOption,
    ResumedOption,
    RootOption,
    SeedOption,
    begin,
    finite,
)

if TYPE_CHECKING:
    from emma_fusion.experiments.equivariance import Outcome
    from emma_fusion.experiments.equivariance_report import Line


def equivariance(
    methods: Annotated[
        list[str],
        typer.Argument(
            help="The methods to compare: shipped models, .safetensors files, folders of training "
            "runs, classical methods, or module:function. NAME= before a method names its row. "
            "All are compared with the first.",
            metavar="METHOD",
        ),
    ],
    dataset: DatasetsOption,
    output: ResumedOption,
    root: RootOption = None,
    shifts: Annotated[
        str | None,
        typer.Option(
            help="The shifts to measure, in pixels down and to the right, with commas between; '' "
            "for none. Without it, they are 0.25, 0.5, and ten from 1 to 64: odd, even and "
            "multiples of 8.",
            metavar="PIXELS",
        ),
    ] = None,
    angles: Annotated[
        str | None,
        typer.Option(
            help="The rotations to measure, in degrees, with commas between; '' for none. Without "
            "it, they are every 20 degrees from 10 to 350, and 180.",
            metavar="DEGREES",
        ),
    ] = None,
    zooms: Annotated[
        str | None,
        typer.Option(
            help="The factors to zoom by about the centre, with commas between; '' for none. "
            "Without it, they are 0.8 and 1.25.",
            metavar="FACTORS",
        ),
    ] = None,
    padding: Annotated[
        Literal["reflection", "border", "zeros"],
        typer.Option(
            help="What fills the corners of rotated images and the frame around shrunk ones. What "
            "is filled is not part of the error."
        ),
    ] = "reflection",
    margin: Annotated[
        int,
        typer.Option(
            help="The width, in pixels, of the border that the second error leaves out.", min=0
        ),
    ] = 32,
    match: MatchOption = None,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Measure how far fusing a transformed pair is from transforming the fused image.

    The error of a method F under T is ‖F(T i, T v) - T F(i, v)‖ / ‖T F(i, v)‖ over valid pixels,
    for shifts, rotations, the three reflections and zooms. Into OUT go errors.csv (every image and
    transform), tables.md, summary.json and a plot for each dataset.
    """
    begin("equivariance", output, "matplotlib", "scipy")
    from emma_fusion.bench import open_datasets, open_methods
    from emma_fusion.experiments.equivariance import (
        ANGLES,
        REFLECTIONS,
        SHIFTS,
        ZOOMS,
        Settings,
        grid,
        run,
    )

    cases = grid(
        SHIFTS if shifts is None else parse_numbers("--shifts", shifts),
        ANGLES if angles is None else parse_numbers("--angles", angles),
        REFLECTIONS,
        ZOOMS if zooms is None else parse_numbers("--zooms", zooms),
    )
    settings = Settings(cases, padding, margin)
    opened = open_methods(methods, device)
    datasets = open_datasets(dataset, root, limit, match)
    with bar("Measuring") as show:
        try:
            outcome = run(datasets, opened, settings, output, show)
        except KeyboardInterrupt:
            print(
                "Stopped. What was measured is kept; the same command continues the run.",
                file=sys.stderr,
            )
            raise typer.Exit(130) from None
    write(outcome, output, seed, device)
    if outcome.failures:
        raise typer.Exit(1)


def parse_numbers(option: str, text: str) -> list[float]:
    """Numbers above 0 with commas between.

    Raises:
        UserError: One is no number, or not above 0.

    >>> parse_numbers("--shifts", "0.5, 8")
    [0.5, 8.0]
    """
    from math import isfinite

    from emma_fusion.errors import UserError

    try:
        numbers = [float(part) for part in text.split(",") if part.strip()]
        if not all(isfinite(number) and number > 0 for number in numbers):
            raise ValueError
    except ValueError:
        raise UserError(
            f"{option} {text!r} is not understood: write numbers above 0 with commas between, "
            "such as 0.5,1,8."
        ) from None
    return numbers


def write(outcome: Outcome, output: Path, seed: int, device: str) -> None:
    """Write the results into the folder, and print the means."""
    from emma_fusion.experiments import equivariance_report as report

    lines = report.summarise(outcome, seed)
    facts = report.collect(outcome, seed, device)
    warnings = [text for dataset in outcome.datasets for text in dataset.warnings]
    head = [f"- {name}: {text}" for name, text in facts.items()]
    head += [f"- Warning: {text}" for text in warnings + outcome.failures]
    everything = finite(report.as_json(outcome, lines, facts))
    summary = json.dumps(everything, indent=2, ensure_ascii=False)
    files = {
        "tables.md": "\n".join(head) + "\n\n" + report.markdown(outcome, lines),
        "summary.json": summary + "\n",
    }
    for name, text in files.items():
        replace_file(output / name, text.encode())
    for dataset in outcome.datasets:
        mine = [line for line in lines if line.dataset == dataset.name]
        replace_file(output / f"{dataset.name}.png", report.plot(mine, outcome.settings.margin))
        show_table(mine, dataset.title, outcome.settings.margin)
    for text in warnings:
        print(f"Warning: {text}", file=sys.stderr)
    for text in outcome.failures:
        print(f"Failed {text}", file=sys.stderr)
    print(
        f"Measured {outcome.measured} transforms now. The tables: {output / 'tables.md'}",
        file=sys.stderr,
    )


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside its place, then put it there."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def show_table(lines: list[Line], title: str, margin: int) -> None:
    """The mean errors on stdout, in percent."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from emma_fusion.experiments.equivariance_report import TITLES, percent

    for value, about in TITLES.items():
        heading = f"{escape(title)}: error in percent. {about.format(margin=margin)}"
        grid = Table(title=heading, box=box.SIMPLE)
        grid.add_column("method")
        for group in lines[0].groups[value]:
            grid.add_column(group, justify="right")
        for line in lines:
            grid.add_row(escape(line.method), *map(percent, line.groups[value].values()))
        # wider than a narrow terminal rather than without some of the numbers
        width = max(Console().width, 24 + 24 * len(lines[0].groups[value]))
        Console(width=width).print(grid)
