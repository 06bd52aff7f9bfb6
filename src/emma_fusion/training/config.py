"""The one configuration of a training run: its settings, their defaults and what each may be."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emma_fusion.baselines.additive import Additive
from emma_fusion.errors import UserError
from emma_fusion.images.folders import match_pairs
from emma_fusion.networks.block import Branches
from emma_fusion.training.settings import Section, gathered, validated

StageName = Literal["sensing", "start", "fusion"]


class Folders(Section):
    """Two folders of registered pairs, matched by their names."""

    infrared: Path = Field(description="the folder of infrared images")
    visible: Path = Field(
        description="the folder of visible ones, or of the images of the other scan"
    )
    match: str | None = Field(
        None, description="how the names go together, such as `*_T=*_W`; see `emma fuse --match`"
    )
    visible_gain: float = Field(1.0, ge=0, description="of the visible image: below 1, dusk")
    visible_offset: float = Field(0.0, ge=0, description="added to it: haze")
    scales: list[Annotated[float, Field(gt=0)]] = Field(
        [1.0], description="sizes at which images are used, 1 = as stored"
    )
    most: int | None = Field(
        None,
        ge=1,
        description="patches (in a distillation, images) kept at most, spread evenly",
    )
    shrink: float = Field(1.0, gt=0, le=1, description="size at which pairs are read, 1: as stored")
    scene: str = Field(
        "", description="pattern whose match in a stem names its scene; the whole stem if empty"
    )
    validation: float = Field(
        0.0, ge=0, le=0.5, description="share of the scenes kept out of training, by their hash"
    )
    held_out: list[str] = Field(
        [], description="stems kept out too, such as `41???`: a patient's slices are too alike"
    )

    def matched(self) -> tuple[list[tuple[str, Path, Path]], list[Path]]:
        """The pairs, each with the stem of its visible image, and the images without a partner.

        Raises:
            UserError: see `pair_folders`.
        """
        return match_pairs(self.infrared, self.visible, self.match)


class Pairs(Folders):
    """Two folders of pairs and their teachers."""

    teachers: list[Path] = Field(
        [], description="folders of fused images, which have the stems of the visible images"
    )
    methods: list[str] = Field(
        ["laplacian", "wavelet", "guided"],
        description="baselines that make teachers where no folder is given",
    )
    additive: Additive | None = Field(
        None, description="settings of the formula `additive`, which is then the last teacher"
    )
    level: bool = Field(
        True, description="start.level, where it is on, levels this set's teachers' images, too"
    )
    share: float | None = Field(
        None,
        gt=0,
        description="how often patches are drawn from this set, beside the shares of the others; "
        "by its number of patches if no set has a share",
    )
    stages: list[StageName] = Field(
        ["sensing", "start", "fusion"], description="the stages that learn from these pairs"
    )


class Patches(Section):
    """How images are cut (EMMA, section 4.1)."""

    size: int = Field(128, ge=32, multiple_of=16, description="of their sides, in pixels")
    stride: int = Field(200, ge=1, description="from one patch to the next, in pixels")
    min_contrast: float = Field(
        0.1, ge=0, le=1, description="patches with (p90 - p10) / p90 below it are dropped"
    )
    turned: bool = Field(True, description="each is turned by quarters and mirrored at random")
    black: float = Field(
        0.0, ge=0, le=1, description="share of drawn patches made black around an ellipse"
    )


class Schedule(Section):
    """How long one stage trains, and at which rate."""

    batch: int = Field(ge=1, description="patches of a step")
    steps: int | None = Field(None, ge=0, description="how many; 0 leaves the stage out")
    epochs: int = Field(1, ge=1, description="used where steps is not given")
    lr: float = Field(1e-4, gt=0, description="learning rate of Adam")
    decay: Literal["halving", "cosine"] = Field("halving", description="how the rate falls")
    halvings: int = Field(4, ge=1, description="parts of the stage, the rate halved after each")
    warm_up: int = Field(0, ge=0, description="steps over which the rate rises")
    clip: float = Field(
        0.0, ge=0, description="largest norm of the gradient, which is shortened to it; 0: any"
    )

    def total(self, patches: int) -> int:
        """Steps of the stage for this many training patches."""
        return self.steps if self.steps is not None else self.epochs * -(-patches // self.batch)

    def rate(self, step: int, total: int) -> float:
        """The learning rate at a step, counted from 0."""
        from math import cos, pi

        if step < self.warm_up:
            return self.lr * (step + 1) / self.warm_up
        done = step / max(total, 1)
        if self.decay == "cosine":
            return self.lr * (0.02 + 0.98 * (1 + cos(pi * done)) / 2)
        return self.lr * 0.5 ** int(done * self.halvings)


class Network(Section):
    """The U-Fuser's form; the paper's unless an ablation asks for another."""

    branches: Branches = Field("both", description="of its blocks: both, or one of them alone")


class Robust(Section):
    """Adversarial training of A_i and A_v (`emma_fusion.training.robust`)."""

    radius: float = Field(
        8.0, ge=0, description="largest change of a pixel, in 1/255; 0 for plain training"
    )
    steps: int = Field(1, ge=1, description="gradient steps towards the worst change")


class Sensing(Schedule):
    """Stage 1: A_i and A_v."""

    batch: int = Field(64, ge=1, description="patches of a step")
    width: int = Field(
        64,
        ge=1,
        description="channels of A_i and A_v at the finest of their scales; 64 in the paper",
    )
    low_pass: int = Field(0, ge=0, description="binomial low-pass passes before A_i and A_v")
    noise: float = Field(0.0, ge=0, description="largest σ of the noise on the teachers' images")
    robust: Robust = Robust()
    last: float = Field(
        0.0, ge=0, le=1, description="how often the last teacher is drawn; else any of them"
    )
    init: str | None = Field(
        None, description="A_i and A_v to go on from, where the U-Fuser is to be new; as init"
    )


class Start(Schedule):
    """The U-Fuser's start: regression onto the teachers. The paper has none (0 steps)."""

    batch: int = Field(4, ge=1, description="patches of a step")
    steps: int | None = Field(0, ge=0, description="how many; 0 leaves the stage out")
    gradient: float = Field(1.0, ge=0, description="weight of gradients in ℓ; 1 in the paper")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the running mean of the weights")
    direct: float = Field(
        0.0, ge=0, description="weight of ℓ(f, i) + ℓ(f, v) beside the teacher, as in fusion.direct"
    )
    level: bool = Field(
        False,
        description="each teacher's image is brought to the mean and spread of what the U-Fuser to "
        "go on from makes of the pair: many methods stretch their images one by one",
    )


