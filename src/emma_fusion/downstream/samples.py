"""Samples for training and testing: read, resized, cut, mirrored, standardised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from emma_fusion.downstream import config
from emma_fusion.downstream.inputs import Image, Kind
from emma_fusion.downstream.labels import IGNORED, Boxes
from emma_fusion.downstream.layouts import Scene

Target = NDArray[np.uint8] | Boxes
"""A mask (H, W) at the size of the label's file, or the objects of an image."""


@dataclass
class Scenes:
    """The images and labels of one split, read when asked for and kept as memory allows.

    Attributes:
        scenes: Of the split.
        split: train or test.
        kind: Of input.
        size: Height and width that images are resized to.
        label: Reads a label.
        memory: Bytes of images to keep.
    """

    scenes: list[Scene]
    split: str
    kind: Kind
    size: tuple[int, int]
    label: Callable[[Scene], Target]
    memory: float

    def __post_init__(self) -> None:
        self._kept: dict[int, tuple[Image, Target]] = {}

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> tuple[Image, Target]:
        """The image (H, W, C) at `size`, and the label as it is in its file."""
        if index in self._kept:
            return self._kept[index]
        scene = self.scenes[index]
        image = self.kind.read(scene, self.split)
        height, width = self.size
        smaller = height * width < image.shape[0] * image.shape[1]
        mode = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        resized = cv2.resize(image, (width, height), interpolation=mode)
        item = (resized.reshape(height, width, -1).astype(np.uint8), self.label(scene))
        if (len(self._kept) + 1) * (resized.nbytes + _bytes(item[1])) <= self.memory:
            self._kept[index] = item
        return item


def _bytes(target: Target) -> int:
    return target.nbytes if isinstance(target, np.ndarray) else target.corners.nbytes


@dataclass(frozen=True)
class Standard:
    """Mean and standard deviation of each channel, in [0, 1], over a kind's training split.

    Inputs differ in brightness and contrast, which a first layer would have to learn to even out:
    that would be a difference of training and not of what the images show.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, scenes: Scenes, most: int = 200) -> Standard:
        """Over at most so many images, evenly spread."""
        count = min(most, len(scenes))
        sums = np.zeros((2, scenes.kind.channels))
        for k in range(count):
            values = scenes[k * len(scenes) // count][0].reshape(-1, scenes.kind.channels) / 255
            sums += values.mean(axis=0), (values**2).mean(axis=0)
        mean, square = sums / count
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        return cls(mean.astype(np.float32), np.maximum(deviation, 1e-3).astype(np.float32))

    def apply(self, image: NDArray[Any]) -> Tensor:
        """(H, W, C) uint8 to (C, H, W) float32 of mean 0 and deviation 1 over the split."""
        values = (image.astype(np.float32) / 255 - self.mean) / self.deviation
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))


class Samples(TorchDataset[tuple[Tensor, Any]]):
    """A training run's samples, from its first to its last.

    The n-th sample is decided by seed and n alone: it is the same scene, window and mirroring for
    every kind of input, and a resumed run goes on with the samples that it had not seen.

    Args:
        scenes: To draw from; every epoch takes each once, in another order.
        standard: Of the kind.
        images: How to cut and change them.
        count: How many samples there are.
        seed: Of the run.
    """

    def __init__(
        self,
        scenes: Scenes,
        standard: Standard,
        images: config.Images,
        count: int,
        seed: int,
    ) -> None:
        self.scenes, self.standard, self.images = scenes, standard, images
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, n: int) -> tuple[Tensor, Any]:
        """Image (C, H, W), and mask (H, W) int64 or `Boxes`."""
        epoch, place = divmod(n, len(self.scenes))
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.scenes))
        image, target = self.scenes[int(order[place])]
        generator = np.random.default_rng((self.seed, 1, n))
        size = self.images.crop or self.images.size
        matrix = draw_window(self.images, generator)
        border = tuple(float(v) for v in np.rint(self.standard.mean * 255))
        cut = cv2.warpAffine(image, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderValue=border)
        values = self.standard.apply(cut.reshape(*size, -1))
        contrast, brightness = generator.uniform(-1, 1, 2) * self.images.jitter
        values = values * (1 + contrast) + brightness
        if isinstance(target, Boxes):
            return values, move_boxes(target, matrix, self.images.size, size)
        height, width = self.images.size
        mask = cv2.resize(target, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        mask = cv2.warpAffine(
            mask, matrix, size[::-1], flags=cv2.INTER_NEAREST, borderValue=float(IGNORED)
        )
        return values, torch.from_numpy(mask.astype(np.int64))


def draw_window(images: config.Images, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw a window of an image, as the matrix (2, 3) that takes pixels to pixels of the sample.

    Its enlargement is drawn evenly from the range on a scale of logarithms, its place evenly
    within the image, or, where the window is the larger of the two, such that it holds all of
    the image.

    Args:
        images: Sizes, zoom and flips.
        generator: Draws.
    """
    source, size = images.size, images.crop or images.size
    zoom = float(np.exp(generator.uniform(*np.log(images.zoom))))
    places, mirrors = generator.uniform(0, 1, 2), generator.uniform(0, 1, 2) < 0.5
    flips = (images.flips == "both", images.flips != "none")
    matrix = np.zeros((2, 3))
    for axis in (0, 1):  # height, then width; OpenCV has x first
        window = size[axis] / zoom
        first = places[axis] * (source[axis] - window)
        scale, shift = zoom, -zoom * first
        if flips[axis] and mirrors[axis]:
            scale, shift = -zoom, size[axis] + zoom * first
        # a pixel's centre lies half a pixel behind its number
        matrix[1 - axis, 1 - axis] = scale
        matrix[1 - axis, 2] = shift + (scale - 1) / 2
    return matrix


def move_boxes(
    boxes: Boxes, matrix: NDArray[np.float64], source: tuple[int, int], size: tuple[int, int]
) -> Boxes:
    """Boxes of an image as a window of it shows them; those mostly outside are left out.

    Args:
        boxes: As parts of the image.
        matrix: See `draw_window`.
        source: Height and width of the image.
        size: Height and width of the window.

    Returns:
        As parts of the window: those of which at least a quarter of the area lies in it.
    """
    corners = np.empty((len(boxes), 4))
    for axis, (side, there) in enumerate(zip(source[::-1], size[::-1], strict=True)):
        scale = matrix[axis, axis]
        shift = matrix[axis, 2] - (scale - 1) / 2
        ends = (boxes.corners[:, (axis, axis + 2)] * side * scale + shift) / there
        corners[:, axis], corners[:, axis + 2] = ends.min(axis=1), ends.max(axis=1)
    inside = np.clip(corners, 0, 1)
    area, seen = (
        np.maximum(c[:, 2] - c[:, 0], 0) * np.maximum(c[:, 3] - c[:, 1], 0)
        for c in (corners, inside)
    )
    kept = seen >= 0.25 * area
    return Boxes.of(inside[kept], boxes.classes[kept])
