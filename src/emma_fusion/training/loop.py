"""The loop that the stages of every training run through, and what they leave in its folder."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
import yaml
from lightning_fabric import Fabric
from pydantic import BaseModel
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from emma_fusion import __version__, models
from emma_fusion.errors import UserError
from emma_fusion.networks import pad_to_multiple
from emma_fusion.networks.weights import FusionNetwork
from emma_fusion.training.checkpoint import NAME, load_checkpoint, save_checkpoint
from emma_fusion.training.config import RunSettings
from emma_fusion.training.journal import Journal
from emma_fusion.training.patches import evenly_spaced
from emma_fusion.training.processes import average_gradients
from emma_fusion.training.stages import Draw, Stage
from emma_fusion.training.validation import validation_row
from emma_fusion.values.arrays import FloatArray

CONFIG = "config.yaml"
PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
}


def check_run(run: RunSettings, folder: Path, resume: bool) -> dict[str, Any] | None:
    """Checks, before anything is written, that a run can begin or go on.

    Args:
        run: Where and how it is to run.
        folder: Of the run.
        resume: Go on from the folder's checkpoint.

    Returns:
        The checkpoint to go on from, or None.

    Raises:
        UserError: The folder holds a run and ``resume`` is False, or it holds none that can go
            on, or the device is not there.
    """
    if not resume and any((folder / name).exists() for name in (NAME, models.FUSER)):
        raise UserError(
            f"{folder} already holds a run: continue it with --resume, or use a new folder."
        )
    if not _present(run.device):
        raise UserError(f"The device {run.device} is not on this machine: use auto or cpu.")
    return load_checkpoint(folder) if resume else None


def launch(config: BaseModel, run: RunSettings, folder: Path, resume: bool) -> Fabric:
    """Starts the processes of a run; the first one saves its configuration.

    Args:
        config: The whole configuration.
        run: The part of it that says where and how.
        folder: Of the run; made here.
        resume: Whether the configuration is there already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if run.threads:
        torch.set_num_threads(run.threads)
    fabric = Fabric(
        accelerator=run.device,
        devices=run.devices,
        num_nodes=run.nodes,
        strategy="ddp" if run.devices * run.nodes > 1 else "auto",
        precision=PRECISIONS[run.precision],
    )
    fabric.launch()
    if fabric.is_global_zero and not resume:
        text = yaml.safe_dump(json.loads(config.model_dump_json()), sort_keys=False)
        temporary = folder / f".{CONFIG}.tmp"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, folder / CONFIG)
    return fabric


