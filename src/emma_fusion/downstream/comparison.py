"""All cells of a comparison, kinds of input x seeds; what is finished is never done again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import yaml
from lightning_fabric import Fabric

from emma_fusion import __version__
from emma_fusion.bench.scoring import source_hash
from emma_fusion.downstream.cell import LOG, Outcome, train_cell
from emma_fusion.downstream.config import Experiment
from emma_fusion.downstream.detect import Detection
from emma_fusion.downstream.inputs import Kind
from emma_fusion.downstream.labels import Boxes
from emma_fusion.downstream.layouts import Dataset, Scene
from emma_fusion.downstream.samples import Scenes, Target
from emma_fusion.downstream.segment import Segmentation
from emma_fusion.downstream.task import Task
from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_image, write_image, write_whole
from emma_fusion.training.checkpoint import NAME as CHECKPOINT
from emma_fusion.training.settings import read_settings

CONFIG = "protocol.yaml"
RESULT = "result.json"
Report = Callable[["Cell | None", int, int, float], None]
"""Called after a cell with it (None if it was there), how many are done, of how many, seconds."""


@dataclass(frozen=True)
class Cell:
    """One kind of input with one seed.

    Attributes:
        kind: Name.
        seed: Number.
        values: Measure -> value; see `emma_fusion.downstream.task.Measured`.
        images: Stem -> value.
        facts: Steps a second, seconds, parameters, stamp, version.
        folder: Of the cell.
    """

    kind: str
    seed: int
    values: dict[str, float]
    images: dict[str, float]
    facts: dict[str, Any]
    folder: Path


def make_task(experiment: Experiment, dataset: Dataset) -> Task:
    """The task of a comparison on a dataset.

    Raises:
        UserError: The network is for another task than the dataset.
    """
    if dataset.task != experiment.task:
        raise UserError(
            f"{dataset.title} is a dataset to {dataset.task}, and the network "
            f"{experiment.network.name} is one to {experiment.task}."
        )
    if dataset.task == "segment":
        return Segmentation(dataset, experiment.training.balance)
    return Detection(dataset)


def compare(
    experiment: Experiment,
    dataset: Dataset,
    kinds: list[Kind],
    output: Path,
    report: Report = lambda cell, done, total, seconds: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Cell]:
    """Train and measure every cell that is not there yet, seed after seed.

    A cell is kept in ``OUTPUT/cells/KIND/seed-SEED``. It is done anew only if the images of its
    kind have changed, such as those of a model with new weights.

    Args:
        experiment: The settings.
        dataset: The scenes.
        kinds: Of input, made.
        output: Folder; one that holds cells of another protocol is refused.
        report: Called after every cell.
        progress: Called with the steps of a cell.

    Returns:
        All cells, in the order of kinds and then seeds.

    Raises:
        UserError: See `emma_fusion.downstream.cell.train_cell` and `keep_protocol`.
    """
    keep_protocol(experiment, output)
    if experiment.run.threads:
        torch.set_num_threads(experiment.run.threads)
    fabric = Fabric(
        accelerator=experiment.run.device,
        devices=1,
        precision="bf16-mixed" if experiment.run.precision == "bf16" else "32-true",
    )
    task = make_task(experiment, dataset)
    shown = {scene.stem for scene in shown_scenes(experiment, dataset)}
    cells: dict[tuple[str, int], Cell] = {}
    done, total = 0, len(kinds) * len(experiment.seeds)
    data = _data_stamp(dataset)
    prepared = False
    for seed in experiment.seeds:
        for kind in kinds:
            folder = cell_folder(output, kind.name, seed)
            stamp = f"{kind.stamp} {data}"
            cell = read_cell(folder, kind.name, seed)
            seconds, trained = 0.0, None
            if cell is None or cell.facts["stamp"] != stamp:
                began = time.monotonic()
                _forget(folder, stamp)
                train, test = _splits(experiment, dataset, kind, task)
                if not prepared:
                    task.prepare(train)
                    prepared = True
                outcome = train_cell(
                    experiment, task, train, test, seed, fabric, folder, shown, progress
                )
                cell = trained = _keep(outcome, kind, seed, folder, stamp)
                seconds = time.monotonic() - began
            cells[kind.name, seed] = cell
            done += 1
            report(trained, done, total, seconds)
    return [cells[kind.name, seed] for kind in kinds for seed in experiment.seeds]


def keep_protocol(experiment: Experiment, output: Path) -> None:
    """Write down what the cells have in common, or see that it is what is written there.

    Raises:
        UserError: The folder's cells were made by another protocol.
    """
    path, protocol = output / CONFIG, experiment.protocol()
    if not path.is_file():
        text = yaml.safe_dump(protocol, sort_keys=False, allow_unicode=True)
        write_whole({path: text.encode()})
        return
    before = read_settings(path)
    if before != protocol:
        parts = [name for name in protocol if before.get(name) != protocol[name]]
        raise UserError(
            f"{output} holds results of another protocol ({', '.join(parts)} differ): restore "
            f"what its {CONFIG} says, or use a new folder."
        )


def cell_folder(output: Path, kind: str, seed: int) -> Path:
    """Where a cell is kept."""
    return output / "cells" / kind / f"seed-{seed}"


def read_cell(folder: Path, kind: str, seed: int) -> Cell | None:
    """A finished cell, or None.

    Raises:
        UserError: The file of its result is damaged.
    """
    path = folder / RESULT
    if not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text("utf-8"))
        values, images = (
            {name: _number(value) for name, value in kept[part].items()}
            for part in ("values", "images")
        )
        return Cell(kind, seed, values, images, kept["facts"], folder)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged: delete it, and its training is done again.") from error


def shown_scenes(experiment: Experiment, dataset: Dataset) -> list[Scene]:
    """The test scenes that are drawn, evenly spread."""
    count = min(experiment.shown, len(dataset.test))
    return [dataset.test[(2 * k + 1) * len(dataset.test) // (2 * count)] for k in range(count)]


def read_found(cell: Cell, stem: str) -> Target:
    """What a cell found in a scene that is shown."""
    mask = cell.folder / "found" / f"{stem}.png"
    if mask.is_file():
        return cast(Target, read_image(mask))
    kept = json.loads((cell.folder / "found" / f"{stem}.json").read_text("utf-8"))
    return Boxes.of(kept["corners"], kept["classes"], kept["scores"])


def _splits(
    experiment: Experiment, dataset: Dataset, kind: Kind, task: Task
) -> tuple[Scenes, Scenes]:
    size, memory = experiment.images.size, experiment.run.memory * 2**30
    test = Scenes(dataset.test, "test", kind, size, task.label, memory / 4)
    return Scenes(dataset.train, "train", kind, size, task.label, memory), test


def _data_stamp(dataset: Dataset) -> str:
    """Changes when the scenes, their labels or the sizes of their images' files do."""
    digest = hashlib.blake2b(digest_size=8)
    for scene in [*dataset.train, *dataset.test]:
        sizes = scene.infrared.stat().st_size, scene.visible.stat().st_size
        digest.update(f"{scene.stem} {source_hash(scene.label)} {sizes}\n".encode())
    return digest.hexdigest()


