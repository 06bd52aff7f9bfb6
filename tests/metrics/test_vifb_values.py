"""The `vifb` convention against the values that the benchmark published."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from emma_fusion import metrics

NAMES = {
    "Avg_gradient": "AG",
    "Cross_entropy": "CE",
    "Edge_intensity": "EI",
    "Entropy": "EN",
    "Mutinf": "MI",
    "Psnr": "PSNR",
    "Qabf": "Qabf",
    "Qcb": "Qcb",
    "Qcv": "Qcv",
    "Rmse": "RMSE",
    "Spatial_frequency": "SF",
    "Ssim": "SSIM",
    "Variance": "SD",
}
# Their stored pictures are not those that were scored; MST_SR has none (it is LP_SR).
NOT_SCORED = {"YDTR", "SwinFusion", "MST_SR"}
# Every method on the smallest picture, and one on each of the others.
EVERYWHERE = "GFF"


def read(path: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1])


def test_published_values_are_met(golden):
    folder = golden / "vifb"
    with (folder / "values.csv").open() as table:
        rows = [
            row
            for row in csv.DictReader(table)
            if row["method"] not in NOT_SCORED
            and (row["picture"] == "walking" or row["method"] == EVERYWHERE)
        ]
    assert len(rows) == 23 + 4
    for row in rows:
        picture = f"{row['picture']}.jpg"
        values = metrics.score(
            read(folder / "fused" / row["method"] / picture),
            read(folder / "ir" / picture),
            read(folder / "vi" / picture),
            convention="vifb",
        )
        published = {name: float(row[column]) for column, name in NAMES.items()}
        # Half a unit of the fifth digit, which is all that was printed.
        assert values == pytest.approx(published, rel=5.001e-5, abs=0)


@pytest.mark.parametrize("side", [32, 37])
def test_the_edges_that_the_matlab_code_has(side):
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (side, side), dtype=np.uint8)
    black = np.zeros_like(picture)
    equal = metrics.score(picture, picture, picture, convention="vifb")
    assert equal["Qcb"] == 1
    assert equal["Qcv"] == 0
    assert equal["SSIM"] == pytest.approx(2)
    assert equal["PSNR"] == np.inf
    nothing = metrics.score(black, black, black, convention="vifb")
    assert all(np.isnan(nothing[name]) for name in ("Qabf", "Qcb", "Qcv"))
    flat = metrics.score(black + 9, picture, picture[::-1].copy(), convention="vifb")
    assert np.isnan([flat["Qcb"], flat["Qcv"]]).all()


def test_a_grey_picture_counts_as_three_equal_channels():
    random = np.random.default_rng(0)
    fused, visible = random.integers(0, 256, (2, 40, 44, 3), dtype=np.uint8)
    infrared = random.integers(0, 256, (40, 44), dtype=np.uint8)
    grey = metrics.score(fused, infrared, visible, convention="vifb")
    colour = metrics.score(fused, np.dstack([infrared] * 3), visible, convention="vifb")
    assert grey == colour
    # A grey fused picture is scored against the luminance of its sources.
    luminances = metrics.score(infrared, infrared, metrics.luminance(visible), convention="vifb")
    assert metrics.score(infrared, infrared, visible, convention="vifb") == luminances
