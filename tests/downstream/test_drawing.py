"""What is drawn is where it was found, in the colour of its class."""

import numpy as np

from emma_fusion.downstream.drawing import draw, palette
from emma_fusion.downstream.labels import Boxes

GREY = np.full((40, 60, 1), 100, np.uint8)


def test_a_mask_colours_its_classes_and_not_the_background():
    mask = np.zeros((20, 30), np.uint8)  # of half the image's size
    mask[:, 10:20], mask[:, 20:] = 1, 255
    drawn = draw(GREY, mask, ("soil", "crop"))
    assert (drawn[:, :20] == 100).all()
    assert (drawn[:, 40:] == 50).all()
    over = 0.4 * 100 + 0.6 * palette(2)[1]
    assert abs(drawn[20, 30] - over).max() <= 1


def test_likely_objects_are_framed_and_others_are_not():
    boxes = Boxes.of([[0.2, 0.5, 0.5, 1], [0.6, 0.5, 0.9, 1]], [1, 0], [0.9, 0.1])
    drawn = draw(GREY, boxes, ("person", "car"))
    assert (drawn[39, 12:30] == palette(2)[1]).all()
    assert (drawn[20:40, 12] == palette(2)[1]).all()
    assert (drawn[:, 32:] == 100).all()


def test_colours_differ():
    colours = palette(14).astype(int)
    apart = abs(colours[:, None] - colours[None]).sum(axis=2) + 1000 * np.eye(14, dtype=int)
    assert apart.min() > 30
