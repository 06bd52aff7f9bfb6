"""One network on one kind of input with one seed: trained, and measured on the test split."""

from __future__ import annotations

import csv
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader

from emma_fusion.downstream.config import Experiment
from emma_fusion.downstream.networks import build_network
from emma_fusion.downstream.samples import Samples, Scenes, Standard, Target
from emma_fusion.downstream.task import Measured, Task
from emma_fusion.errors import UserError
from emma_fusion.training.checkpoint import NAME as CHECKPOINT
from emma_fusion.training.checkpoint import save_checkpoint

LOG = "log.csv"
Progress = Callable[[int, int], None]


@dataclass
class Outcome:
    """What a cell gave.

    Attributes:
        measured: On the test split.
        found: Stem -> what was found there, for the scenes to show.
        steps_per_second: Of training, reading of images included.
        seconds: Of training and testing.
        parameters: Of the network.
    """

    measured: Measured
    found: dict[str, Target]
    steps_per_second: float
    seconds: float
    parameters: int


def train_cell(
    experiment: Experiment,
    task: Task,
    train: Scenes,
    test: Scenes,
    seed: int,
    fabric: Fabric,
    folder: Path,
    shown: set[str],
    progress: Progress = lambda done, total: None,
) -> Outcome:
    """Train a network and measure it; a cell that was stopped goes on from its checkpoint.

    With the same seed all kinds of input have the same scenes, windows and mirrorings in the same
    order, and the same new weights but for a first layer of another number of channels.

    Args:
        experiment: The settings.
        task: Segmentation or detection, prepared.
        train: The training split.
        test: The test split.
        seed: Of weights, samples and dropout.
        fabric: Where it runs, and how precisely.
        folder: Of the cell.
        shown: Stems of test scenes whose predictions are kept.
        progress: Called with the steps done, and of how many.

    Raises:
        UserError: An image or label cannot be read, the loss is no number, or the checkpoint is
            of other settings.
    """
    settings, began = experiment.training, time.monotonic()
    images = experiment.images
    network = build_network(
        experiment.network.name,
        train.kind.channels,
        len(task.classes),
        images.size,
        experiment.network.settings,
        experiment.network.weights,
        seed,
    ).to(fabric.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a little faster
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
    )
    total = settings.total(len(train))
    first, before = 0, 0.0
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CHECKPOINT).is_file():
        state = _load(folder / CHECKPOINT)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first, before = int(state["step"]), float(state["seconds"])
    standard = Standard.of(train)
    samples = Samples(train, standard, images, total * settings.batch, seed)
    rest = torch.utils.data.Subset(samples, range(first * settings.batch, len(samples)))
    loader: DataLoader[Any] = DataLoader(
        rest, settings.batch, num_workers=experiment.run.workers, collate_fn=_collate
    )
    network.train()
    rows = _rows(folder / LOG, first)
    loop = time.monotonic()
    for step, (batch, targets) in enumerate(loader, first):
        for group in optimizer.param_groups:
            group["lr"] = settings.rate(step, total)
        with torch.random.fork_rng(), fabric.autocast():
            # decides dropout, of a resumed run as of a whole one
            torch.manual_seed(int(np.random.SeedSequence((seed, 2, step)).generate_state(1)[0]))
            loss = task.loss(network, batch.to(fabric.device), targets)
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        if settings.clip:
            nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        optimizer.step()
        done = step + 1
        if done % 10 == 0 or done == total:
            if not torch.isfinite(loss):
                raise UserError(
                    f"The loss is {loss.item()} at step {done} of {folder}: lower training.lr or "
                    "set training.clip, in a new folder."
                )
            seconds = before + time.monotonic() - loop
            rows.append([done, f"{loss.item():.6g}", f"{seconds:.3f}"])
        progress(done, total)
        if done % experiment.run.checkpoint_every == 0 and done < total:
            _write_rows(folder / LOG, rows)
            state = {
                "step": done,
                "seconds": before + time.monotonic() - loop,
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
            }
            save_checkpoint(folder, state)
    trained = before + time.monotonic() - loop
    _write_rows(folder / LOG, rows)
    measured, found = test_network(network, task, test, standard, settings.batch, fabric, shown)
    if experiment.run.keep_weights:
        cast(Any, network).save_pretrained(folder / "network")
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return Outcome(
        measured,
        found,
        steps_per_second=total / trained if trained > 0 else 0.0,
        seconds=before + time.monotonic() - began,
        parameters=sum(p.numel() for p in network.parameters()),
    )


def test_network(
    network: nn.Module,
    task: Task,
    test: Scenes,
    standard: Standard,
    batch: int,
    fabric: Fabric,
    shown: set[str],
) -> tuple[Measured, dict[str, Target]]:
    """Measure a network on the test split, whole images at their size for the network.

    Args:
        network: Trained.
        task: Of what.
        test: The split.
        standard: Of the training split.
        batch: Images at a time.
        fabric: Where and how precisely.
        shown: Stems whose predictions are given back.

    Returns:
        What it reached, and stem -> what was found.
    """
    network.eval()
    found: list[Target] = []
    truth: list[Target] = []
    stems = [scene.stem for scene in test.scenes]
    with torch.no_grad():
        for start in range(0, len(test), batch):
            items = [test[k] for k in range(start, min(start + batch, len(test)))]
            images = torch.stack([standard.apply(image) for image, _ in items])
            targets = [target for _, target in items]
            with fabric.autocast():
                found += task.predict(network, images.to(fabric.device), targets)
            truth += targets
    kept = {stem: one for stem, one in zip(stems, found, strict=True) if stem in shown}
    return task.measure(stems, found, truth), kept


def _load(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise UserError(f"The checkpoint {path} is damaged: delete it to start again.") from error
    return state


def _collate(items: list[tuple[Tensor, Any]]) -> tuple[Tensor, list[Any]]:
    return torch.stack([image for image, _ in items]), [target for _, target in items]


def _rows(path: Path, step: int) -> list[list[Any]]:
    """The log up to a step; a resumed run does the rest again."""
    if not step or not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in list(csv.reader(file))[1:] if int(row[0]) <= step]


def _write_rows(path: Path, rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["step", "loss", "seconds"], *rows])
