"""A training run from folders of pairs to weights: stages 0, 1, start and 2 in a row."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
import yaml
from lightning_fabric import Fabric
from torch import nn

from emma_fusion import __version__, models
from emma_fusion.errors import UserError
from emma_fusion.media.folders import match_pairs
from emma_fusion.metrics.hidden_pattern import hidden_pattern_ratio
from emma_fusion.networks import SensingUNet, UFuser, pad_to_multiple
from emma_fusion.networks.weights import (
    load_fuser,
    load_sensing,
    read_facts,
    save_weights,
)
from emma_fusion.training.checkpoint import NAME, load_checkpoint, save_checkpoint
from emma_fusion.training.config import Schedule, StageName, TrainingConfig
from emma_fusion.training.journal import Journal
from emma_fusion.training.patches import PatchSet, read_patches
from emma_fusion.training.processes import average_gradients, share_statistics
from emma_fusion.training.stages import Stage, fusion_stage, sensing_stage, start_stage

CONFIG = "config.yaml"
PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
}


def train(config: TrainingConfig, folder: Path, resume: bool = False) -> Path:
    """Trains, or goes on training, and writes the weights.

    Args:
        config: The configuration; of a resumed run it must be the one saved with it.
        folder: Where the run is kept: configuration, logs, checkpoint, previews, weights.
        resume: Go on from the folder's checkpoint.

    Returns:
        The U-Fuser's weights file.

    Raises:
        UserError: The folder holds a run and ``resume`` is False, or the data cannot be used.
    """
    if not resume and any((folder / name).exists() for name in (NAME, models.FUSER)):
        raise UserError(f"{folder} holds a run already: go on with --resume, or use a new folder.")
    if not config.pairs:
        raise UserError("There is nothing to train on: give two folders of pairs.")
    if not _present(config.run.device):
        raise UserError(f"The device {config.run.device} is not on this machine: use auto or cpu.")
    for pairs in config.pairs:  # before anything is written
        match_pairs(pairs.infrared, pairs.visible)
    for init in filter(None, (config.init, config.sensing.init)):
        models.find(init)
    state = load_checkpoint(folder) if resume else None
    folder.mkdir(parents=True, exist_ok=True)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    fabric = Fabric(
        accelerator=config.run.device,
        devices=config.run.devices,
        num_nodes=config.run.nodes,
        strategy="ddp" if config.run.devices * config.run.nodes > 1 else "auto",
        precision=PRECISIONS[config.run.precision],
    )
    fabric.launch()
    if fabric.is_global_zero and not resume:
        _write_config(config, folder)
    with Journal(folder, fabric.is_global_zero) as journal:
        return _Training(config, folder, fabric, journal, state).run()


class _Training:
    """The state of one run."""

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        fabric: Fabric,
        journal: Journal,
        state: dict[str, Any] | None,
    ) -> None:
        self.config, self.folder, self.fabric, self.journal = config, folder, fabric, journal
        self.fuser, self.infrared_net, self.visible_net = self._networks()
        self.patches = self._patches()
        self.seconds = float(state["seconds"]) if state else 0.0
        self.state = state
        if state:
            self._load(state)
        schedules: dict[StageName, Schedule] = {
            "sensing": config.sensing,
            "start": config.start,
            "fusion": config.fusion,
        }
        for stage, schedule in schedules.items():
            if schedule.steps != 0 and not len(self.patches.of(stage)):
                raise UserError(f"No pairs name the stage {stage} in their `stages`.")

    def run(self) -> Path:
        config = self.config
        stages = [
            sensing_stage(config, self.fabric, self.patches, self.infrared_net, self.visible_net),
            start_stage(config, self.fabric, self.patches, self.fuser),
            fusion_stage(
                config,
                self.fabric,
                self.patches,
                self.fuser,
                self.infrared_net,
                self.visible_net,
            ),
        ]
        at = self.state["stage"] if self.state else stages[0].name
        names = [stage.name for stage in stages]
        for stage in stages[names.index(at) :]:
            resumed = self.state if self.state and stage.name == at else None
            self._train(stage, resumed)
            if "infrared" in stage.trained:
                self._write("sensing_infrared", self.infrared_net)
                self._write("sensing_visible", self.visible_net)
        self._write("fuser", self.fuser)
        return self.folder / models.FUSER

    def _train(self, stage: Stage, resumed: dict[str, Any] | None) -> None:
        """Runs one stage from its first step, or from where it was left."""
        total = stage.schedule.total(len(self.patches.of(stage.name)))
        parameters = [p for net in stage.trained.values() for p in net.parameters()]
        for net in stage.trained.values():
            net.train().requires_grad_(True)
        for frozen in (self.infrared_net, self.visible_net):
            if not any(frozen is net for net in stage.trained.values()):
                frozen.eval().requires_grad_(False)
        optimizer = torch.optim.Adam(parameters, lr=stage.schedule.lr)
        mean = deepcopy(stage.trained) if stage.ema else None
        first = 0
        if resumed:
            first = int(resumed["step"])
            optimizer.load_state_dict(resumed["optimizer"])
            if mean is not None:
                for name, net in mean.items():
                    net.load_state_dict(resumed["mean"][name])
        self.journal.begin(stage.name, total, first)
        began = time.monotonic()
        for step in range(first, total):
            for parameter_group in optimizer.param_groups:
                parameter_group["lr"] = stage.schedule.rate(step, total)
            with self.fabric.autocast():
                loss, terms = stage.loss(self._generator(stage.name, step))
            optimizer.zero_grad(set_to_none=True)
            self.fabric.backward(loss)
            average_gradients(self.fabric, parameters)
            optimizer.step()
            if mean is not None:
                # A mean over the steps so far, until it is as long as the decay asks for.
                decay = min(stage.ema, (step + 1) / (step + 10))
                _follow(mean, stage.trained, decay)
            done = step + 1
            if done % 10 == 0 or done == total:
                values = {"loss": loss.item(), **{k: v.item() for k, v in terms.items()}}
                self._check(values["loss"], done)
                self.journal.write(stage.name, done, values)
                text = " ".join(f"{name} {value:.4f}" for name, value in values.items())
                self.journal.advance(done, text)
            if done % self.config.run.preview_every == 0 or done == total:
                self._preview(stage, done, mean)
            if done % self.config.run.checkpoint_every == 0 or done == total:
                self.seconds += time.monotonic() - began
                began = time.monotonic()
                self._save(stage, done, optimizer, mean)
        if mean is not None and total:
            for name, net in stage.trained.items():
                net.load_state_dict(mean[name].state_dict())

    def _check(self, loss: float, step: int) -> None:
        """Stops all processes where the loss of one is no number; the checkpoint is older."""
        total: Any = self.fabric.all_reduce(torch.tensor(loss), reduce_op="sum")
        if not torch.isfinite(total):
            raise UserError(
                f"The loss is {loss} at step {step}: lower the rate (lr) or the weights of its "
                "terms, and begin in a new folder."
            )

    def _networks(self) -> tuple[UFuser, SensingUNet, SensingUNet]:
        """New networks, or those to go on from; the same in every process."""
        config = self.config
        sensing, width = config.sensing.init or config.init, config.sensing.width
        with torch.random.fork_rng():
            torch.manual_seed(config.run.seed)
            if config.init:
                fuser = load_fuser(config.init)
            else:
                fuser = UFuser(branches=config.network.branches)
            if sensing:
                infrared_net = load_sensing(models.find(sensing, models.SENSING_INFRARED))
                visible_net = load_sensing(models.find(sensing, models.SENSING_VISIBLE))
            else:
                infrared_net = SensingUNet(width, config.sensing.low_pass)
                visible_net = SensingUNet(width, config.sensing.low_pass)
        if fuser.branches != config.network.branches:
            raise UserError(
                f"The U-Fuser of {config.init} has the branches {fuser.branches!r} and "
                f"network.branches is {config.network.branches!r}: make them equal, or begin anew "
                "with sensing.init in place of init."
            )
        for net in (fuser, infrared_net, visible_net):
            net.to(self.fabric.device)
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.fabric.world_size > 1:
            share_statistics(infrared_net)
            share_statistics(visible_net)
        return fuser.merge_attention(), infrared_net, visible_net

    def _patches(self) -> PatchSet:
        config = self.config
        needed = config.sensing.steps != 0 or config.start.steps != 0 or config.fusion.anchor > 0
        self.journal.begin("pairs", 1)
        patches = read_patches(config.pairs, config.patches, needed, self._pairs_read)
        for name in patches.unmatched:
            self.journal.say(f"left out, no partner: {name}")
        self.journal.say(
            f"{sum(patches.counts)} pairs, {len(patches)} patches, "
            f"{len(patches.validation)} pairs for validation"
        )
        return patches

    def _pairs_read(self, done: int, total: int) -> None:
        self.journal.resize(total)
        self.journal.advance(done)

    def _generator(self, stage: str, step: int) -> torch.Generator:
        """A generator that depends on nothing but seed, stage and step: so a run can resume."""
        words = [self.config.run.seed, *stage.encode(), step]
        seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)
        return torch.Generator().manual_seed(seed)

    def _preview(self, stage: Stage, step: int, mean: dict[str, nn.Module] | None) -> None:
        """Fuses validation pairs; shows the first, logs the pattern ratio over some."""
        pairs = self.patches.validation[:4]
        if "fuser" not in stage.trained or not pairs or not self.fabric.is_global_zero:
            return
        network = (mean or stage.trained)["fuser"]
        ratios, rows = [], []
        with _evaluating(network), torch.no_grad():
            for _, infrared, visible in pairs:
                planes = [torch.from_numpy(p)[None, None] for p in (infrared, visible)]
                height, width = infrared.shape
                padded = [
                    pad_to_multiple(p, UFuser.multiple_of, UFuser.minimum_size).to(
                        self.fabric.device
                    )
                    for p in planes
                ]
                fused = network(*padded)[0, 0, :height, :width].float().cpu().numpy()
                ratios.append(hidden_pattern_ratio(fused, infrared, visible))
                rows.append(np.hstack((infrared, visible, fused)))
        width = min(row.shape[1] for row in rows)
        sheet = np.vstack(
            [cv2.resize(row, (width, row.shape[0] * width // row.shape[1])) for row in rows]
        )
        picture = np.rint(sheet * 255).astype(np.uint8)
        self.journal.show(stage.name, step, picture)
        (self.folder / "previews").mkdir(exist_ok=True)
        cv2.imwrite(str(self.folder / "previews" / f"{stage.name}-{step:06d}.png"), picture)
        ratio = float(np.mean(ratios))
        self.journal.write(f"{stage.name}-validation", step, {"hidden_pattern_ratio": ratio})
        self.journal.say(
            f"{stage.name} step {step}: hidden-pattern ratio {ratio:.2f} "
            f"(largest {max(ratios):.2f}; about 1 is sound)"
        )

    def _save(
        self,
        stage: Stage,
        step: int,
        optimizer: torch.optim.Optimizer,
        mean: dict[str, nn.Module] | None,
    ) -> None:
        if self.fabric.is_global_zero:
            save_checkpoint(
                self.folder,
                {
                    "version": __version__,
                    "stage": stage.name,
                    "step": step,
                    "seconds": self.seconds,
                    "data": self.patches.fingerprint,
                    "fuser": self.fuser.state_dict(),
                    "infrared": self.infrared_net.state_dict(),
                    "visible": self.visible_net.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "mean": {name: net.state_dict() for name, net in (mean or {}).items()},
                },
            )
        self.fabric.barrier()

    def _load(self, state: dict[str, Any]) -> None:
        if state["data"] != self.patches.fingerprint:
            raise UserError(
                f"The pictures are not those that the run in {self.folder} began with: restore "
                "them, or start a new run."
            )
        try:
            self.fuser.load_state_dict(state["fuser"])
            self.infrared_net.load_state_dict(state["infrared"])
            self.visible_net.load_state_dict(state["visible"])
        except RuntimeError as error:
            raise UserError(
                f"The checkpoint in {self.folder} is of other networks than its {CONFIG} says."
            ) from error

    def _write(self, name: str, network: UFuser | SensingUNet) -> None:
        if self.fabric.is_global_zero:
            facts = {
                "version": __version__,
                "configuration": json.loads(self.config.model_dump_json()),
                "pairs": self.patches.counts,
                "patches": len(self.patches),
                "data": self.patches.fingerprint,
                "minutes": round(self.seconds / 60, 1),
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, {self.fabric.device}",
                "torch": torch.__version__,
            }
            half = isinstance(network, SensingUNet)
            init = (half and self.config.sensing.init) or self.config.init
            if init:
                facts["init"] = read_facts(models.find(init, f"{name}.safetensors"))
            save_weights(
                network,
                self.folder / f"{name}.safetensors",
                facts,
                torch.float16 if half else torch.float32,
            )


def _present(device: str) -> bool:
    """Whether a device that was asked for by name is there."""
    if device == "cuda":
        return torch.cuda.is_available()
    return device != "mps" or torch.backends.mps.is_available()


def _write_config(config: TrainingConfig, folder: Path) -> None:
    text = yaml.safe_dump(json.loads(config.model_dump_json()), sort_keys=False)
    temporary = folder / f".{CONFIG}.tmp"
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, folder / CONFIG)


def _follow(mean: dict[str, nn.Module], trained: dict[str, nn.Module], decay: float) -> None:
    with torch.no_grad():
        for name, net in trained.items():
            for old, new in zip(mean[name].parameters(), net.parameters(), strict=True):
                old.lerp_(new, 1 - decay)
            for kept, now in zip(mean[name].buffers(), net.buffers(), strict=True):
                kept.copy_(now)  # batch statistics are running means already


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
