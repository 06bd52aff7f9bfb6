"""Segmentation: a class for every pixel; the measure is the intersection over union (IoU)."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emma_fusion.downstream.labels import IGNORED, read_mask
from emma_fusion.downstream.layouts import Dataset, Scene
from emma_fusion.downstream.samples import Scenes, Target
from emma_fusion.downstream.task import Measured, Task

MEAN = "mIoU"


def told_by_brightness(scenes: Scenes) -> float:
    """How well brightness alone tells the first class of a mask from the others.

    The area under the receiver's curve, mean over the images: the chance that a pixel of another
    class is brighter than one of the first, or darker where that is likelier. 0.5 is nothing, 1
    all. It says why a network finds a kind of input easy or hard.

    Args:
        scenes: Of one channel.

    Returns:
        0.5 to 1; NaN where no image has both.
    """
    areas = []
    for k in range(len(scenes)):
        image, target = scenes[k]
        size = image.shape[1], image.shape[0]
        mask = cv2.resize(cast(Any, target), size, interpolation=cv2.INTER_NEAREST_EXACT)
        first, other = (
            np.bincount(image[..., 0][chosen], minlength=256).astype(np.float64)
            for chosen in (mask == 0, (mask != 0) & (mask != IGNORED))
        )
        if first.any() and other.any():
            below = np.cumsum(first) - first / 2
            areas.append(float((other * below).sum() / (first.sum() * other.sum())))
    mean = float(np.mean(areas)) if areas else float("nan")
    return max(mean, 1 - mean)


class Segmentation(Task):
    """Segmentation of a dataset.

    Args:
        dataset: Whose classes.
        balance: A class of the share p of the labelled pixels weighs p to the power of -balance in
            the loss: with 0 pixels weigh the same, with 1 classes do.
    """

    def __init__(self, dataset: Dataset, balance: float = 0.0) -> None:
        self.classes, self.first, self.balance = dataset.classes, dataset.first, balance
        self.weights: Tensor | None = None

    def label(self, scene: Scene) -> Target:
        """The mask (H, W)."""
        return read_mask(scene.label, len(self.classes), self.first)

    def prepare(self, scenes: Scenes) -> None:
        """Count the pixels of each class."""
        if self.balance == 0:
            return
        counts = np.zeros(IGNORED + 1)
        for k in range(len(scenes)):
            counts += np.bincount(np.asarray(scenes[k][1]).ravel(), minlength=IGNORED + 1)
        there = np.maximum(counts[: len(self.classes)], 1)
        self.weights = torch.from_numpy((there / there.sum()) ** -self.balance).float()

    def loss(self, network: nn.Module, images: Tensor, targets: list[Any]) -> Tensor:
        """Cross-entropy at the masks' size, over the pixels that are labelled."""
        masks = torch.stack(targets).to(images.device)
        logits = network(pixel_values=images).logits.float()
        logits = F.interpolate(logits, size=masks.shape[1:], mode="bilinear")
        weights = None if self.weights is None else self.weights.to(images.device)
        losses = F.cross_entropy(
            logits, masks, weight=weights, ignore_index=IGNORED, reduction="sum"
        )
        labelled = masks != IGNORED
        if weights is None:
            return losses / labelled.sum().clamp(min=1)
        return losses / weights[masks[labelled]].sum().clamp(min=1e-6)

    def predict(self, network: nn.Module, images: Tensor, targets: list[Target]) -> list[Target]:
        """The likeliest class of every pixel, at the size of the label's file."""
        logits = network(pixel_values=images).logits.float()
        found: list[Target] = []
        for one, target in zip(logits, targets, strict=True):
            size = cast(Any, target).shape
            whole = F.interpolate(one[None], size=size, mode="bilinear")
            found.append(whole[0].argmax(dim=0).byte().cpu().numpy())
        return found

    def measure(self, stems: list[str], found: list[Target], truth: list[Target]) -> Measured:
        """IoU of each class over all pixels of the split, their mean, and each image's mean IoU.

        A class that is in neither truth nor prediction has no IoU and is left out of the mean.
        """
        from torchmetrics.classification import MulticlassJaccardIndex

        options: dict[str, Any] = {"average": "none", "ignore_index": IGNORED}
        options["zero_division"] = float("nan")
        metric = MulticlassJaccardIndex(len(self.classes), **options)
        images = {}
        for stem, mask, true in zip(stems, found, truth, strict=True):
            pair = torch.from_numpy(mask).long(), torch.from_numpy(true).long()
            images[stem] = float(metric(*pair).nanmean())
        each = metric.compute()
        values = {MEAN: float(each.nanmean())}
        values |= {f"IoU {name}": float(v) for name, v in zip(self.classes, each, strict=True)}
        return Measured(values, images)
