"""Images to look at: what was found, drawn over what the network saw."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from emma_fusion.downstream.comparison import Cell, read_found, shown_scenes
from emma_fusion.downstream.config import Experiment
from emma_fusion.downstream.inputs import Kind
from emma_fusion.downstream.labels import IGNORED, Boxes
from emma_fusion.downstream.layouts import Dataset
from emma_fusion.downstream.samples import Target
from emma_fusion.downstream.task import Task
from emma_fusion.images.sheet import make_sheet

#: Detections that are less likely are not drawn.
LIKELY = 0.3
COLUMNS = 4


def draw(image: NDArray[np.uint8], target: Target, classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """Draw a mask or boxes over an image.

    Args:
        image: (H, W, C), of which one or three channels are shown.
        target: A mask of any size, or objects, of which the likely ones are drawn.
        classes: Names. The first class of a mask is not coloured where there are others: it is
            the background in every dataset here but FMB.

    Returns:
        (H, W, 3) RGB.
    """
    channels = 3 if image.shape[2] >= 3 else 1
    drawn = np.ascontiguousarray(np.repeat(image[..., :channels], 3 // channels, axis=2))
    height, width = drawn.shape[:2]
    colours = palette(len(classes))
    if isinstance(target, Boxes):
        thick = max(1, width // 320)
        for corners, number, score in zip(
            target.corners, target.classes, target.scores, strict=True
        ):
            if score < LIKELY:
                continue
            sides = np.array([width, height, width, height])
            left, top, right, bottom = (int(v) for v in np.rint(corners * sides))
            colour = tuple(int(v) for v in colours[number])
            cv2.rectangle(drawn, (left, top), (right - 1, bottom - 1), colour, thick)
            place, size = (left, max(top - 3, 12 * thick)), 0.35 * thick
            name = classes[number]
            cv2.putText(drawn, name, place, cv2.FONT_HERSHEY_DUPLEX, size, colour, 1, cv2.LINE_AA)
        return drawn
    mask = cv2.resize(target, (width, height), interpolation=cv2.INTER_NEAREST)
    known = mask < len(classes)
    if "road" not in classes:
        known &= mask != 0
    over = colours[np.where(known, mask, 0)]
    drawn[known] = (0.4 * drawn[known] + 0.6 * over[known]).astype(np.uint8)
    drawn[mask == IGNORED] //= 2
    return drawn


def _name_classes(drawn: NDArray[np.uint8], classes: tuple[str, ...]) -> None:
    """Write the names of the classes in their colours into the lower left corner."""
    size = max(0.3, drawn.shape[0] / 700)
    for row, (name, colour) in enumerate(zip(classes, palette(len(classes)), strict=True)):
        place = (4, drawn.shape[0] - 6 - round((len(classes) - 1 - row) * 30 * size))
        ink = tuple(int(v) for v in colour)
        cv2.putText(drawn, name, place, cv2.FONT_HERSHEY_DUPLEX, size, ink, 1, cv2.LINE_AA)


def palette(count: int) -> NDArray[np.uint8]:
    """(count, 3) RGB colours, the first of them dark blue, the others of hues far apart."""
    hues = (np.arange(count) * 0.381966 + 0.62) % 1  # golden section: neighbours differ
    values = np.stack([hues * 179, np.full(count, 210), np.full(count, 255)], axis=1)
    coloured = cv2.cvtColor(values.round().astype(np.uint8)[None], cv2.COLOR_HSV2RGB)[0]
    return np.asarray(coloured, np.uint8)


def sheet(
    experiment: Experiment,
    dataset: Dataset,
    kinds: list[Kind],
    cells: list[Cell],
    task: Task,
) -> NDArray[np.uint8]:
    """For each scene that is shown: the truth, then what each kind's first seed found.

    Returns:
        (H, W, 3) RGB.
    """
    rows: list[NDArray[np.uint8]] = []
    height, width = experiment.images.size
    for scene in shown_scenes(experiment, dataset):
        tiles: dict[str, NDArray[Any]] = {}
        for kind in kinds:
            image = kind.read(scene, "test")
            resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            seen = np.asarray(resized.reshape(height, width, -1), np.uint8)
            if kind is kinds[0]:
                truth = task.label(scene)
                tiles[f"truth, {scene.stem}"] = draw(seen, truth, task.classes)
                if not isinstance(truth, Boxes):
                    _name_classes(tiles[f"truth, {scene.stem}"], task.classes)
            cell = next(cell for cell in cells if cell.kind == kind.name)
            tiles[kind.name] = draw(seen, read_found(cell, scene.stem), task.classes)
        names = list(tiles)
        for start in range(0, len(names), COLUMNS):
            part = {name: tiles[name] for name in names[start : start + COLUMNS]}
            rows.append(make_sheet(part))
    wide = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 0), (0, wide - row.shape[1]), (0, 0)), mode="edge") for row in rows]
    )