class Guard(Section):
    """When stage 2 stops because its images go wrong; means over the validation pairs."""

    begin: int = Field(
        300, ge=0, description="step before which it does not stop: all is dark then"
    )
    pattern: float = Field(1.3, gt=0, description="largest ratio of period-2 patterns")
    darkening: float = Field(
        6.6, gt=0, description="largest darkening below both sources, in 1/255"
    )


class Fusion(Schedule):
    """Stage 2: the U-Fuser, by EMMA's loss."""

    batch: int = Field(4, ge=1, description="patches of a step")
    alpha: float = Field(0.1, ge=0, description="weight of equivariance, α; 0.1 in the paper")
    shifts: int = Field(3, ge=0, description="shifted copies of each fused image")
    rotations: int = Field(3, ge=0, description="rotated copies of each")
    reflections: int = Field(3, ge=0, description="mirrored copies of each")
    mixed: int = Field(0, ge=0, description="copies that draw their kind of transform")
    angles: list[float] | None = Field(None, description="rotations in degrees; any if not given")
    fixed: bool = Field(
        False,
        description="one rotation by each of the angles, one reflection of each kind, one shift "
        "for a batch, as in the paper; without: drawn anew for each image",
    )
    itself: bool = Field(True, description="f itself is among its copies, as in the paper")
    gradient: float = Field(1.0, ge=0, description="weight of gradients in ℓ; 1 in the paper")
    infrared: float = Field(1.0, gt=0, description="weight of ℓ(A_i(f), i); 1 in the paper")
    visible: float = Field(1.0, gt=0, description="weight of ℓ(A_v(f), v); 1 in the paper")
    noise: float = Field(
        0.0, ge=0, description="largest σ of the noise on what A_i and A_v see; the paper has none"
    )
    anchor: float = Field(0.0, ge=0, description="weight of ℓ(f, teacher); the paper has none")
    tone: float = Field(
        0.0,
        ge=0,
        description="weight of |f - teacher| over means of 16 by 16 pixels; the paper has none",
    )
    brightness: float = Field(
        0.0, ge=0, description="weight of the same where f is brighter alone; the paper has none"
    )
    direct: float = Field(
        0.0,
        ge=0,
        description="weight of ℓ(f, i) + ℓ(f, v), which is flat while f and its gradients lie "
        "between those of the sources; the paper has none",
    )
    texture: float = Field(0.0, ge=0, description="weight of the texture guard; the paper has none")
    darkness: float = Field(
        0.0,
        ge=0,
        description="weight of the guard against places darker than in both sources; the paper has "
        "none",
    )
    pattern: float = Field(
        0.0,
        ge=0,
        description="weight of the guard against period-2 grids; the paper has none",
    )
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the running mean of the weights")
    sense: bool = Field(True, description="A_i(f), A_v(f) against i, v; without: f itself")
    guard: Guard = Guard()
    frozen: bool = Field(True, description="A_i and A_v stay; without: they learn with F")


