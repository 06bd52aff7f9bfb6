"""Detection: boxes with a class; the measure is COCO's average precision (AP)."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from emma_fusion.downstream.labels import Boxes, read_boxes
from emma_fusion.downstream.layouts import Dataset, Scene
from emma_fusion.downstream.samples import Scenes, Target
from emma_fusion.downstream.task import Measured, Task

#: Objects of an image that are counted at most, the likeliest first, as in COCO.
MOST = 100
STRICT, LOOSE = "mAP@0.5:0.95", "mAP@0.5"


class Detection(Task):
    """Detection in a dataset; see `Task`."""

    def __init__(self, dataset: Dataset) -> None:
        self.classes = dataset.classes

    def label(self, scene: Scene) -> Target:
        """The objects."""
        return read_boxes(scene.label, self.classes)

    def prepare(self, scenes: Scenes) -> None:
        """Nothing is needed."""

    def loss(self, network: nn.Module, images: Tensor, targets: list[Any]) -> Tensor:
        """The network's own loss: a matching of predictions with objects, classes and boxes."""
        labels = []
        for boxes in targets:
            left, top, right, bottom = torch.from_numpy(boxes.corners).unbind(1)
            middle = (left + right) / 2, (top + bottom) / 2
            labels.append(
                {
                    "class_labels": torch.from_numpy(boxes.classes).to(images.device),
                    "boxes": torch.stack((*middle, right - left, bottom - top), 1).to(
                        images.device
                    ),
                }
            )
        loss: Tensor = network(pixel_values=images, labels=labels).loss
        return loss

    def predict(self, network: nn.Module, images: Tensor, targets: list[Target]) -> list[Target]:
        """The likeliest objects: YOLOS has a class for none, RT-DETR a sigmoid for each class."""
        output = network(pixel_values=images)
        logits, centres = output.logits.float(), output.pred_boxes.float()
        if cast(Any, network.config).model_type == "yolos":
            scores = logits.softmax(dim=-1)[..., :-1]
        else:
            scores = logits.sigmoid()
        return [found_boxes(s, c) for s, c in zip(scores.cpu(), centres.cpu(), strict=True)]

    def measure(self, stems: list[str], found: list[Target], truth: list[Target]) -> Measured:
        """AP of each class over IoU 0.5 to 0.95, and the means of COCO."""
        boxes = cast(list[Boxes], found), cast(list[Boxes], truth)
        return Measured(average_precision(*boxes, self.classes))


def found_boxes(scores: Tensor, centres: Tensor) -> Boxes:
    """The `MOST` likeliest pairs of query and class.

    Args:
        scores: (queries, classes).
        centres: (queries, 4), centre and size as parts of the image.
    """
    likeliest, places = scores.flatten().topk(min(MOST, scores.numel()))
    chosen = centres[places // scores.shape[1]]
    half = chosen[:, 2:] / 2
    corners = torch.cat((chosen[:, :2] - half, chosen[:, :2] + half), dim=1)
    return Boxes.of(corners.numpy(), (places % scores.shape[1]).numpy(), likeliest.numpy())


def average_precision(
    found: list[Boxes], truth: list[Boxes], classes: tuple[str, ...]
) -> dict[str, float]:
    """COCO's average precision, by pycocotools.

    Args:
        found: Of each image, with scores.
        truth: Of each image.
        classes: Names.

    Returns:
        mAP@0.5, mAP@0.5:0.95 and each class's AP over IoU 0.5 to 0.95; NaN for a class that is
        nowhere in the truth, which is left out of the means.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    data = {"images": [{"id": n} for n in range(len(truth))]}
    data["categories"] = [{"id": n} for n in range(len(classes))]
    with redirect_stdout(io.StringIO()):  # pycocotools tells each of its steps
        sides = []
        for images in (truth, found):
            side = COCO()
            side.dataset = data | {"annotations": _annotations(images)}
            side.createIndex()
            sides.append(side)
        evaluation = COCOeval(*sides, iouType="bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    # IoU thresholds x recalls x classes x areas x numbers of detections; -1 where there is no truth
    precision = np.asarray(evaluation.eval["precision"])[:, :, :, 0, -1]
    each = [_mean(precision[:, :, number]) for number in range(len(classes))]
    values = {LOOSE: _mean(precision[0]), STRICT: _mean(precision)}
    return values | {f"AP {name}": value for name, value in zip(classes, each, strict=True)}


def _mean(precision: Any) -> float:
    counted = precision[precision > -1]
    return float(counted.mean()) if counted.size else float("nan")


def _annotations(images: list[Boxes]) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = []
    for number, boxes in enumerate(images):
        for corners, kind, score in zip(boxes.corners, boxes.classes, boxes.scores, strict=True):
            left, top, right, bottom = (1000 * float(edge) for edge in corners)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(kind),
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": 0,
                    "score": float(score),
                }
            )
    return annotations
