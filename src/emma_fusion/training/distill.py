"""Distillation: a fast fuser learns to fuse as a trained model does; not in the paper.

    L = mean |f - t| + w mean |∇f - ∇t| + r (|max f - max t| + |min f - min t|)

with the teacher's image t and the Sobel gradient ∇; after Hinton et al., *Distilling the
knowledge in a neural network* (2015).
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field, model_validator
from torch import Tensor

from emma_fusion import models
from emma_fusion.equivariance.loss import sobel
from emma_fusion.errors import UserError
from emma_fusion.metrics import prepare, score
from emma_fusion.networks.fast import CHANNELS, FILTERS, FastFuser
from emma_fusion.networks.weights import load_fuser, read_facts, save_weights
from emma_fusion.training.config import Folders, RunSettings, Schedule
from emma_fusion.training.images import ImageSet, read_images
from emma_fusion.training.journal import Journal
from emma_fusion.training.loop import Loop, check_run, evaluating, fuse_planes, launch
from emma_fusion.training.processes import share
from emma_fusion.training.settings import Section, gathered, validated
from emma_fusion.training.stages import Draw, Stage, Terms
from emma_fusion.values.arrays import FloatArray

METRICS = ("EN", "SD", "SF", "AG", "SCD", "VIF", "Qabf")
SMALLEST = 64
"""Images with a smaller side say too little."""


class Student(Section):
    """The fast fuser's form; see `emma_fusion.networks.FastFuser`."""

    channels: list[int] = Field(list(CHANNELS), min_length=2, description="at 1/2, 1/4, ...")
    filters: int = Field(FILTERS, ge=1, description="filtered copies of the sources")


class Learning(Schedule):
    """How the fast fuser learns."""

    batch: int = Field(2, ge=1, description="whole images")
    steps: int = Field(10000, ge=1, description="how many")
    lr: float = Field(2e-3, gt=0, description="learning rate of Adam")
    decay: Literal["halving", "cosine"] = Field("cosine", description="how the rate falls")
    warm_up: int = Field(50, ge=0, description="steps over which the rate rises")
    largest: int = Field(512, ge=64, description="sides of an image, of a larger one a piece")
    gradient: float = Field(1.0, ge=0, description="weight of the gradient's term")
    range: float = Field(0.0, ge=0, description="weight of the brightest and darkest value's term")
    ema: float = Field(0.998, ge=0, lt=1, description="decay of the running mean of the weights")


class DistillationConfig(Section):
    """Everything that decides what a distillation gives."""

    pairs: list[Folders] = Field([], description="sets of pairs to learn from")
    teacher: str = Field("base", description="a shipped model, a weights file or a run's folder")
    network: Student = Student()
    learning: Learning = Learning()
    run: RunSettings = RunSettings(checkpoint_every=500, preview_every=1000)

    @model_validator(mode="after")
    def _processes_share_batches(self) -> DistillationConfig:
        world = self.run.devices * self.run.nodes
        if self.learning.batch % world:
            raise ValueError(
                f"a batch of {self.learning.batch} cannot be shared by {world} processes"
            )
        return self


def load_config(
    file: Path | None = None, overrides: dict[str, Any] | None = None
) -> DistillationConfig:
    """Puts a configuration together: the file's settings, and single ones over them.

    Args:
        file: A YAML file.
        overrides: Dotted names to values, such as ``{"learning.steps": 500}``.

    Raises:
        UserError: The file cannot be used, or a value is not valid.
    """
    values = gathered([file] if file is not None else [], overrides or {})
    return validated(DistillationConfig, values, "configuration of the distillation")


def distill(config: DistillationConfig, folder: Path, resume: bool = False) -> Path:
    """Starts or continues the training of a fast fuser and writes its weights.

    The teacher's images are made again if a run is resumed.

    Args:
        config: The configuration; for a resumed run it must be the one that was saved.
        folder: Where the run is kept: configuration, logs, checkpoint, previews, weights.
        resume: Go on from the folder's checkpoint.

    Returns:
        The weights file.

    Raises:
        UserError: The folder holds a run and ``resume`` is False, or the data or the teacher
            cannot be used.
    """
    state = check_run(config.run, folder, resume)
    if not config.pairs:
        raise UserError("There is nothing to learn from: give two folders of pairs.")
    for pairs in config.pairs:  # before anything is written
        pairs.matched()
    teacher = models.find(config.teacher)
    load_fuser(teacher)
    fabric = launch(config, config.run, folder, resume)
    with Journal(folder, fabric.is_global_zero) as journal:
        images = _images(config, teacher, fabric, journal)
        student = _student(config, fabric)
        data = _fingerprint(images, teacher)
        networks: dict[str, torch.nn.Module] = {"fuser": student}
        validation = images.validation
        loop = Loop(config.run, folder, fabric, journal, networks, data, validation, state)
        loop.train(distillation_stage(config, fabric, images, student), config.learning.steps)
        if fabric.is_global_zero:
            facts = loop.facts(config) | {"pairs": images.counts, "teacher": read_facts(teacher)}
            if validation:
                facts["validation"] = compare(student, validation, fabric.device)
                journal.say(in_words(facts["validation"]))
            save_weights(student, folder / models.FUSER, facts)
    return folder / models.FUSER


