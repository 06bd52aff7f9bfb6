import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from emma_fusion.experiments.sensing import mean_scores, score_sensing

RNG = np.random.default_rng(0)


def test_each_is_compared_with_each_source():
    sensed_i, sensed_v, fused, i, v = RNG.integers(0, 256, (5, 24, 30), np.uint8)
    scores = score_sensing((sensed_i, sensed_v), fused, (i, v))
    images = {"sensed_infrared": sensed_i, "sensed_visible": sensed_v, "fused": fused}
    assert scores.keys() == images.keys()
    for name, image in images.items():
        for source, other in {"infrared": i, "visible": v}.items():
            found = scores[name][source]
            assert found["PSNR"] == pytest.approx(peak_signal_noise_ratio(other, image))
            assert found["SSIM"] == pytest.approx(structural_similarity(other, image))


def test_equal_images_and_means():
    black, white = np.zeros((12, 12)), np.ones((12, 12))
    scores = score_sensing((black, white), white, (black, white))
    assert scores["sensed_infrared"]["infrared"] == {"PSNR": math.inf, "SSIM": pytest.approx(1)}
    assert scores["sensed_infrared"]["visible"]["PSNR"] == 0
    other = score_sensing((white, white), white, (black, white))
    means = mean_scores([scores, other])
    assert means["sensed_infrared"]["visible"]["SSIM"] == pytest.approx(0.5, abs=1e-3)