class RunSettings(Section):
    """Where and how it runs."""

    seed: int = Field(0, ge=0, description="of everything random in the training")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="auto takes a GPU where there is one"
    )
    devices: int = Field(1, ge=1, description="processes on each machine")
    nodes: int = Field(1, ge=1, description="machines")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the networks' passes")
    threads: int | None = Field(None, ge=1, description="of each process; all cores if not given")
    checkpoint_every: int = Field(
        100, ge=1, description="steps from one state to resume from to the next"
    )
    preview_every: int = Field(
        200, ge=1, description="steps from one sheet and scoring to the next"
    )
    skip_bad: bool = Field(False, description="pairs that cannot be used are left out")
    validation_pairs: int = Field(24, ge=1, description="fused and scored at a preview, at most")


class TrainingConfig(Section):
    """Everything that decides what is trained."""

    pairs: list[Pairs] = Field([], description="sets of pairs to learn from")
    init: str | None = Field(
        None, description="weights to go on from: a shipped model or the folder of a run"
    )
    patches: Patches = Patches()
    network: Network = Network()
    sensing: Sensing = Sensing(epochs=40)
    start: Start = Start()
    fusion: Fusion = Fusion(epochs=120, halvings=6)
    run: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _something_is_sensed(self) -> TrainingConfig:
        new = not (self.init or self.sensing.init)
        if new and self.sensing.steps == 0 and self.fusion.steps != 0 and self.fusion.sense:
            raise ValueError("sensing.steps is 0 and no init is given: A_i and A_v would be random")
        return self

    @model_validator(mode="after")
    def _something_levels(self) -> TrainingConfig:
        if self.start.level and not self.init:
            raise ValueError("start.level needs init: without it there is no U-Fuser to level by")
        return self

    @model_validator(mode="after")
    def _processes_share_batches(self) -> TrainingConfig:
        world = self.run.devices * self.run.nodes
        f = self.fusion
        if f.fixed and (f.rotations != len(f.angles or []) or f.reflections not in (0, 3)):
            raise ValueError(
                "fusion.fixed asks for a rotation for each angle, and three reflections or none"
            )
        for stage in (self.sensing, self.start, self.fusion):
            if stage.batch % world:
                raise ValueError(f"a batch of {stage.batch} cannot be shared by {world} processes")
        return self


def presets() -> dict[str, Path]:
    """The named presets that ship, name → YAML file."""
    folder = Path(str(resources.files("emma_fusion.training") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_config(
    preset: str | None = None,
    file: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> TrainingConfig:
    """Puts a configuration together from a preset, a file and overrides, the last of which win.

    Args:
        preset: A name of `presets`.
        file: A YAML file.
        overrides: Dotted names to values, such as ``{"sensing.width": 16}``.

    Raises:
        UserError: The preset or file does not exist, or a value is not valid.
    """
    files = [file] if file is not None else []
    if preset is not None:
        if preset not in presets():
            raise UserError(f"There is no preset {preset!r}; choose one of {', '.join(presets())}.")
        files.insert(0, presets()[preset])
    return validated(TrainingConfig, gathered(files, overrides or {}), "training configuration")
