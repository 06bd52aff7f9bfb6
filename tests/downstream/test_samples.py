"""Windows and mirrorings treat image, mask and boxes alike; seed and number decide them."""

import numpy as np
import pytest
import torch

from emma_fusion.downstream.config import Images
from emma_fusion.downstream.inputs import Kind
from emma_fusion.downstream.labels import IGNORED, Boxes
from emma_fusion.downstream.samples import (
    Samples,
    Scenes,
    Standard,
    draw_window,
    move_boxes,
)


class Fixed(Scenes):
    """Scenes that are in memory already."""

    def __init__(self, items, channels=1):
        kind = Kind("infrared", colour=channels == 3)
        super().__init__([None] * len(items), "train", kind, (64, 96), lambda s: None, 0)
        self.items = items

    def __getitem__(self, index):
        return self.items[index]


def object_scene(left, top, right, bottom):
    """A bright rectangle; its mask and its box say where it is."""
    image = np.zeros((64, 96, 1), np.uint8)
    image[top:bottom, left:right] = 200
    mask = (image[..., 0] > 0).astype(np.uint8)
    box = Boxes.of([[left / 96, top / 64, right / 96, bottom / 64]], [0])
    return image, mask, box


def scale_of(images, seed):
    """The zoom of the first sample."""
    return abs(draw_window(images, np.random.default_rng((seed, 1, 0)))[0, 0])


IMAGES = Images(size=(64, 96), crop=(48, 48), zoom=(0.5, 2), flips="both")


@pytest.mark.parametrize("seed", range(8))
def test_mask_and_box_follow_the_image(seed):
    image, mask, box = object_scene(24, 16, 56, 40)
    one = Standard(np.float32([0]), np.float32([1]))
    shown, masked = Samples(Fixed([(image, mask)]), one, IMAGES, 1, seed)[0]
    seen, moved = Samples(Fixed([(image, box)]), one, IMAGES, 1, seed)[0]
    assert torch.equal(shown, seen)
    bright = shown[0].numpy() > 100 / 255
    labelled = masked.numpy()
    assert ((labelled == 1) != bright).mean() < 0.03  # only along the edges
    scene_area = 32 * 24 * scale_of(IMAGES, seed) ** 2
    if bright.sum() < 0.2 * scene_area:
        assert len(moved) == 0
    elif bright.sum() > 0.3 * scene_area:
        rows, columns = np.nonzero(bright)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert moved.corners[0] * 48 == pytest.approx(found, abs=1.01)


def test_what_lies_outside_of_the_image_is_mean_and_ignored():
    image, mask, _ = object_scene(0, 0, 96, 64)
    standard = Standard(np.float32([0.4]), np.float32([0.1]))
    wide = Images(size=(64, 96), crop=(96, 96), flips="none")
    shown, masked = Samples(Fixed([(image, mask)]), standard, wide, 1, 0)[0]
    outside = masked == IGNORED
    assert outside.sum() == 32 * 96
    assert shown[0][outside].abs().median() < 0.05  # but for the row that the frame goes through
    assert (masked[~outside] == 1).all()


def test_samples_depend_on_seed_and_number_alone():
    items = [object_scene(8 * k, 8, 8 * k + 30, 50)[:2] for k in range(4)]
    standard = Standard.of(Fixed(items))
    samples, again, other = (
        Samples(Fixed(items), standard, IMAGES, 12, seed) for seed in (3, 3, 4)
    )
    assert torch.equal(samples[7][0], again[7][0])
    assert not torch.equal(samples[7][0], other[7][0])
    assert not torch.equal(samples[0][0], samples[4][0])


def test_every_epoch_takes_each_scene_once():
    items = [
        (np.full((64, 96, 1), 10 * k, np.uint8), np.zeros((64, 96), np.uint8)) for k in range(5)
    ]
    standard = Standard(np.float32([0]), np.float32([1]))
    plain = Images(size=(64, 96), flips="none")
    samples = Samples(Fixed(items), standard, plain, 10, 0)
    seen = [round(float(samples[n][0].mean()) * 255) for n in range(10)]
    assert sorted(seen[:5]) == sorted(seen[5:]) == [0, 10, 20, 30, 40]
    assert seen[:5] != seen[5:]


def test_the_standard_gives_mean_0_and_deviation_1():
    rng = np.random.default_rng(0)
    items = [(rng.integers(50, 200, (64, 96, 3), np.uint8), None) for _ in range(3)]
    standard = Standard.of(Fixed(items, channels=3))
    values = torch.stack([standard.apply(image) for image, _ in items])
    assert values.mean((0, 2, 3)).abs().max() < 1e-3
    assert values.std((0, 2, 3)) == pytest.approx([1, 1, 1], abs=1e-3)


def test_boxes_mostly_outside_of_a_window_are_left_out():
    boxes = Boxes.of([[0, 0, 0.2, 1], [0.4, 0.4, 0.6, 0.6]], [1, 2])
    matrix = np.array([[1.0, 0, -18], [0, 1.0, 0]])  # 18 pixels to the left
    moved = move_boxes(boxes, matrix, (100, 100), (100, 100))
    assert moved.classes.tolist() == [2]
    assert moved.corners[0] == pytest.approx([0.22, 0.4, 0.42, 0.6])
    matrix[0, 2] = -10  # half of the first remains
    assert move_boxes(boxes, matrix, (100, 100), (100, 100)).classes.tolist() == [1, 2]


def test_windows_stay_within_the_image_where_they_can():
    rng = np.random.default_rng(0)
    for _ in range(50):
        matrix = draw_window(Images(size=(64, 96), crop=(32, 32), flips="both"), rng)
        for axis, side in ((0, 96), (1, 64)):
            scale = matrix[axis, axis]
            shift = matrix[axis, 2] - (scale - 1) / 2
            ends = sorted(((0 - shift) / scale, (32 - shift) / scale))
            assert ends[0] >= -1e-9
            assert ends[1] <= side + 1e-9
