"""emma downstream segment|detect|check: does fusing help a machine see?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emma_fusion.cli.progress import bar
from emma_fusion.cli.scoring import ResumedOption, begin

if TYPE_CHECKING:
    from emma_fusion.downstream.comparison import Cell, Report
    from emma_fusion.downstream.config import Experiment
    from emma_fusion.downstream.inputs import Kind
    from emma_fusion.downstream.layouts import Dataset
    from emma_fusion.downstream.task import Task

downstream = typer.Typer(
    no_args_is_help=True,
    help="Train the same network on infrared, visible, stacked and fused images, and compare.",
)

ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config", "-c", help="The YAML file of the comparison, such as configs/cwfid.yaml."
    ),
]
RootOption = Annotated[
    Path | None,
    typer.Option(help="The folder of the dataset. It replaces data.root of the YAML file."),
]
KindOption = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        "-k",
        help="Train on this kind of input only. The option may be given several times.",
    ),
]
SeedOption = Annotated[
    list[int] | None,
    typer.Option(
        "--seed", "-s", help="Train with this seed only. The option may be given several times."
    ),
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda", "mps"] | None,
    typer.Option(help="The device to train on. It replaces run.device of the YAML file."),
]
ThreadsOption = Annotated[int | None, typer.Option(help="The number of CPU threads.", min=1)]


@downstream.command()
def segment(
    config: ConfigOption,
    output: ResumedOption,
    root: RootOption = None,
    kind: KindOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Compare inputs for segmentation by the IoU of each class and its mean.

    The output folder receives report.md, report.json, values.csv, sheet.png, the fused images and
    the result of every training. The same command continues a run that was stopped.
    """
    _run("segment", config, output, root, kind, seed, device, threads)


