"""Ablations: variants of one training at an equal budget, several seeds each.

What variants have in common is trained once. The sensing networks depend on the seed, the data
and their own settings; the U-Fuser's start on these, on its branches and on its own settings.
Every variant with the same ones goes on from the same weights, so that its budget is stage 2.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from emma_fusion import models
from emma_fusion.child import live_with_parent
from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images, match_pairs
from emma_fusion.training.bad_pairs import check_pairs
from emma_fusion.training.checkpoint import NAME as CHECKPOINT
from emma_fusion.training.config import Network, TrainingConfig, load_config
from emma_fusion.training.patches import held_out
from emma_fusion.training.settings import Section, read_settings, validated

CONFIG = "ablation.yaml"
LOG = "log.txt"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]*$")]


class Claim(Section):
    """A sentence that holds if one variant is better than each of some others."""

    claim: str
    better: Name
    than: list[Name] = Field(min_length=1)
    measures: list[str] | None = Field(
        None, description="that decide; the paper's six if not given"
    )


class Judged(Section):
    """The pairs that the variants are judged on; never trained on."""

    name: Name = "test"
    infrared: Path
    visible: Path
    match: str | None = Field(None, description="how the names go together; see `Folders.match`")
    held_out: bool = Field(
        False, description="only the pairs of these folders that the reference's training keeps out"
    )
    every: int = Field(1, ge=1, description="take every so many pairs only")
    equivariance: int = Field(0, ge=0, description="pairs on which equivariance is measured too")


class Ablation(Section):
    """Everything that an ablation depends on."""

    seeds: list[int] = Field([0], min_length=1)
    training: dict[str, Any] = Field(description="settings of `emma train` that all variants have")
    variants: dict[Name, dict[str, Any]] = Field(description="and those in which each differs")
    reference: Name = "full"
    equal_budgets: bool = Field(
        True, description="refuse variants that differ in batches, steps, epochs or patches"
    )
    claims: list[Claim] = Field([])
    judged: Judged

    def configuration(self, variant: str, seed: int) -> TrainingConfig:
        """What one variant is trained with, from new networks on.

        Raises:
            UserError: A setting is not known or not valid.
        """
        settings = deepcopy(self.training) | deepcopy(self.variants[variant]) | {"run.seed": seed}
        try:
            return load_config(overrides=settings)
        except UserError as error:
            raise UserError(f"Variant {variant}: {error}") from None


def load_ablation(file: Path) -> Ablation:
    """Reads an ablation, and finds what is wrong with it before hours of work and not after.

    Raises:
        UserError: A setting is not valid, a name stands for no variant, variants differ in their
            budget, or a folder of images is not there.
    """
    ablation = validated(Ablation, read_settings(file), f"ablation {file}")
    named = {ablation.reference} | {
        name for claim in ablation.claims for name in (claim.better, *claim.than)
    }
    if unknown := sorted(named - ablation.variants.keys()):
        raise UserError(
            f"{file} names {', '.join(unknown)}, which is none of its variants: "
            f"{', '.join(ablation.variants)}."
        )
    if len(set(ablation.seeds)) < len(ablation.seeds):
        raise UserError(f"A seed occurs twice in {file}: {ablation.seeds}.")
    budgets = {name: _budget(ablation.configuration(name, 0)) for name in ablation.variants}
    for name, budget in budgets.items():
        if ablation.equal_budgets and budget != budgets[ablation.reference]:
            raise UserError(
                f"The variant {name} has another budget than {ablation.reference}: batch, steps "
                "and epochs of every stage, and the patches, must be equal. If they are to "
                "differ, say equal_budgets: false."
            )
    for name in ablation.variants:
        for pairs in ablation.configuration(name, 0).pairs:
            pairs.matched()
            for teacher in pairs.teachers:
                list_images(teacher)
    judged_stems(ablation)
    return ablation


def judged_stems(ablation: Ablation) -> list[str]:
    """The pairs that the variants are judged on, by name.

    Raises:
        UserError: A folder is not there, or the training keeps nothing out of it though only what
            is kept out is to be judged.
    """
    judged = ablation.judged
    matched, _ = match_pairs(judged.infrared, judged.visible, judged.match)
    stems = [stem for stem, *_ in matched]
    if judged.held_out:
        kept: set[int] = set()
        for pairs in ablation.configuration(ablation.reference, ablation.seeds[0]).pairs:
            if pairs.infrared.resolve() == judged.infrared.resolve():
                kept |= held_out(pairs, stems)
        if not kept:
            raise UserError(
                f"Only held-out pairs of {judged.infrared} are to be judged, and the training "
                "keeps none out: give its pairs `validation` or `held_out`."
            )
        stems = [stems[index] for index in sorted(kept)]
    return stems[:: judged.every]


def check_files(ablation: Ablation, judged: Mapping[str, tuple[Path, Path]]) -> None:
    """Reads every pair once, so that a bad one is found before the trainings and not after.

    Args:
        ablation: Whose variants name the pairs to learn from; those that are to leave out bad ones
            (``run.skip_bad``) are not looked at.
        judged: The pairs to judge on.

    Raises:
        UserError: Some cannot be used; all of them are named.
    """
    found = dict(judged)
    for name in ablation.variants:
        config = ablation.configuration(name, 0)
        for pairs in () if config.run.skip_bad else config.pairs:
            matched, _ = pairs.matched()
            found |= {f"{pairs.infrared}: {stem}": (a, b) for stem, a, b in matched}
    check_pairs(found)


def _budget(config: TrainingConfig) -> tuple[Any, ...]:
    stages = (config.sensing, config.start, config.fusion)
    return config.patches, *((stage.batch, stage.steps, stage.epochs) for stage in stages)


@dataclass(frozen=True)
class Task:
    """One training run of an ablation.

    Attributes:
        name: What it is, in words.
        folder: Of the run.
        config: Its configuration.
        needs: Folder of the run that it goes on from, if that is one of the ablation's own.
    """

    name: str
    folder: Path
    config: TrainingConfig
    needs: Path | None = None

    @property
    def done(self) -> bool:
        """Whether its weights are there; they are written last."""
        return _done(self.folder)

    @property
    def steps(self) -> int:
        """How long it is; stages given in epochs are not counted."""
        config = self.config
        return sum(stage.steps or 0 for stage in (config.sensing, config.start, config.fusion))

    @property
    def key(self) -> str:
        """A hash of all that decides its result: not of where it runs.

        Settings that are as they are by default are left out, so that a new one keeps the keys.
        """
        config = self.config
        values = config.model_dump(mode="json", exclude_defaults=True)
        values["run"] = {"seed": config.run.seed}
        # The names of folders that are gone on from hold a key themselves.
        values["init"] = [
            place and Path(place).name for place in (config.init, config.sensing.init)
        ]
        for stage in ("sensing", "start", "fusion"):
            if getattr(config, stage).steps == 0:
                values[stage] = None  # so that what it would do tells nobody apart
            else:
                values.get(stage, {}).pop("init", None)
        return hashlib.blake2b(
            json.dumps(values, sort_keys=True).encode(), digest_size=6
        ).hexdigest()


def run_folder(output: Path, variant: str, seed: int) -> Path:
    """Where the run of a variant and a seed is kept."""
    return output / "runs" / variant / f"seed-{seed}"


def plan(ablation: Ablation, output: Path) -> list[Task]:
    """The runs of an ablation: each after the one that it goes on from, seed by seed.

    Raises:
        UserError: A run in the folder was begun with other settings.
    """
    tasks: dict[Path, Task] = {}
    for seed in ablation.seeds:
        for variant in ablation.variants:
            config, needs = ablation.configuration(variant, seed), None
            if config.init is None:  # else the start is given, and nothing is shared
                config, needs = _shared(config, seed, output, tasks)
            folder = run_folder(output, variant, seed)
            tasks[folder] = Task(f"{variant}, seed {seed}", folder, config, needs)
    for task in tasks.values():
        _check_settings(task)
    return list(tasks.values())


def _shared(
    config: TrainingConfig, seed: int, output: Path, tasks: dict[Path, Task]
) -> tuple[TrainingConfig, Path | None]:
    """Plans the sensing networks and the start of a configuration, and goes on from there."""
    needs = None
    if config.sensing.steps != 0:
        alone = _without(config, "start", "fusion").model_copy(update={"network": Network()})
        needs = _add("sensing", alone, None, seed, output, tasks)
        config = _without(config, "sensing")
        config.sensing.init = str(needs)
    if config.start.steps != 0:
        needs = _add("start", _without(config, "fusion"), needs, seed, output, tasks)
        config = _without(config, "start").model_copy(update={"init": str(needs)})
    return config, needs


def _without(config: TrainingConfig, *stages: str) -> TrainingConfig:
    """The configuration with no step in some stages."""
    return config.model_copy(
        update={stage: getattr(config, stage).model_copy(update={"steps": 0}) for stage in stages}
    )


def _add(
    stage: str,
    config: TrainingConfig,
    needs: Path | None,
    seed: int,
    output: Path,
    tasks: dict[Path, Task],
) -> Path:
    """Plans a shared run where there is none of the same settings; gives its folder."""
    key = Task(stage, output, config).key
    folder = output / "shared" / f"{stage}-{key}"
    tasks.setdefault(folder, Task(f"{stage} {key}, seed {seed}", folder, config, needs))
    return folder


def _check_settings(task: Task) -> None:
    """A run that was begun must have been begun with these settings."""
    saved = task.folder / "config.yaml"
    if not saved.is_file():
        return
    before = Task(task.name, task.folder, load_config(file=saved))
    if before.key != task.key:
        raise UserError(
            f"The run in {task.folder} was begun with other settings: restore those of its "
            f"{saved.name}, or use a new folder."
        )


Report = Callable[[Task, str | None, float], None]
"""Called when a run has ended, with what went wrong, if anything, and its seconds."""


def places(processes: int | None, device: str, cores: int) -> list[dict[str, str]]:
    """Where runs go side by side: the environment of each place.

    Args:
        processes: How many places; None for one on each GPU, or one in all without a GPU.
        device: auto, cpu, cuda or mps.
        cores: That may be used.

    Returns:
        One environment a place: a GPU of its own where there are some, and its share of threads.
    """
    gpus: list[str] = []
    if device in ("auto", "cuda"):
        import torch

        seen = os.environ.get("CUDA_VISIBLE_DEVICES") or ""
        gpus = seen.split(",") if seen else [str(n) for n in range(torch.cuda.device_count())]
        gpus = gpus if torch.cuda.is_available() else []
    count = processes or len(gpus) or 1
    threads = {"OMP_NUM_THREADS": str(max(1, cores // count))}
    if not gpus:
        return [threads] * count
    return [threads | {"CUDA_VISIBLE_DEVICES": gpus[n % len(gpus)]} for n in range(count)]


def train_all(
    tasks: list[Task],
    environments: list[dict[str, str]],
    device: str = "auto",
    report: Report = lambda task, failure, seconds: None,
) -> dict[str, str]:
    """Trains what is not trained yet, each run in a process of its own.

    A run that was stopped goes on from its checkpoint. One that fails costs only those that need
    it. When this process is interrupted or ended, so are the runs.

    Args:
        tasks: From `plan`.
        environments: From `places`; so many runs go on at a time.
        device: For the runs; see `emma_fusion.training.config.RunSettings`.
        report: Called at the end of every run.

    Returns:
        Name of each task that failed -> why.
    """
    method = "spawn" if sys.platform == "win32" else "forkserver"
    context: Any = multiprocessing.get_context(method)
    if method == "forkserver":  # imports PyTorch once and not for every run
        context.set_forkserver_preload(["emma_fusion.training.run"])
    waiting = [task for task in tasks if not task.done]
    free = list(environments)
    failures: dict[str, str] = {}
    failed: set[Path] = set()
    running: dict[Any, tuple[Task, dict[str, str], float]] = {}

    def end(task: Task, failure: str | None, seconds: float) -> None:
        if failure is not None:
            failures[task.name] = failure
            failed.add(task.folder)
        report(task, failure, seconds)

    try:
        while waiting or running:
            for task in list(waiting):
                if task.needs in failed:
                    waiting.remove(task)
                    end(task, f"the run that it goes on from, {task.needs}, has failed.", 0.0)
                elif free and (task.needs is None or _done(task.needs)):
                    waiting.remove(task)
                    place = free.pop(0)
                    arguments = (task.config.model_dump_json(), str(task.folder), device, place)
                    process = context.Process(target=_train, args=arguments, daemon=True)
                    process.start()
                    running[process] = (task, place, time.monotonic())
            if not running:  # the last ones failed for want of what they need
                continue
            ended = connection.wait([process.sentinel for process in running])
            for process in [process for process in running if process.sentinel in ended]:
                process.join()
                task, place, began = running.pop(process)
                free.append(place)
                failure = None if task.done else _reason(task, process.exitcode)
                end(task, failure, time.monotonic() - began)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.join()
    return failures


def _done(folder: Path) -> bool:
    return (folder / models.FUSER).is_file()


def _reason(task: Task, exit_code: int | None) -> str:
    """Why a run failed, as far as its log says it."""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f"its process was ended by {name}, perhaps because memory ran out."
    log = task.folder / LOG
    lines = log.read_text(encoding="utf-8").split("\n") if log.is_file() else []
    said = [line for line in lines if line.strip()]
    return f"{said[-1] if said else 'its process ended'} ({log})"


def _train(config: str, folder: str, device: str, environment: dict[str, str]) -> None:
    """What the process of a run does; what it says goes into the run's log."""
    live_with_parent()
    os.environ.update(environment)
    from emma_fusion.training.run import train

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    settings = TrainingConfig.model_validate_json(config)
    settings.run.threads = int(environment["OMP_NUM_THREADS"])
    settings.run.device = device  # type: ignore[assignment]  # the command has checked it
    with (
        (place / LOG).open("a", encoding="utf-8") as log,
        redirect_stderr(log),
        redirect_stdout(log),
    ):
        try:
            train(settings, place, resume=(place / CHECKPOINT).is_file())
        except UserError as error:
            print(" ".join(str(error).split()))
            raise SystemExit(1) from None
        except Exception:
            traceback.print_exc()
            raise SystemExit(1) from None
    (place / CHECKPOINT).unlink(missing_ok=True)  # ten times the weights, and of no more use
