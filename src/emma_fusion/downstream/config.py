"""The one configuration of a comparison, validated; read from YAML, saved with the result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emma_fusion.errors import UserError
from emma_fusion.training.config import Schedule
from emma_fusion.training.settings import Section, read_settings, validated

#: Kinds of input that are no fusion method.
SOURCES = ("infrared", "visible", "stacked")
#: Network -> the task that it is for.
NETWORKS = {
    "deeplab": "segment",
    "segformer": "segment",
    "yolos": "detect",
    "rtdetr": "detect",
}

Pixels = Annotated[int, Field(ge=16)]


class Data(Section):
    """Which images; see `emma_fusion.downstream.layouts`."""

    layout: Literal["msrs", "fmb", "cwfid", "m3fd", "llvip"]
    root: Path = Field(description="folder that holds the dataset's folder, or is it")
    colour: bool = Field(True, description="three channels and the visible's colour; else grey")
    limit: int | None = Field(None, ge=1, description="scenes of each split at most, spread evenly")


class Images(Section):
    """What of an image the network sees, and how samples are drawn of it."""

    size: tuple[Pixels, Pixels] = Field(description="height and width to resize to first")
    crop: tuple[Pixels, Pixels] | None = Field(None, description="drawn window; all if not given")
    zoom: tuple[float, float] = Field((1.0, 1.0), description="range of the window's enlargement")
    flips: Literal["none", "horizontal", "both"] = "horizontal"
    jitter: float = Field(0.0, ge=0, le=1, description="largest change of contrast and brightness")

    @model_validator(mode="after")
    def _zoom_is_a_range(self) -> Images:
        if not 0.1 <= self.zoom[0] <= self.zoom[1] <= 10:
            raise ValueError("zoom must be LOW, HIGH within 0.1 and 10")
        return self


class Network(Section):
    """Which network, from the library transformers."""

    name: Literal["deeplab", "segformer", "yolos", "rtdetr"]
    weights: Path | None = Field(None, description="folder of a saved model to start from")
    settings: dict[str, Any] = Field({}, description="of its configuration, where it starts anew")

    @model_validator(mode="after")
    def _weights_bring_their_settings(self) -> Network:
        if self.weights and self.settings:
            raise ValueError("weights bring their own settings: give one of the two")
        return self


class Training(Schedule):
    """How long each network is trained, by AdamW."""

    batch: int = Field(8, ge=1)
    lr: float = Field(1e-3, gt=0)
    decay: Literal["halving", "cosine"] = "cosine"
    weight_decay: float = Field(0.01, ge=0)
    balance: float = Field(
        0.0, ge=0, le=1, description="how much more rare classes weigh in the segmentation loss"
    )


class RunSettings(Section):
    """Where and how it runs; results do not depend on it but for rounding."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    threads: int | None = Field(None, ge=1, description="all cores if not given")
    workers: int = Field(0, ge=0, description="processes that read images")
    memory: float = Field(2.0, ge=0, description="GiB of images to keep, in each such process")
    checkpoint_every: int = Field(500, ge=1, description="steps")
    keep_weights: bool = Field(False, description="save each trained network")


class Experiment(Section):
    """Everything that a comparison depends on."""

    data: Data
    kinds: list[str] = Field(min_length=1, description="infrared, visible, stacked, or a method")
    references: list[str] = Field(["visible"], description="kinds that the others are tested with")
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0, 1, 2, 3, 4], min_length=1)
    network: Network
    images: Images
    training: Training = Training(epochs=50)
    run: RunSettings = RunSettings()
    shown: int = Field(3, ge=0, description="test scenes on the sheet of images")

    @model_validator(mode="after")
    def _names_are_sound(self) -> Experiment:
        for what, names in (("kind", self.kinds), ("seed", self.seeds)):
            if len(set(names)) < len(names):
                raise ValueError(f"a {what} stands twice: {names}")
        return self

    @model_validator(mode="after")
    def _sizes_suit_the_network(self) -> Experiment:
        sizes = (*self.images.size, *(self.images.crop or ()))
        if self.network.name == "rtdetr" and any(side % 32 for side in sizes):
            raise ValueError("rtdetr needs images.size and crop in multiples of 32")
        return self

    @property
    def task(self) -> str:
        """Segment or detect, as the network says."""
        return NETWORKS[self.network.name]

    def protocol(self) -> dict[str, Any]:
        """What must stay the same for results to be comparable; a dataset may move."""
        parts = {"data", "network", "images", "training"}
        return self.model_dump(mode="json", include=parts, exclude={"data": {"root"}})


def load_experiment(file: Path, task: str, root: Path | None = None) -> Experiment:
    """Read a comparison from YAML.

    Args:
        file: YAML.
        task: segment or detect.
        root: In the place of the file's `data.root`.

    Raises:
        UserError: It cannot be read, a setting is not valid, or its network is for another task.
    """
    values = read_settings(file)
    if root is not None and isinstance(values.get("data"), dict):
        values["data"]["root"] = root
    experiment = validated(Experiment, values, f"comparison {file}")
    if experiment.task != task:
        raise UserError(
            f"{file} names the network {experiment.network.name}: use emma downstream "
            f"{experiment.task}."
        )
    return experiment
