"""IoU and average precision where the answer can be worked out by hand."""

import math

import numpy as np
import pytest

from emma_fusion.downstream.detect import Detection, average_precision, found_boxes
from emma_fusion.downstream.labels import Boxes
from emma_fusion.downstream.layouts import Dataset
from emma_fusion.downstream.segment import Segmentation, told_by_brightness

CLASSES = ("person", "car")
NONE = Boxes.of([], [], [])


def segmentation(*classes):
    return Segmentation(Dataset("made", "segment", classes))


def test_iou_by_hand():
    truth = np.uint8([[0, 0, 1, 1], [0, 0, 1, 255]])
    found = np.uint8([[0, 0, 0, 1], [0, 0, 1, 0]])
    measured = segmentation("soil", "crop", "weed").measure(["a"], [found], [truth])
    assert measured.values["IoU soil"] == pytest.approx(4 / 5)
    assert measured.values["IoU crop"] == pytest.approx(2 / 3)
    assert math.isnan(measured.values["IoU weed"])
    assert measured.values["mIoU"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert measured.images == {"a": pytest.approx(measured.values["mIoU"])}


def test_iou_is_over_all_pixels_and_each_images_over_its_own():
    truth = [np.uint8([[1, 1, 1, 1]]), np.uint8([[0, 1, 0, 0]])]
    found = [np.uint8([[1, 1, 1, 1]]), np.uint8([[1, 1, 0, 0]])]
    measured = segmentation("soil", "crop").measure(["a", "b"], found, truth)
    assert measured.values["IoU crop"] == pytest.approx(5 / 6)
    assert measured.values["IoU soil"] == pytest.approx(2 / 3)
    assert measured.images == {"a": 1, "b": pytest.approx((1 / 2 + 2 / 3) / 2)}


TRUTH = [
    Boxes.of([[0.1, 0.1, 0.3, 0.5], [0.5, 0.5, 0.9, 0.9]], [0, 1]),
    Boxes.of([[0.2, 0.2, 0.4, 0.4]], [0]),
]


def scored(boxes, score=0.9):
    return Boxes.of(boxes.corners, boxes.classes, [score] * len(boxes))


def test_a_detector_that_is_right_about_everything():
    values = average_precision([scored(b) for b in TRUTH], TRUTH, CLASSES)
    assert list(values) == ["mAP@0.5", "mAP@0.5:0.95", "AP person", "AP car"]
    assert all(value == pytest.approx(1) for value in values.values())


def test_a_detector_that_finds_nothing():
    values = average_precision([NONE, NONE], TRUTH, CLASSES)
    assert set(values.values()) == {0}


def test_a_detector_that_misses_one_of_two():
    """Precision 1 up to recall 1/2 and none beyond: 51 of the 101 recalls of COCO."""
    values = average_precision([scored(TRUTH[0]), NONE], TRUTH, CLASSES)
    assert values["AP person"] == pytest.approx(51 / 101)
    assert values["AP car"] == pytest.approx(1)
    assert values["mAP@0.5"] == pytest.approx((51 / 101 + 1) / 2)


def test_a_false_alarm_that_is_surer_than_the_truth():
    """One false, then one true: precision 1/2 at every recall."""
    found = Boxes.of([[0.6, 0.1, 0.8, 0.2], *TRUTH[1].corners], [0, 0], [0.9, 0.5])
    values = average_precision([found], TRUTH[1:], CLASSES)
    assert values["AP person"] == pytest.approx(0.5)
    assert math.isnan(values["AP car"])
    assert values["mAP@0.5:0.95"] == pytest.approx(0.5)


def test_boxes_that_are_too_wide():
    """IoU 1 / 1.3 = 0.769: right at the thresholds 0.5 to 0.75, six of the ten."""
    wide = Boxes.of([[0.2, 0.2, 0.46, 0.4]], [0], [0.9])
    values = average_precision([wide], TRUTH[1:], CLASSES)
    assert values["mAP@0.5"] == pytest.approx(1)
    assert values["mAP@0.5:0.95"] == pytest.approx(0.6)


def test_a_wrong_class_is_a_miss_and_a_false_alarm():
    wrong = Boxes.of(TRUTH[1].corners, [1], [0.9])
    values = average_precision([scored(TRUTH[0]), wrong], TRUTH, CLASSES)
    assert values["AP person"] == pytest.approx(51 / 101)
    assert values["AP car"] == pytest.approx(1)  # the false alarm is not surer than the truth


def test_the_task_measures_by_them():
    task = Detection(Dataset("made", "detect", CLASSES))
    measured = task.measure(["a", "b"], [scored(b) for b in TRUTH], TRUTH)
    assert next(iter(measured.values.items())) == ("mAP@0.5", pytest.approx(1))


def test_the_likeliest_pairs_of_query_and_class_are_found():
    import torch

    scores = torch.tensor([[0.1, 0.8], [0.6, 0.2]])
    centres = torch.tensor([[0.5, 0.5, 0.2, 0.4], [0.25, 0.25, 0.5, 0.5]])
    found = found_boxes(scores, centres)
    assert found.scores == pytest.approx([0.8, 0.6, 0.2, 0.1])
    assert found.classes.tolist() == [1, 0, 1, 0]
    assert found.corners[0] == pytest.approx([0.4, 0.3, 0.6, 0.7])


@pytest.mark.parametrize(
    ("values", "area"), [((10, 20), 1), ((20, 10), 1), ((10, 10), 0.5), ((10, (5, 15)), 0.5)]
)
def test_what_brightness_alone_tells(values, area):
    mask = np.repeat(np.uint8([[0, 1]]), 2, axis=0)
    image = np.zeros((2, 2, 1), np.uint8)
    image[:, 0, 0], image[:, 1, 0] = values
    assert told_by_brightness([(image, mask)]) == pytest.approx(area)
