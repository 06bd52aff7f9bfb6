"""What segmentation and detection have in common, as training sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from emma_fusion.downstream.layouts import Scene
from emma_fusion.downstream.samples import Scenes, Target


@dataclass
class Measured:
    """What a network reached on the test split.

    Attributes:
        values: Measure -> value in [0, 1], the first of which is the one that decides; NaN for a
            class that is nowhere in the truth.
        images: Stem -> a value of that image, for the test over images; empty where there
            is none.
    """

    values: dict[str, float]
    images: dict[str, float] = field(default_factory=dict)


class Task(ABC):
    """Segmentation or detection."""

    classes: tuple[str, ...]

    @abstractmethod
    def label(self, scene: Scene) -> Target:
        """Read a scene's label."""

    @abstractmethod
    def prepare(self, scenes: Scenes) -> None:
        """Learn from the labels of the training split what the loss needs of them."""

    @abstractmethod
    def loss(self, network: nn.Module, images: Tensor, targets: list[Any]) -> Tensor:
        """The loss of a batch.

        Args:
            network: See `emma_fusion.downstream.networks`.
            images: (B, C, H, W), standardised.
            targets: B of what `samples.Samples` gives.
        """

    @abstractmethod
    def predict(self, network: nn.Module, images: Tensor, targets: list[Target]) -> list[Target]:
        """What the network finds, each in the form of the target's."""

    @abstractmethod
    def measure(self, stems: list[str], found: list[Target], truth: list[Target]) -> Measured:
        """How good that is."""
