"""emma ablate CONFIG.yaml -o OUT: train variants at an equal budget, and judge claims by them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from emma_fusion.cli.progress import bar
from emma_fusion.cli.scoring import SeedOption, begin

if TYPE_CHECKING:
    from emma_fusion.bench import BenchResult, Dataset, Method
    from emma_fusion.experiments.ablation import Ablation, Judged, Report, Task


def ablate(
    config: Annotated[
        Path,
        typer.Argument(help="The YAML file of the variants, such as configs/ablation-small.yaml."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder that all results are written to.")
    ],
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the run in the output folder; finished trainings are kept."
        ),
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(
            help="The number of trainings that run at the same time and share the cores. Without "
            "it, there is one for each GPU, or one without GPUs.",
            min=1,
        ),
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="The device to train and fuse on.")
    ] = "auto",
    images: Annotated[
        int, typer.Option(help="The number of pairs on the sheet of images.", min=1)
    ] = 4,
    seed: SeedOption = 0,
) -> None:
    """Train variants of one training, score them, and say which claims held at this budget.

    The output folder receives report.md, report.json, means.csv, scores.csv with the values of
    every image, sheet.png, the fused images, and the weights in runs/VARIANT/seed-SEED. A run that
    was stopped is continued by --resume.
    """
    begin("ablate", output, "jinja2", "matplotlib", "scipy")
    from emma_fusion.errors import UserError

    try:
        import lightning_fabric  # noqa: F401

        from emma_fusion.experiments import ablation as room
    except ImportError as error:
        raise UserError(
            f"Training needs {error.name}: pip install 'emma-fusion[train]'."
        ) from error
    from emma_fusion import models
    from emma_fusion.bench.workers import usable_cores

    chosen = room.load_ablation(config)
    dataset = _dataset(chosen.judged, room.judged_stems(chosen))
    room.check_files(chosen, dataset.pairs)
    _check_output(output, resume, room.CONFIG)
    tasks = room.plan(chosen, output)
    output.mkdir(parents=True, exist_ok=True)
    _keep_settings(chosen, output / room.CONFIG)
    places = room.places(processes, device, usable_cores())
    try:
        failures = room.train_all(tasks, places, device, _progress(tasks))
        complete = [
            variant
            for variant in chosen.variants
            if all(
                (room.run_folder(output, variant, s) / models.FUSER).is_file() for s in chosen.seeds
            )
        ]
        if chosen.reference not in complete:
            raise UserError(
                f"The reference {chosen.reference} has not been trained, so there is nothing to "
                "compare with.\n" + "\n".join(f"{name}: {why}" for name, why in failures.items())
            )
        outcome, warnings = _score_and_report(
            chosen, complete, dataset, output, len(places), device, images, seed
        )
    except KeyboardInterrupt:
        print("Stopped. The same command with --resume continues the run.", file=sys.stderr)
        raise typer.Exit(130) from None
    for text in warnings + outcome.warnings:
        print(f"Warning: {text}", file=sys.stderr)
    for text in [*outcome.failures, *(f"{name}: {why}" for name, why in failures.items())]:
        print(f"Failed {text}", file=sys.stderr)
    print(f"The report: {output / 'report.md'}", file=sys.stderr)
    if outcome.failures or failures:
        raise typer.Exit(1)


def _check_output(output: Path, resume: bool, config: str) -> None:
    from emma_fusion.errors import UserError

    if resume and not (output / config).is_file():
        raise UserError(f"There is no ablation to resume in {output}: it has no {config}.")
    if not resume and output.is_dir() and any(output.iterdir()):
        raise UserError(
            f"{output} is not empty: continue the run with --resume, or use a new folder."
        )


def _keep_settings(chosen: Ablation, path: Path) -> None:
    import yaml

    from emma_fusion.images.raster import write_whole

    text = yaml.safe_dump(chosen.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_whole({path: text.encode()})


def _dataset(judged: Judged, stems: list[str]) -> Dataset:
    """The pairs to judge on."""
    from dataclasses import replace

    from emma_fusion.bench import open_dataset

    dataset = open_dataset(f"{judged.name}={judged.infrared},{judged.visible}", match=judged.match)
    pairs = {stem: pair for stem, pair in dataset.pairs.items() if stem in stems}
    if len(pairs) == len(dataset.pairs):
        return dataset
    which = "held out of training" if judged.held_out else "evenly spread"
    warning = f"{dataset.title}: {len(pairs)} of {len(dataset.pairs)} pairs, {which}."
    return replace(dataset, pairs=pairs, warnings=(*dataset.warnings, warning))


def _progress(tasks: list[Task]) -> Report:
    """Says which run has ended and how long the others may take, by their steps."""
    total = sum(task.steps for task in tasks)
    number = sum(task.done for task in tasks)
    done = at_first = sum(task.steps for task in tasks if task.done)
    began = time.monotonic()
    print(
        f"{len(tasks)} training runs, {number} of them finished before; {total - done} steps to go",
        file=sys.stderr,
    )

    def report(task: Task, failure: str | None, seconds: float) -> None:
        nonlocal number, done
        number, done = number + 1, done + task.steps
        each = (time.monotonic() - began) / max(done - at_first, 1)
        said = f"failed: {failure}" if failure else f"{seconds:.0f} s"
        print(
            f"run {number} of {len(tasks)}, {task.name}: {said}; about "
            f"{each * (total - done) / 60:.0f} minutes left",
            file=sys.stderr,
            flush=True,
        )

    return report


def _score_and_report(
    chosen: Ablation,
    complete: list[str],
    dataset: Dataset,
    output: Path,
    processes: int,
    device: str,
    images: int,
    seed: int,
) -> tuple[BenchResult, list[str]]:
    """Fuses, scores and writes down what the complete variants give."""
    from emma_fusion import bench
    from emma_fusion.bench import facts as surroundings
    from emma_fusion.errors import UserError
    from emma_fusion.experiments import ablation_report as writers
    from emma_fusion.experiments import ablation_statistics as statistics
    from emma_fusion.experiments.ablation import run_folder
    from emma_fusion.images.raster import write_image, write_whole

    runs = {variant: [f"{variant}.seed-{s}" for s in chosen.seeds] for variant in complete}
    folders = {
        name: run_folder(output, variant, s)
        for variant, names in runs.items()
        for name, s in zip(names, chosen.seeds, strict=True)
    }
    methods = bench.open_methods([f"{name}={folder}" for name, folder in folders.items()], device)
    rules = bench.Rules("ours", "paper", statistics.MEASURES)
    with bar("Scoring") as show:
        outcome = bench.run([dataset], methods, rules, output, processes=processes, progress=show)
    (scores,) = outcome.scores
    values, stems = statistics.gather(scores, runs, statistics.MEASURES)
    if not stems:
        raise UserError("No image could be scored of every run.\n" + "\n".join(outcome.failures))
    if chosen.judged.equivariance:
        with bar("Equivariance") as show:
            errors = _equivariance_errors(methods, scores.dataset, chosen.judged, output, show)
        for variant, names in runs.items():
            values[variant][statistics.EQUIVARIANCE] = _rows(errors, names)
    judgements, warnings = [], []
    for claim in chosen.claims:
        if missing := {claim.better, *claim.than} - set(complete):
            warnings.append(f"{claim.claim}: not judged, for want of {', '.join(sorted(missing))}.")
            continue
        measures = tuple(claim.measures or statistics.PAPERS_SIX)
        judgements.append(
            statistics.judge(values, claim.claim, claim.better, claim.than, measures, seed)
        )
    table = bench.Table(
        dataset.name,
        dataset.title,
        len(stems),
        statistics.MEASURES,
        statistics.lines(values, stems, dataset, chosen.reference, seed),
        chosen.reference,
    )
    facts = _facts(chosen, folders) | surroundings.collect(outcome, seed, device)
    facts |= {f"Warning {n}": text for n, text in enumerate(outcome.warnings + warnings, 1)}
    about = _about(chosen, complete, output)
    configuration = chosen.model_dump(mode="json")
    files = {
        "report.md": writers.as_markdown(table, judgements, values, facts, about, seed),
        "report.json": writers.as_json(table, judgements, values, facts, configuration, seed),
        "means.csv": writers.as_csv(values, chosen.seeds),
    }
    write_whole({output / name: text.encode() for name, text in files.items()})
    shown = [stems[k * len(stems) // images] for k in range(min(images, len(stems)))]
    first = {variant: scores.fused[names[0]] for variant, names in runs.items()}
    write_image(output / "sheet.png", statistics.sheet(dataset, first, shown))
    _print(judgements)
    return outcome, warnings


def _equivariance_errors(
    methods: list[Method],
    dataset: Dataset,
    judged: Judged,
    output: Path,
    progress: Callable[[int, int], None],
) -> dict[str, list[float]]:
    """Each run's equivariance error on some pairs, away from the frame, mean over a few transforms.

    Raises:
        UserError: It could not be measured on every pair.
    """
    from dataclasses import replace
    from statistics import fmean

    from emma_fusion.errors import UserError
    from emma_fusion.experiments.equivariance import Settings, grid, run

    stems = list(dataset.pairs)
    count = min(judged.equivariance, len(stems))
    chosen = [stems[k * len(stems) // count] for k in range(count)]
    part = replace(dataset, pairs={stem: dataset.pairs[stem] for stem in chosen})
    settings = Settings(grid((4, 16), (10, 90, 130), ("horizontal", "vertical")))
    outcome = run([part], methods, settings, output / "equivariance", progress)
    if outcome.failures:
        raise UserError("Equivariance could not be measured.\n" + "\n".join(outcome.failures))
    return {
        method.name: [
            fmean(v["inner"] for v in outcome.values[part.name, method.name, stem].values())
            for stem in chosen
        ]
        for method in methods
    }


def _rows(errors: dict[str, list[float]], names: list[str]) -> Any:
    """(seeds, pairs)."""
    import numpy as np

    return np.array([errors[name] for name in names])


def _facts(chosen: Ablation, folders: dict[str, Path]) -> dict[str, str]:
    """What the variants have in common."""
    from emma_fusion import models
    from emma_fusion.networks.weights import read_facts

    config = chosen.configuration(chosen.reference, chosen.seeds[0])
    facts = [read_facts(folder / models.FUSER) for folder in folders.values()]
    stages = {"sensing": config.sensing, "start": config.start, "fusion": config.fusion}
    budget = ", ".join(
        f"{name} {stage.epochs if stage.steps is None else stage.steps} "
        f"{'epochs' if stage.steps is None else 'steps'} of {stage.batch}"
        for name, stage in stages.items()
    )
    data = sorted({f"{fact['patches']} patches, fingerprint {fact['data']}" for fact in facts})
    return {
        "Seeds": ", ".join(map(str, chosen.seeds)),
        "Budget of every run": f"{budget}; patches of {config.patches.size}. Sensing and start "
        "depend on seed, data and their own settings alone: they were trained once and shared by "
        "the variants that have the same, which then differ by stage 2 (fusion)",
        "Training data of stage 2": "; ".join(data),
        "Training machine": "; ".join(sorted({str(fact["machine"]) for fact in facts})),
    }


def _about(chosen: Ablation, variants: list[str], output: Path) -> dict[str, dict[str, str]]:
    """What differs in each variant, its size, and how long its stage 2 took."""
    from statistics import fmean

    from emma_fusion import models
    from emma_fusion.experiments.ablation import run_folder
    from emma_fusion.networks.weights import load_fuser, read_facts

    about = {}
    for variant in variants:
        weights = [run_folder(output, variant, seed) / models.FUSER for seed in chosen.seeds]
        settings = chosen.variants[variant]
        about[variant] = {
            "Settings": ", ".join(_setting(*item) for item in settings.items()) or "–",
            "Parameters": f"{sum(p.numel() for p in load_fuser(weights[0]).parameters()):,}",
            "Minutes a run": f"{fmean(read_facts(path)['minutes'] for path in weights):.1f}",
        }
    return about


def _setting(name: str, value: Any) -> str:
    return f"`{name}: {value}`" if len(str(value)) < 40 else f"`{name}` (in report.json)"


def _print(judgements: list[Any]) -> None:
    """The verdicts on stdout."""
    for judgement in judgements:
        print(f"{judgement.claim}: {judgement.verdict}")
