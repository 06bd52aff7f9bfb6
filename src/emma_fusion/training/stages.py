"""The steps of the three stages: sensing, start, fusion (EMMA, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from emma_fusion.equivariance import (
    Reflection,
    Rotation,
    Shift,
    Transform,
    direct_terms,
    emma_terms,
    fidelity,
    take,
)
from emma_fusion.equivariance.loss import Network
from emma_fusion.errors import UserError
from emma_fusion.networks import SensingUNet, UFuser
from emma_fusion.training.config import Fusion, Guard, Schedule, TrainingConfig
from emma_fusion.training.darkness import darkness_excess
from emma_fusion.training.patches import PatchSet, Place, blacken
from emma_fusion.training.processes import share
from emma_fusion.training.robust import perturb
from emma_fusion.training.texture import pattern_excess, texture_excess

TONE = 16
"""Pixels each way whose means are the tone that is held."""
Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Draw:
    """What is random in one step.

    Attributes:
        generator: On the CPU; of seed, stage and step alone, so that a run can resume.
        step: Counted from 0.
        seed: Of the run.
    """

    generator: torch.Generator
    step: int
    seed: int


@dataclass
class Stage:
    """What is trained, for how long, and how one step's loss is made.

    Attributes:
        name: Of the stage.
        trained: The networks whose weights change.
        schedule: Length and rates.
        loss: Given the step's draw, the loss to minimise and its terms, each a scalar tensor.
        ema: Decay of the running mean of the weights, 0 for none.
        guard: Given a step and the scores of the validation pairs, raises where the run is to stop.
    """

    name: str
    trained: dict[str, nn.Module]
    schedule: Schedule
    loss: Callable[[Draw], tuple[Tensor, Terms]]
    ema: float = 0.0
    guard: Callable[[int, dict[str, float]], None] | None = None


def group(fusion: Fusion, size: int) -> Transform | None:
    """The transforms of one step, all copies side by side; None if there are none."""
    shift, reflection = Shift(moved=fusion.fixed), Reflection()
    angles = tuple(fusion.angles) if fusion.angles else None
    # Black corners would draw the attention, which sums over the whole patch.
    rotation = Rotation(angles=angles, padding="reflection")
    rotations: list[Transform] = [rotation] * fusion.rotations
    reflections: list[Transform] = [reflection] * fusion.reflections
    if fusion.fixed:
        rotations = [Rotation(angles=(angle,), padding="reflection") for angle in angles or ()]
        reflections = [Reflection((kind,)) for kind in reflection.kinds[: fusion.reflections]]
    copies: list[Transform] = [
        *[shift] * fusion.shifts,
        *rotations,
        *reflections,
        *[shift | rotation | reflection] * fusion.mixed,
    ]
    if not copies:
        return None
    total = copies[0]
    for copy in copies[1:]:
        total = total + copy
    return total


def sensing_stage(
    config: TrainingConfig,
    fabric: Fabric,
    patches: PatchSet,
    infrared_net: SensingUNet,
    visible_net: SensingUNet,
) -> Stage:
    """Stage 1: A_i and A_v learn to undo the teachers, by mean squared error.

    With ``robust.radius`` they learn from the worst images near the teachers'; see
    `emma_fusion.training.robust`.
    """
    schedule = config.sensing
    patches = patches.of("sensing")

    def loss(step: Draw) -> tuple[Tensor, Terms]:
        generator = step.generator
        drawn = patches.draw(_places(patches, schedule, step), generator, "any", schedule.last)
        infrared, visible, fused = blacken(drawn, config.patches.black, generator)
        fused = noisy(fused, schedule.noise, generator)
        infrared, visible, fused = _place((infrared, visible, fused), fabric)

        def errors(image: Tensor) -> tuple[Tensor, Tensor]:
            error_i = nn.functional.mse_loss(infrared_net(image).float(), infrared)
            return error_i, nn.functional.mse_loss(visible_net(image).float(), visible)

        def error(image: Tensor) -> Tensor:
            error_i, error_v = errors(image)
            return error_i + error_v

        robust = schedule.robust
        with statistics_kept(infrared_net, visible_net):
            fused = perturb(
                fused,
                error,
                robust.radius / 255,
                robust.steps,
                generator,
            )
        error_i, error_v = errors(fused)
        return error_i + error_v, {"infrared": error_i, "visible": error_v}

    trained: dict[str, nn.Module] = {"infrared": infrared_net, "visible": visible_net}
    return Stage("sensing", trained, schedule, loss)


def between(fused: Tensor, infrared: Tensor, visible: Tensor, gradient: float) -> Tensor:
    """ℓ(f, i) + ℓ(f, v), which is flat while f and its gradients lie between those of the sources.

    Args:
        fused: ``(N, 1, H, W)`` in [0, 1].
        infrared: The same shape.
        visible: The same shape.
        gradient: The weight of gradients in ℓ.
    """
    to_infrared = fidelity(fused, infrared, gradient=gradient)
    return to_infrared + fidelity(fused, visible, gradient=gradient)


def start_stage(config: TrainingConfig, fabric: Fabric, patches: PatchSet, fuser: UFuser) -> Stage:
    """The start: the U-Fuser learns to fuse as the last teacher does, by ℓ of the loss."""
    schedule = config.start
    patches = patches.of("start")
    fuse = in_full_precision(fuser) if fabric.device.type == "cpu" else fuser

    def loss(step: Draw) -> tuple[Tensor, Terms]:
        generator = step.generator
        drawn = patches.draw(_places(patches, schedule, step), generator, "last")
        drawn = blacken(drawn, config.patches.black, generator)
        infrared, visible, teacher = _place(drawn, fabric)
        fused = fuse(infrared, visible).float()
        error = fidelity(fused, teacher, gradient=schedule.gradient)
        logged, total = {"teacher": error}, error
        if schedule.direct:
            logged["direct"] = between(fused, infrared, visible, schedule.gradient)
            total = total + schedule.direct * logged["direct"]
        return total, logged

    return Stage("start", {"fuser": fuser}, schedule, loss, schedule.ema)


def fusion_stage(
    config: TrainingConfig,
    fabric: Fabric,
    patches: PatchSet,
    fuser: UFuser,
    infrared_net: SensingUNet,
    visible_net: SensingUNet,
) -> Stage:
    """Stage 2: the U-Fuser learns by EMMA's loss through the frozen A_i and A_v.

    Two settings are for ablations: without ``sense`` the loss is `direct_terms`, and without
    ``frozen`` A_i and A_v go on learning by the same loss and at the same rate.
    """
    schedule = config.fusion
    patches = patches.of("fusion")
    size = config.patches.size
    transform = group(schedule, size) if schedule.alpha > 0 else None
    trained: dict[str, nn.Module] = {"fuser": fuser}
    if schedule.frozen:
        for frozen in (infrared_net, visible_net):
            frozen.eval().requires_grad_(False)
    else:
        trained |= {"infrared": infrared_net, "visible": visible_net}

    fuse = in_full_precision(fuser) if fabric.device.type == "cpu" else fuser

    def loss(step: Draw) -> tuple[Tensor, Terms]:
        generator = step.generator
        places = _places(patches, schedule, step)
        shown = schedule.anchor or schedule.tone or schedule.brightness
        drawn = patches.draw(places, generator, "last" if shown else "none")
        drawn = blacken(drawn, config.patches.black, generator)
        infrared, visible, *fused_by_teacher = _place(drawn, fabric)
        params = {}
        if transform is not None:
            params = transform.draw(schedule.batch, size, size, generator)
            params = take(params, torch.arange(schedule.batch)[share(schedule.batch, fabric)])
        gradient = schedule.gradient
        terms = (
            emma_terms(
                fuse,
                infrared_net,
                visible_net,
                infrared,
                visible,
                transform,
                params,
                itself=schedule.itself and schedule.alpha > 0,
                gradient=gradient,
                noise=partial(noisy, sigma=schedule.noise, generator=generator),
            )
            if schedule.sense
            else direct_terms(fuse, infrared, visible, transform, params, gradient=gradient)
        )
        total = terms.total(schedule.alpha, schedule.infrared, schedule.visible)
        logged = {
            "infrared": terms.infrared,
            "visible": terms.visible,
            "equivariance": terms.equivariance,
        }
        if schedule.direct:
            logged["direct"] = between(terms.fused.float(), infrared, visible, gradient)
            total = total + schedule.direct * logged["direct"]
        if schedule.texture:
            logged["texture"] = texture_excess(terms.fused.float(), infrared, visible)
            total = total + schedule.texture * logged["texture"]
        if schedule.pattern:
            logged["pattern"] = pattern_excess(terms.fused.float(), infrared, visible)
            total = total + schedule.pattern * logged["pattern"]
        if schedule.darkness:
            logged["darkness"] = darkness_excess(terms.fused.float(), infrared, visible)
            total = total + schedule.darkness * logged["darkness"]
        if schedule.anchor:
            logged["teacher"] = fidelity(
                terms.fused.float(), fused_by_teacher[0], gradient=gradient
            )
            total = total + schedule.anchor * logged["teacher"]
        if schedule.tone or schedule.brightness:
            # A_i and A_v forgive brightness: without this, skies are washed out by their loss.
            difference = avg_pool2d(terms.fused.float() - fused_by_teacher[0], TONE)
            logged["tone"], logged["brightness"] = difference.abs().mean(), difference.relu().mean()
            total = total + schedule.tone * logged["tone"]
            total = total + schedule.brightness * logged["brightness"]
        return total, logged

    return Stage(
        "fusion", trained, schedule, loss, schedule.ema, partial(stop_where, schedule.guard)
    )


def noisy(images: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Images with white noise, its σ drawn for each of them up to ``sigma``.

    Args:
        images: ``(B, 1, H, W)``.
        sigma: In units of 1; with 0 the images come back as they are.
        generator: On the CPU.
    """
    if sigma == 0:
        return images
    each = torch.rand(len(images), 1, 1, 1, generator=generator) * sigma
    noise = each * torch.randn(images.shape, generator=generator)
    return images + noise.to(images)