@downstream.command()
def detect(
    config: ConfigOption,
    output: ResumedOption,
    root: RootOption = None,
    kind: KindOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Compare inputs for detection by the AP of each class, mAP@0.5 and mAP@0.5:0.95.

    The output folder receives report.md, report.json, values.csv, sheet.png, the fused images and
    the result of every training. The same command continues a run that was stopped.
    """
    _run("detect", config, output, root, kind, seed, device, threads)


@downstream.command()
def check(
    layout: Annotated[str, typer.Argument(help="The dataset: msrs, fmb, cwfid, m3fd or llvip.")],
    root: Annotated[
        Path, typer.Option(help="The folder of the dataset, or the folder that contains it.")
    ],
) -> None:
    """List what is there of a dataset, and what is missing."""
    from emma_fusion.downstream.layouts import LAYOUTS, open_dataset
    from emma_fusion.errors import UserError

    if layout not in LAYOUTS:
        raise UserError(f"There is no layout {layout!r}: give one of {', '.join(LAYOUTS)}.")
    dataset = open_dataset(layout, root)
    print(
        f"{dataset.title}: {len(dataset.train)} scenes to train and {len(dataset.test)} to test "
        f"on; {len(dataset.classes)} classes: {', '.join(dataset.classes)}."
    )
    for text in dataset.missing:
        print(f"Missing: {text}", file=sys.stderr)
    if dataset.missing:
        raise typer.Exit(1)


def _run(
    task: str,
    config: Path,
    output: Path,
    root: Path | None,
    only: list[str] | None,
    seeds: list[int] | None,
    device: Literal["auto", "cpu", "cuda", "mps"] | None,
    threads: int | None,
) -> None:
    begin(f"downstream {task}", output, "jinja2", "scipy")
    from importlib.util import find_spec

    from emma_fusion.errors import UserError

    for name in ("lightning_fabric", "pycocotools", "torchmetrics", "transformers"):
        if find_spec(name) is None:
            raise UserError(
                f"emma downstream {task} needs {name}: pip install 'emma-fusion[downstream]'."
            )
    from emma_fusion.downstream.comparison import compare, keep_protocol, make_task
    from emma_fusion.downstream.config import load_experiment
    from emma_fusion.downstream.layouts import open_dataset

    experiment = load_experiment(config, task, root)
    if only:
        if unknown := [name for name in only if name not in experiment.kinds]:
            raise UserError(
                f"{config} has no kind {unknown[0]!r}; it has {', '.join(experiment.kinds)}."
            )
        experiment.kinds = [name for name in experiment.kinds if name in only]
    experiment.seeds = seeds or experiment.seeds
    experiment.run.device = device or experiment.run.device
    experiment.run.threads = threads or experiment.run.threads
    dataset = open_dataset(experiment.data.layout, experiment.data.root)
    dataset = dataset.limited(experiment.data.limit)
    for text in dataset.missing:
        print(f"Warning: {dataset.title}: missing: {text}", file=sys.stderr)
    measured = make_task(experiment, dataset)
    keep_protocol(experiment, output)
    try:
        kinds = _kinds(experiment, dataset, output)
        with bar("Training") as show:
            cells = compare(experiment, dataset, kinds, output, _progress(), show)
        _write(experiment, dataset, kinds, cells, measured, output)
    except KeyboardInterrupt:
        print("Stopped. The same command continues the run.", file=sys.stderr)
        raise typer.Exit(130) from None
    print(f"The report: {output / 'report.md'}", file=sys.stderr)


def _kinds(experiment: Experiment, dataset: Dataset, output: Path) -> list[Kind]:
    """The kinds of input; fused images that are not there yet are made."""
    from emma_fusion.bench.methods import open_methods
    from emma_fusion.downstream.config import SOURCES
    from emma_fusion.downstream.inputs import fused_kind, source_kind

    colour = experiment.data.colour
    texts = [name for name in experiment.kinds if name not in SOURCES]
    device = experiment.run.device
    methods = dict(zip(texts, open_methods(texts, device) if texts else [], strict=True))
    kinds = []
    for name in experiment.kinds:
        if name in SOURCES:
            kinds.append(source_kind(name, colour))
            continue
        with bar(f"Fusing by {methods[name].name}") as show:
            folder = output / "fused" / methods[name].name
            kinds.append(fused_kind(methods[name], dataset, colour, folder, show))
    return kinds


def _progress() -> Report:
    """Says what each cell gave, and how long the others may take."""
    times: list[float] = []

    def report(cell: Cell | None, done: int, total: int, seconds: float) -> None:
        if cell is None:
            return
        times.append(seconds)
        name, value = next(iter(cell.values.items()))
        left = sum(times) / len(times) * (total - done) / 60
        print(
            f"{done} of {total}, {cell.kind}, seed {cell.seed}: {name} {100 * value:.1f}, "
            f"{cell.facts['steps_per_second']:.2f} steps/s, {seconds:.0f} s; about {left:.0f} "
            "minutes left",
            file=sys.stderr,
            flush=True,
        )

    return report


def _write(
    experiment: Experiment,
    dataset: Dataset,
    kinds: list[Kind],
    cells: list[Cell],
    task: Task,
    output: Path,
) -> None:
    from emma_fusion.bench.facts import surroundings
    from emma_fusion.downstream import report
    from emma_fusion.downstream.drawing import sheet
    from emma_fusion.images.raster import write_image, write_whole

    facts = _facts(experiment, dataset, cells) | surroundings(0, experiment.run.device)
    names = [kind.name for kind in kinds]
    about = {kind.name: _about(kind, dataset, experiment, task) for kind in kinds}
    references = experiment.references
    settings = experiment.model_dump(mode="json")
    text = report.as_markdown(cells, names, references, about, facts)
    files = {
        "report.md": text,
        "report.json": report.as_json(cells, names, references, facts, settings),
        "values.csv": report.as_csv(cells),
    }
    write_whole({output / name: content.encode() for name, content in files.items()})
    if experiment.shown:
        write_image(output / "sheet.png", sheet(experiment, dataset, kinds, cells, task))
    print(text.partition("\n\n")[2])


def _about(kind: Kind, dataset: Dataset, experiment: Experiment, task: Task) -> str:
    from emma_fusion.downstream.samples import Scenes
    from emma_fusion.downstream.segment import told_by_brightness

    first, second = dataset.labels
    told = {
        "infrared": f"the {first} image alone",
        "visible": f"the {second} image alone",
        "stacked": f"both, as channels ({second}, then {first})",
    }
    text = told.get(kind.name, f"both, fused by {kind.name}")
    if dataset.task == "segment" and kind.channels == 1:
        scenes = Scenes(dataset.test, "test", kind, experiment.images.size, task.label, 0)
        area = told_by_brightness(scenes)
        text += (
            f"; brightness alone tells {dataset.classes[0]} from the other classes with an AUC of "
            f"{area:.2f}"
        )
    return text


def _facts(experiment: Experiment, dataset: Dataset, cells: list[Cell]) -> dict[str, str]:
    from statistics import fmean

    settings, images = experiment.training, experiment.images
    steps = settings.total(len(dataset.train))
    size = "×".join(map(str, images.size))
    crop = f", windows of {'×'.join(map(str, images.crop))}" if images.crop else ""
    start = experiment.network.weights or "new weights"
    speed = fmean(cell.facts["steps_per_second"] for cell in cells)
    given = ", ".join(f"{name} {value}" for name, value in experiment.network.settings.items())
    return {
        "Dataset": f"{dataset.title}, {len(dataset.train)} scenes to train and "
        f"{len(dataset.test)} to test on",
        "Network": f"{experiment.network.name} ({given}), {start}, "
        f"{cells[0].facts['parameters']:,} parameters",
        "Training": f"{steps} steps of {settings.batch} at {settings.lr:g} (AdamW), images at "
        f"{size}{crop}, {experiment.run.precision}; the same for every input",
        "Seeds": ", ".join(map(str, experiment.seeds)),
        "Speed": f"{speed:.2f} steps a second, "
        f"{sum(cell.facts['seconds'] for cell in cells) / 60:.0f} minutes for all cells",
    }
