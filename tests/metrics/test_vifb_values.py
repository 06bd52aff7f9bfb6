"""The `vifb` convention against the values that the benchmark published."""

import numpy as np
import pytest

from emma_fusion import metrics
from golden import vifb_values

# Every method on the smallest image, and one on each of the others; benchmarks/agreement.py
# takes all.
EVERYWHERE = "GFF"


def test_published_values_are_met(golden):
    rows = [
        row for row in vifb_values(golden) if row.image == "walking" or row.method == EVERYWHERE
    ]
    assert len(rows) == 23 + 4
    for row in rows:
        values = metrics.score(*row.read(), convention="vifb")
        # Half a unit of the fifth digit, which is all that was printed.
        assert values == pytest.approx(row.values, rel=5.001e-5, abs=0)


@pytest.mark.parametrize("side", [32, 37])
def test_the_edges_that_the_matlab_code_has(side):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (side, side), dtype=np.uint8)
    black = np.zeros_like(image)
    equal = metrics.score(image, image, image, convention="vifb")
    assert equal["Qcb"] == 1
    assert equal["Qcv"] == 0
    assert equal["SSIM"] == pytest.approx(2)
    assert equal["PSNR"] == np.inf
    nothing = metrics.score(black, black, black, convention="vifb")
    assert all(np.isnan(nothing[name]) for name in ("Qabf", "Qcb", "Qcv"))
    flat = metrics.score(black + 9, image, image[::-1].copy(), convention="vifb")
    assert np.isnan([flat["Qcb"], flat["Qcv"]]).all()


def test_a_grey_image_counts_as_three_equal_channels():
    random = np.random.default_rng(0)
    fused, visible = random.integers(0, 256, (2, 40, 44, 3), dtype=np.uint8)
    infrared = random.integers(0, 256, (40, 44), dtype=np.uint8)
    grey = metrics.score(fused, infrared, visible, convention="vifb")
    colour = metrics.score(fused, np.dstack([infrared] * 3), visible, convention="vifb")
    assert grey == colour
    # A grey fused image is scored against the luminance of its sources.
    luminances = metrics.score(infrared, infrared, metrics.luminance(visible), convention="vifb")
    assert metrics.score(infrared, infrared, visible, convention="vifb") == luminances
