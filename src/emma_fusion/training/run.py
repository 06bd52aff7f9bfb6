"""A training run from folders of pairs to weights: stages 0, 1, start and 2 in a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from emma_fusion import models
from emma_fusion.errors import UserError
from emma_fusion.networks import SensingUNet, UFuser, pad_to_multiple
from emma_fusion.networks.weights import (
    load_fuser,
    load_sensing,
    read_facts,
    save_weights,
)
from emma_fusion.training.config import Schedule, StageName, TrainingConfig
from emma_fusion.training.journal import Journal
from emma_fusion.training.loop import Loop, check_run, evaluating, fuse_planes, launch
from emma_fusion.training.patches import PatchSet, read_patches
from emma_fusion.training.processes import share_statistics
from emma_fusion.training.stages import fusion_stage, sensing_stage, start_stage
from emma_fusion.values.arrays import FloatArray


def train(config: TrainingConfig, folder: Path, resume: bool = False) -> Path:
    """Starts or continues a training and writes the weights.

    Args:
        config: The configuration; for a resumed run it must be the one that was saved.
        folder: Where the run is kept: configuration, logs, checkpoint, previews, weights.
        resume: Go on from the folder's checkpoint.

    Returns:
        The U-Fuser's weights file.

    Raises:
        UserError: The folder holds a run and ``resume`` is False, or the data cannot be used.
    """
    state = check_run(config.run, folder, resume)
    if not config.pairs:
        raise UserError("There is nothing to train on: give two folders of pairs.")
    for pairs in config.pairs:  # before anything is written
        pairs.matched()
    for init in filter(None, (config.init, config.sensing.init)):
        models.find(init)
    fabric = launch(config, config.run, folder, resume)
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
        networks: dict[str, nn.Module] = {
            "fuser": self.fuser,
            "infrared": self.infrared_net,
            "visible": self.visible_net,
        }
        data, validation = self.patches.fingerprint, self.patches.validation
        self.loop = Loop(config.run, folder, fabric, journal, networks, data, validation, state)
        schedules: dict[StageName, Schedule] = {
            "sensing": config.sensing,
            "start": config.start,
            "fusion": config.fusion,
        }
        for stage, schedule in schedules.items():
            if schedule.steps != 0 and not len(self.patches.of(stage)):
                raise UserError(
                    f"There are no pairs for the stage {stage}: name it in the `stages` "
                    "of a set of pairs."
                )

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
        names = [stage.name for stage in stages]
        at = names.index(self.loop.state["stage"]) if self.loop.state else 0
        for stage in stages[at:]:
            self.loop.train(stage, stage.schedule.total(len(self.patches.of(stage.name))))
            if "infrared" in stage.trained:
                self._write("sensing_infrared", self.infrared_net)
                self._write("sensing_visible", self.visible_net)
        self._write("fuser", self.fuser)
        return self.folder / models.FUSER

    def _networks(self) -> tuple[UFuser, SensingUNet, SensingUNet]:
        """New networks, or those to go on from; the same in every process."""
        config = self.config
        sensing, width = config.sensing.init or config.init, config.sensing.width
        with torch.random.fork_rng():
            torch.manual_seed(config.run.seed)
            if config.init:
                fuser = _u_fuser(config.init)
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
                f"The U-Fuser of {config.init} has the branches {fuser.branches!r}, but "
                f"network.branches is {config.network.branches!r}: make them equal, or start again "
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
        steps, fusion = (config.sensing.steps, config.start.steps), config.fusion
        needed = steps != (0, 0) or max(fusion.anchor, fusion.tone, fusion.brightness) > 0
        # The networks are still those to go on from, also where a run is resumed: see Loop._load.
        fuse = self._fuse if needed and config.start.level else None
        self.journal.begin("pairs", 1)
        patches = read_patches(
            config.pairs, config.patches, needed, self._pairs_read, config.run.skip_bad, fuse
        )
        for name in patches.unmatched:
            self.journal.say(f"left out, no partner: {name}")
        for what in patches.bad:
            self.journal.say(f"left out, {what}")
        if patches.useless:
            self.journal.say(
                f"no patch of {config.patches.size}×{config.patches.size} pixels with enough "
                f"contrast: {', '.join(patches.useless)}"
            )
        self.journal.say(
            f"{sum(patches.counts)} pairs, {len(patches)} patches, "
            f"{len(patches.validation)} pairs for validation"
        )
        return patches

    def _fuse(self, infrared: FloatArray, visible: FloatArray) -> FloatArray:
        with evaluating(self.fuser), torch.no_grad():
            return fuse_planes(self.fuser, infrared, visible, self.fabric.device)

    def _pairs_read(self, done: int, total: int) -> None:
        self.journal.resize(total)
        self.journal.advance(done)

    def _first_validation_pair(self, network: UFuser) -> list[Tensor]:
        size = network.multiple_of, network.minimum_size
        return [
            pad_to_multiple(torch.from_numpy(plane)[None, None], *size).to(self.fabric.device)
            for plane in self.patches.validation[0][1:]
        ]

    def _write(self, name: str, network: UFuser | SensingUNet) -> None:
        if self.fabric.is_global_zero:
            facts = self.loop.facts(self.config) | {
                "pairs": self.patches.counts,
                "patches": len(self.patches),
            }
            if isinstance(network, UFuser) and self.patches.validation:
                network.balance(*self._first_validation_pair(network))
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


def _u_fuser(init: str) -> UFuser:
    fuser = load_fuser(init)
    if not isinstance(fuser, UFuser):
        raise UserError(
            f"{init} holds a fast fuser, which learns from another model: train a U-Fuser "
            "first, then use `emma distill`."
        )
    return fuser
