"""Masks and boxes are read as they are meant, and what is wrong with them is said."""

import cv2
import numpy as np
import pytest

import labelled as made
from emma_fusion.downstream.labels import Boxes, read_boxes, read_mask
from emma_fusion.errors import UserError


def test_numbers_below_the_first_class_are_ignored(tmp_path):
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.array([[0, 1, 2, 255]], np.uint8))
    assert read_mask(path, 3).tolist() == [[0, 1, 2, 255]]
    assert read_mask(path, 2, first=1).tolist() == [[255, 0, 1, 255]]
    with pytest.raises(UserError, match=r"holds the number 2.*0 to 1"):
        read_mask(path, 2)


def test_a_grey_mask_saved_with_three_channels_is_read_and_a_coloured_one_refused(tmp_path):
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.full((2, 2, 3), 1, np.uint8))
    assert read_mask(path, 3).tolist() == [[1, 1], [1, 1]]
    cv2.imwrite(str(path), np.tile(np.uint8([0, 0, 128]), (2, 2, 1)))
    with pytest.raises(UserError, match="coloured"):
        read_mask(path, 3)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.xml", made.voc([("tree", (0, 0, 1, 1))], {}), "class 'tree'"),
        ("a.xml", "<annotation><object/></annotation>", "size"),
        ("a.xml", "<annotation>", "cannot be read"),
        ("a.txt", "7 0.5 0.5 0.1 0.1", "class 7"),
        ("a.txt", "0 0.5 0.5", "cannot be read"),
    ],
)
def test_a_wrong_file_of_boxes_is_named(name, text, told, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=told) as error:
        read_boxes(tmp_path / name, ("person", "car"))
    assert str(tmp_path / name) in str(error.value)


def test_an_image_without_objects(tmp_path):
    (tmp_path / "a.txt").write_text("\n")
    boxes = read_boxes(tmp_path / "a.txt", ("person",))
    assert len(boxes) == 0
    assert boxes.corners.shape == (0, 4)


def test_boxes_outside_the_image_are_cut_or_left_out():
    boxes = Boxes.of([[0.5, 0.5, 1.5, 1.5], [1.2, 0, 1.4, 1], [0, 0, 1, 0]], [0, 1, 2], [1, 2, 3])
    assert boxes.corners.tolist() == [[0.5, 0.5, 1, 1]]
    assert boxes.classes.tolist() == [0]
    assert boxes.scores.tolist() == [1]