class Loop:
    """Trains the stages of one run.

    Args:
        run: Where and how it runs.
        folder: Where it is kept.
        fabric: Its processes.
        journal: What it tells.
        networks: All networks of the run by name; ``fuser`` is among them.
        data: Fingerprint of the images.
        validation: Pairs for previews: stem, infrared, visible and, if there is one image that
            the fused one is to be like, that one; ``(H, W)`` each.
        state: A checkpoint to go on from.

    Raises:
        UserError: The checkpoint is of other images or networks.
    """

    def __init__(
        self,
        run: RunSettings,
        folder: Path,
        fabric: Fabric,
        journal: Journal,
        networks: dict[str, nn.Module],
        data: str,
        validation: Sequence[tuple[str, *tuple[FloatArray, ...]]],
        state: dict[str, Any] | None = None,
    ) -> None:
        self.run, self.folder, self.fabric, self.journal = run, folder, fabric, journal
        self.networks, self.data = networks, data
        chosen = evenly_spaced(len(validation), run.validation_pairs)
        self.validation = [validation[index] for index in chosen]
        self.state = state
        self.seconds = float(state["seconds"]) if state else 0.0
        if state:
            self._load(state)

    def train(self, stage: Stage, total: int) -> None:
        """Runs one stage to its last step, from its first or from where it was left.

        All networks but those of the stage are frozen.
        """
        resumed = self.state if self.state and self.state["stage"] == stage.name else None
        parameters = [p for net in stage.trained.values() for p in net.parameters()]
        for net in stage.trained.values():
            net.train().requires_grad_(True)
        for frozen in self.networks.values():
            if not any(frozen is net for net in stage.trained.values()):
                frozen.eval().requires_grad_(False)
        optimizer = torch.optim.Adam(parameters, lr=stage.schedule.lr)
        trained = nn.ModuleDict(stage.trained)
        mean = AveragedModel(trained) if stage.ema else None
        if mean is not None:
            mean.update_parameters(trained)  # the first of all that the mean is of: the beginning
        first = 0
        if resumed:
            first = int(resumed["step"])
            optimizer.load_state_dict(resumed["optimizer"])
            if mean is not None:
                mean.load_state_dict(resumed["average"])
        self.journal.begin(stage.name, total, first)
        began = time.monotonic()
        for step in range(first, total):
            for parameter_group in optimizer.param_groups:
                parameter_group["lr"] = stage.schedule.rate(step, total)
            with self.fabric.autocast():
                loss, terms = stage.loss(
                    Draw(self._generator(stage.name, step), step, self.run.seed)
                )
            optimizer.zero_grad(set_to_none=True)
            self.fabric.backward(loss)
            average_gradients(self.fabric, parameters)
            if stage.schedule.clip:
                # One step on a bad batch can saturate the last sigmoid for good.
                torch.nn.utils.clip_grad_norm_(parameters, stage.schedule.clip)
            optimizer.step()
            if mean is not None:
                # A mean over the steps so far, until it is as long as the decay asks for.
                decay = min(stage.ema, (step + 1) / (step + 10))
                mean.multi_avg_fn = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
                mean.update_parameters(trained)
            done = step + 1
            if done % 10 == 0 or done == total:
                values = {"loss": loss.item(), **{k: v.item() for k, v in terms.items()}}
                self._check(values["loss"], done)
                self.journal.write(stage.name, done, values)
                text = " ".join(f"{name} {value:.4f}" for name, value in values.items())
                self.journal.advance(done, text)
            if done % self.run.checkpoint_every == 0 or done == total:
                self.seconds += time.monotonic() - began
                began = time.monotonic()
                self._save(stage, done, optimizer, mean)
            if done % self.run.preview_every == 0 or done == total:
                self._preview(stage, done, mean)
        if mean is not None and total:
            trained.load_state_dict(mean.module.state_dict())

    def facts(self, config: BaseModel) -> dict[str, Any]:
        """What the weights file of a network says of how it came to be."""
        return {
            "version": __version__,
            "configuration": json.loads(config.model_dump_json()),
            "data": self.data,
            "minutes": round(self.seconds / 60, 1),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {self.fabric.device}",
            "torch": torch.__version__,
        }

    def _check(self, loss: float, step: int) -> None:
        """Stops all processes where the loss of one is no number; the checkpoint is older."""
        total: Any = self.fabric.all_reduce(torch.tensor(loss), reduce_op="sum")
        if not torch.isfinite(total):
            raise UserError(
                f"The loss is {loss} at step {step}: lower the rate (lr) or the weights of its "
                "terms, and begin in a new folder."
            )

    def _generator(self, stage: str, step: int) -> torch.Generator:
        """A generator that depends on nothing but seed, stage and step: so a run can resume."""
        words = [self.run.seed, *stage.encode(), step]
        seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)
        return torch.Generator().manual_seed(seed)

    def _preview(self, stage: Stage, step: int, mean: AveragedModel | None) -> None:
        """Fuses validation pairs, logs their scores, shows four, and stops where they go wrong."""
        pairs = self.validation
        if "fuser" not in stage.trained or not pairs or not self.fabric.is_global_zero:
            return
        averaged: Any = stage.trained if mean is None else mean.module
        network = averaged["fuser"]
        with evaluating(network), torch.no_grad():
            planes = [pair[1:] for pair in pairs]
            fused = [fuse_planes(network, p[0], p[1], self.fabric.device) for p in planes]
        images = [(f, p[0], p[1]) for f, p in zip(fused, planes, strict=True)]
        self._show(stage, step, [(*p, f) for f, p in zip(fused, planes, strict=True)])
        row = validation_row(images)
        self.journal.write(f"{stage.name}-validation", step, row)
        text = " ".join(f"{name} {value:.3f}" for name, value in row.items())
        self.journal.say(f"{stage.name} step {step}, {len(pairs)} validation pairs: {text}")
        if stage.guard is not None:
            stage.guard(step, row)

    def _show(self, stage: Stage, step: int, rows: list[tuple[FloatArray, ...]]) -> None:
        """A sheet of four validation pairs: what goes in, and what comes out on the right."""
        chosen = [rows[index] for index in evenly_spaced(len(rows), 4)]
        stacked = [np.hstack(row) for row in chosen]
        width = min(row.shape[1] for row in stacked)
        sheet = np.vstack(
            [cv2.resize(row, (width, row.shape[0] * width // row.shape[1])) for row in stacked]
        )
        image = np.rint(sheet * 255).astype(np.uint8)
        self.journal.show(stage.name, step, image)
        (self.folder / "previews").mkdir(exist_ok=True)
        cv2.imwrite(str(self.folder / "previews" / f"{stage.name}-{step:06d}.png"), image)

    def _save(
        self,
        stage: Stage,
        step: int,
        optimizer: torch.optim.Optimizer,
        mean: AveragedModel | None,
    ) -> None:
        if self.fabric.is_global_zero:
            save_checkpoint(
                self.folder,
                {
                    "version": __version__,
                    "stage": stage.name,
                    "step": step,
                    "seconds": self.seconds,
                    "data": self.data,
                    **{name: net.state_dict() for name, net in self.networks.items()},
                    "optimizer": optimizer.state_dict(),
                    "average": {} if mean is None else mean.state_dict(),
                },
            )
        self.fabric.barrier()

    def _load(self, state: dict[str, Any]) -> None:
        if state["data"] != self.data:
            raise UserError(
                f"The images are not those that the run in {self.folder} began with: restore "
                "them, or start a new run."
            )
        try:
            for name, net in self.networks.items():
                net.load_state_dict(state[name])
        except (KeyError, RuntimeError) as error:
            raise UserError(
                f"The checkpoint in {self.folder} is of other networks than its {CONFIG} says."
            ) from error


def fuse_planes(
    network: FusionNetwork, infrared: FloatArray, visible: FloatArray, device: torch.device
) -> FloatArray:
    """Fuses one whole pair with a network in training.

    Args:
        network: In eval mode.
        infrared: ``(H, W)`` in [0, 1].
        visible: The same shape.
        device: Of the network.

    Returns:
        ``(H, W)`` float32 in [0, 1].
    """
    height, width = infrared.shape
    planes = (torch.from_numpy(plane)[None, None] for plane in (infrared, visible))
    padded = [
        pad_to_multiple(plane, network.multiple_of, network.minimum_size).to(device)
        for plane in planes
    ]
    fused: FloatArray = network(*padded)[0, 0, :height, :width].float().cpu().numpy()
    return fused


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """A network in eval mode for the length of a block."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _present(device: str) -> bool:
    """Whether a device that was asked for by name is there."""
    if device == "cuda":
        return torch.cuda.is_available()
    return device != "mps" or torch.backends.mps.is_available()
