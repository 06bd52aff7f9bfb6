"""emma bench METHOD... --dataset NAME -o OUT: compare methods, and write the report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emma_fusion.cli.options import MatchOption
from emma_fusion.cli.progress import bar
from emma_fusion.cli.scoring import (
    ConventionOption,
    DatasetsOption,
    DeviceOption,
    LimitOption,
    MetricsOption,
    ProtocolOption,
    ResumedOption,
    RootOption,
    SeedOption,
    begin,
    choose_metrics,
)

if TYPE_CHECKING:
    from emma_fusion.bench import BenchResult, Table
    from emma_fusion.bench.temporal import Steadiness

WRITTEN = ("tables.md", "tables.tex", "tables.csv", "report.html")


def bench(
    methods: Annotated[
        list[str],
        typer.Argument(
            help="The methods to compare: shipped models, .safetensors files, folders of training "
            "runs, classical methods (each by its name, or all of them as `baselines`), "
            "folder:PATH for images of another program, or module:function. NAME= before a method "
            "names its row in the tables.",
            metavar="METHOD",
        ),
    ],
    dataset: DatasetsOption,
    output: ResumedOption,
    root: RootOption = None,
    convention: ConventionOption = "ours",
    protocol: ProtocolOption = "direct",
    metrics: MetricsOption = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="The method that the others are tested against. Without it, it is the first one."
        ),
    ] = None,
    published: Annotated[
        bool | None,
        typer.Option(
            "--published/--no-published",
            help="Whether published figures stand beside the measured ones. Without it, they do "
            "so in the paper protocol only.",
            show_default=False,
        ),
    ] = None,
    common: Annotated[
        bool, typer.Option("--common", help="Score only the images that every folder:PATH has.")
    ] = False,
    match: MatchOption = None,
    limit: LimitOption = None,
    images: Annotated[
        int, typer.Option(help="The number of pairs of each dataset that the report shows.", min=0)
    ] = 8,
    seed: SeedOption = 0,
    processes: Annotated[
        int | None,
        typer.Option(
            help="The number of processes that score. Without it, there is one for each core.",
            min=1,
        ),
    ] = None,
    video: Annotated[
        bool,
        typer.Option(
            "--video",
            help="Take the folders for numbered frames of videos, and add the temporal scores "
            "BiSWE and MS2R. Datasets that are video files have these scores without this option.",
        ),
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Compare methods on datasets: tables, confidence intervals, tests, and a report with images.

    The output folder receives report.html, tables.md, tables.tex, tables.csv, scores.csv with the
    values of every image, and the fused images. Fused images without a pair, and pairs without a
    fused image, are listed; a method that lacks images is not ranked. A dataset may also be two
    videos, NAME=IR.mp4,VISIBLE.mp4, and a method a video that was fused of them.
    """
    begin("bench", output, "jinja2", "matplotlib", "scipy")
    from emma_fusion import bench as room
    from emma_fusion.bench.workers import usable_cores
    from emma_fusion.errors import UserError

    if not (output / "scores.csv").exists():
        for path in (output / name for name in WRITTEN):
            if path.exists():
                raise UserError(
                    f"{path} exists, but there is no run of emma bench to continue: choose another "
                    "output folder."
                )
    from emma_fusion.bench import temporal, videos

    rules = room.Rules(convention, protocol, _metrics(convention, metrics))
    unpacked = videos.unpack(dataset, methods, output)
    dataset, methods = unpacked.datasets, unpacked.methods
    opened = room.open_methods(methods, device)
    names = [method.name for method in opened]
    chosen = reference or names[0]
    if chosen not in names:
        raise UserError(f"The reference {chosen!r} is none of the methods: {', '.join(names)}.")
    datasets = room.open_datasets(dataset, root, limit, match)
    with bar("Scoring") as show:
        try:
            outcome = room.run(
                datasets,
                opened,
                rules,
                output,
                processes=processes or usable_cores(),
                common=common,
                progress=show,
            )
            steadiness = temporal.score_videos(
                outcome,
                None if video else unpacked.names,
                output,
                processes=processes or usable_cores(),
                progress=show,
            )
        except KeyboardInterrupt:
            print(
                "Stopped. What was scored is kept; the same command continues the run.",
                file=sys.stderr,
            )
            raise typer.Exit(130) from None
    comparable = protocol == "paper" and convention in ("ours", "paper")
    show_published = comparable if published is None else published
    tables = _tables(outcome, chosen, seed, show_published)
    _write(outcome, tables, steadiness, output, seed, device, images)
    _print(outcome, tables, steadiness, output)
    if outcome.failures:
        raise typer.Exit(1)