def _forget(folder: Path, stamp: str) -> None:
    """A checkpoint of other images is of no use."""
    marker = folder / "stamp"
    if marker.is_file() and marker.read_text("utf-8") != stamp:
        for name in (CHECKPOINT, LOG, RESULT):
            (folder / name).unlink(missing_ok=True)
    write_whole({marker: stamp.encode()})


def _keep(outcome: Outcome, kind: Kind, seed: int, folder: Path, stamp: str) -> Cell:
    files: dict[Path, bytes] = {}
    for stem, found in outcome.found.items():
        if isinstance(found, np.ndarray):
            write_image(folder / "found" / f"{stem}.png", found)
        else:
            boxes = {name: array.tolist() for name, array in vars(found).items()}
            files[folder / "found" / f"{stem}.json"] = json.dumps(boxes).encode()
    facts = {
        "stamp": stamp,
        "version": __version__,
        "parameters": outcome.parameters,
        "steps_per_second": round(outcome.steps_per_second, 4),
        "seconds": round(outcome.seconds, 1),
        "torch": torch.__version__,
        "cores": os.cpu_count(),
    }
    kept = {
        "kind": kind.name,
        "seed": seed,
        "facts": facts,
        "values": {k: _plain(v) for k, v in outcome.measured.values.items()},
        "images": {k: _plain(v) for k, v in outcome.measured.images.items()},
    }
    for path, data in files.items():
        write_whole({path: data})
    write_whole({folder / RESULT: (json.dumps(kept, indent=1) + "\n").encode()})
    return Cell(kind.name, seed, outcome.measured.values, outcome.measured.images, facts, folder)


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return value if np.isfinite(value) else None


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
