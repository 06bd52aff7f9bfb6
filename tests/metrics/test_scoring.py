"""Scoring images that some of the metrics cannot take."""

import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.metrics import CONVENTIONS, score


def test_images_too_small_for_some_metrics_name_what_can_be_asked_for():
    images = np.random.default_rng(0).integers(0, 255, (3, 40, 48)).astype(np.uint8)
    with pytest.raises(UserError) as raised:
        score(*images, metrics=list(CONVENTIONS["ours"].metrics))
    sentence = str(raised.value)
    assert "have 40x48 pixels, too few for VIF (41x41), VIFF (41x41), MS-SSIM (176x176)" in sentence
    # the names in the sentence, given to that option, do score
    names = sentence.split("--metrics ")[1].rstrip(".").split(",")
    assert len(names) == len(CONVENTIONS["ours"].metrics) - 3
    assert list(score(*images, metrics=names)) == names


def test_images_too_small_for_all_that_was_asked_for():
    images = np.zeros((3, 4, 4), np.uint8)
    with pytest.raises(UserError, match=r"4x4 pixels, too few for VIF \(41x41\)\.$"):
        score(*images, metrics=["VIF"])
