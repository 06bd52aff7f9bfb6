import cv2
import numpy as np

from emma_fusion import baselines
from emma_fusion.baselines.additive import Additive, add


def smooth_image(rng, size=64):
    image = cv2.GaussianBlur(rng.random((size, size)), (0, 0), 3)
    image = (image - image.min()) / np.ptp(image)
    return np.rint(255 * image).astype(np.uint8)


def test_additive_formula_is_the_sum_where_it_fits_into_a_image():
    rng = np.random.default_rng(2)
    infrared, visible = (smooth_image(rng).astype(np.float32) / 1024 + 0.15 for _ in range(2))
    plain = Additive(contrast=1, spread=1, centre=1, gains=[1, 1], noise=0)
    fused = add(infrared, np.zeros_like(infrared), plain)
    assert np.abs(fused - infrared).max() < 1e-4  # nothing to add: the source itself
    fused = add(infrared, visible, plain)
    assert np.corrcoef(fused.ravel(), (infrared + visible).ravel())[0, 1] > 0.99
    assert abs(fused.mean() - (infrared + visible).mean()) < 0.01


def test_additive_formula_keeps_contrast_detail_and_range():
    rng = np.random.default_rng(2)
    infrared, visible = (smooth_image(rng).astype(np.float32) / 255 for _ in range(2))
    mean = (infrared + visible) / 2
    strong = add(infrared, visible, Additive())
    assert strong.dtype == np.float32
    assert strong.min() >= 0
    assert strong.max() <= 1
    assert strong.std() > 1.2 * mean.std()
    assert np.abs(np.diff(strong)).mean() > 1.5 * np.abs(np.diff(mean)).mean()
    assert strong.mean() < mean.mean() * 2 * Additive().contrast  # brought towards the centre
    black = np.zeros_like(infrared)
    assert add(black, black, Additive()).max() < 1.5 / 255


def test_it_is_a_baseline_like_the_others():
    rng = np.random.default_rng(2)
    planes = [smooth_image(rng).astype(np.float32) / 255 for _ in range(2)]
    assert np.abs(baselines.fuse("additive", *planes) - add(*planes)).max() < 1e-6