def distillation_stage(
    config: DistillationConfig, fabric: Fabric, images: ImageSet, student: FastFuser
) -> Stage:
    """The one stage: whole images, each with a pass of its own as their sizes differ."""
    learning = config.learning

    def loss(step: Draw) -> tuple[Tensor, Terms]:
        drawn = images.draw(learning.batch, learning.largest, student.multiple_of, step.generator)
        own = drawn[share(learning.batch, fabric)]
        found: dict[str, list[Tensor]] = {"value": [], "gradient": [], "range": []}
        for planes in own:
            infrared, visible, wanted = planes.to(fabric.device)
            fused = student(infrared, visible)
            found["value"].append((fused - wanted).abs().mean())
            found["gradient"].append(8 * sobel(fused - wanted).abs().mean())
            ends = ((x.max(), x.min()) for x in (fused, wanted))
            found["range"].append(sum((a - b).abs() for a, b in zip(*ends, strict=True)))
        terms = {name: torch.stack(each).mean() for name, each in found.items()}
        total = terms["value"] + learning.gradient * terms["gradient"]
        return total + learning.range * terms["range"], terms

    return Stage("distillation", {"fuser": student}, learning, loss, learning.ema)


def compare(
    student: FastFuser,
    pairs: list[tuple[str, FloatArray, FloatArray, FloatArray]],
    device: torch.device,
) -> dict[str, Any]:
    """How near the student comes to its teacher on pairs that it has not learned from.

    Args:
        student: The network.
        pairs: Stem, infrared, visible, the teacher's image; ``(H, W)`` in [0, 1].
        device: Of the network.

    Returns:
        ``pairs``, how many; ``difference``, the mean absolute one in [0, 1]; ``psnr`` in dB; and
        ``student`` and ``teacher``, the means of `METRICS` under the protocol ``paper``.
    """
    scores: dict[str, list[dict[str, float]]] = {"student": [], "teacher": []}
    differences, psnrs = [], []
    with evaluating(student), torch.no_grad():
        for _, infrared, visible, wanted in pairs:
            fused = fuse_planes(student, infrared, visible, device)
            differences.append(float(np.abs(fused - wanted).mean()))
            psnrs.append(-10 * math.log10(max(float(np.square(fused - wanted).mean()), 1e-12)))
            for who, image in (("student", fused), ("teacher", wanted)):
                planes = (prepare(image, "paper"), infrared, visible)
                scores[who].append(score(*planes, "paper", METRICS))
    return {
        "pairs": len(pairs),
        "difference": fmean(differences),
        "psnr": fmean(psnrs),
        **{
            who: {m: fmean(row[m] for row in rows) for m in METRICS} for who, rows in scores.items()
        },
    }


def in_words(found: dict[str, Any]) -> str:
    """What `compare` found, as lines to print."""
    student, teacher = found["student"], found["teacher"]
    lines = [
        f"On {found['pairs']} pairs kept out: {255 * found['difference']:.2f}/255 from the teacher "
        f"on average, PSNR {found['psnr']:.1f} dB",
        *(
            f"  {name:5} {student[name]:6.2f}, the teacher {teacher[name]:6.2f}"
            + (f" ({student[name] / teacher[name] - 1:+.1%})" if teacher[name] else "")
            for name in METRICS
        ),
    ]
    return "\n".join(lines)


def _images(
    config: DistillationConfig, weights: Path, fabric: Fabric, journal: Journal
) -> ImageSet:
    """The pairs, and what the teacher fuses of them."""
    teacher = load_fuser(weights).fold().to(fabric.device)

    def fuse(infrared: FloatArray, visible: FloatArray) -> FloatArray:
        with torch.inference_mode():
            return fuse_planes(teacher, infrared, visible, fabric.device)

    def progress(done: int, total: int) -> None:
        journal.resize(total)
        journal.advance(done)

    journal.begin("teacher", 1)
    images = read_images(config.pairs, fuse, SMALLEST, progress, config.run.skip_bad)
    for name in images.unmatched:
        journal.say(f"left out, no partner: {name}")
    for what in images.bad:
        journal.say(f"left out, {what}")
    journal.say(
        f"{sum(images.counts)} pairs, {len(images.images)} images, "
        f"{len(images.validation)} for validation"
    )
    return images


def _student(config: DistillationConfig, fabric: Fabric) -> FastFuser:
    """A new network, the same in every process."""
    with torch.random.fork_rng():
        torch.manual_seed(config.run.seed)
        student = FastFuser(tuple(config.network.channels), config.network.filters)
    student.to(fabric.device)
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return student


def _fingerprint(images: ImageSet, teacher: Path) -> str:
    """Of the pairs and of the teacher; its images may differ in their last bit by machine."""
    digest = hashlib.sha256(images.fingerprint.encode() + teacher.read_bytes())
    return digest.hexdigest()[:16]