def stop_where(guard: Guard, step: int, row: dict[str, float]) -> None:
    """Stops a run whose images have gone where no published method's are.

    Args:
        guard: The limits.
        step: Steps done.
        row: Of `emma_fusion.training.validation.validation_row`.

    Raises:
        UserError: A limit is passed.
    """
    if step < guard.begin:
        return
    for name, what in (("pattern", "the period-2 ratio"), ("darkening", "darkening, in 1/255,")):
        limit = getattr(guard, name)
        if row[name] > limit:
            raise UserError(
                f"The run stops: {what} of its images is {row[name]:.2f}, more than "
                f"{limit} (fusion.guard.{name}). The last checkpoint is of this step; train "
                "A_i and A_v with a larger sensing.robust.radius, or lower the rate."
            )


def _places(patches: PatchSet, schedule: Schedule, step: Draw) -> list[Place]:
    """The patches of one step: of an epoch each one once, where epochs are asked for."""
    if schedule.steps is None:
        return patches.of_epochs(schedule.batch, step.step, step.seed)
    return patches.at_random(schedule.batch, step.generator)


def in_full_precision(network: nn.Module) -> Network:
    """A network that runs in float32 even under autocast.

    The U-Fuser on a processor: its few channels take no less time in half precision there.
    """

    def run(*planes: Tensor) -> Tensor:
        with torch.autocast(planes[0].device.type, enabled=False):
            result: Tensor = network(*(plane.float() for plane in planes))
            return result

    return run


@contextmanager
def statistics_kept(*networks: nn.Module) -> Iterator[None]:
    """Batch statistics that do not follow what the networks see within a block.

    The search for the worst image is no part of what they learn from.
    """
    norms = [m for net in networks for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum


def _place(planes: tuple[Tensor, ...], fabric: Fabric) -> tuple[Tensor, ...]:
    """This process's part of a global batch, on its device."""
    part = share(len(planes[0]), fabric)
    return tuple(
        plane[part].to(fabric.device, memory_format=torch.channels_last) for plane in planes
    )