def _metrics(convention: str, names: str | None) -> tuple[str, ...]:
    """The metrics asked for; without `pattern`, which says nothing of who fuses better."""
    chosen = choose_metrics(convention, names)
    return chosen if names else tuple(name for name in chosen if name != "pattern")


def _tables(outcome: BenchResult, reference: str, seed: int, show_published: bool) -> list[Table]:
    from emma_fusion.bench import Table, summarise
    from emma_fusion.bench.published import published

    return [
        Table(
            scores.dataset.name,
            scores.dataset.title,
            len(scores.dataset.pairs),
            outcome.rules.metrics,
            summarise(scores, outcome.rules.metrics, reference, seed),
            reference,
            published(scores.dataset.name) if show_published else {},
        )
        for scores in outcome.scores
    ]


def _write(
    outcome: BenchResult,
    tables: list[Table],
    steadiness: list[Steadiness],
    output: Path,
    seed: int,
    device: str,
    images: int,
) -> None:
    from emma_fusion.bench import facts, report, temporal
    from emma_fusion.bench import tables as writers
    from emma_fusion.images.raster import write_whole

    collected = facts.collect(outcome, seed, device)
    head = "\n".join(f"- {name}: {text}" for name, text in collected.items())
    notes = "".join(f"- Warning: {text}\n" for text in outcome.warnings + outcome.failures)
    markdown = f"{head}\n{notes}\n{writers.markdown(tables)}"
    if steadiness:
        markdown += f"\n{temporal.markdown(steadiness)}"
    comment = "\n".join(f"% {line}" for line in f"{head}\n{notes}".splitlines())
    texts = {
        "tables.md": markdown,
        "tables.tex": f"{comment}\n{writers.latex(tables)}",
        "tables.csv": writers.as_csv(tables),
        "report.html": report.render(outcome, tables, collected, images, steadiness),
    }
    write_whole({output / name: text.encode() for name, text in texts.items()})


def _print(
    outcome: BenchResult, tables: list[Table], steadiness: list[Steadiness], output: Path
) -> None:
    """The means on stdout; warnings, and where everything is, on stderr."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid

    from emma_fusion.bench import tables as writers

    styles = {0: "", 1: "bold", 2: "underline"}
    for table in tables:
        grid = Grid(title=f"{table.title}, {table.images} images", box=box.SIMPLE)
        grid.add_column("method")
        for metric in table.metrics:
            grid.add_column(f"{metric} {writers.arrow(metric)}", justify="right")
        grid.add_column("rank", justify="right")
        for line in table.lines:
            cells = [
                f"[{styles[cell.place]}]{number}[/]" if styles[cell.place] else number
                for metric, cell in line.cells.items()
                for number in [table.number(metric, cell.mean)]
            ]
            grid.add_row(escape(writers.label(table, line)), *cells, writers.rank(line))
        for method, figures in table.published.items():
            cells = [figures.get(metric, "") for metric in table.metrics]
            grid.add_row(f"{escape(method)} (published)", *cells, "", style="dim")
        # wider than a narrow terminal rather than without some of the numbers
        width = max(Console().width, 30 + 10 * len(table.metrics))
        Console(width=width).print(grid)
    if steadiness:
        _print_steadiness(steadiness)
    for text in outcome.warnings:
        print(f"Warning: {text}", file=sys.stderr)
    for text in outcome.failures:
        print(f"Failed {text}", file=sys.stderr)
    print(
        f"Scored {outcome.scored} images now. The report: {output / 'report.html'}",
        file=sys.stderr,
    )


def _print_steadiness(steadiness: list[Steadiness]) -> None:
    """BiSWE and MS2R on stdout."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid

    from emma_fusion.bench import temporal

    grid = Grid(title="As videos", box=box.SIMPLE)
    for column in ("dataset", "frames", "method"):
        grid.add_column(column)
    for name in temporal.NAMES:
        grid.add_column(f"{name} ↓", justify="right")
    for one in steadiness:
        numbers = [temporal.number(one.values[name]) for name in temporal.NAMES]
        grid.add_row(escape(one.title), str(one.frames), escape(one.method), *numbers)
    Console().print(grid)
