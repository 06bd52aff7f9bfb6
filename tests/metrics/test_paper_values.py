"""The `paper` convention against values that the authors' evaluator printed."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from emma_fusion import metrics

COLUMNS = ("EN", "SD", "SF", "AG", "MI", "SCD", "VIF", "Qabf")


@pytest.fixture(scope="module")
def rows(golden: Path) -> list[dict[str, str]]:
    with (golden / "metrics-paper.csv").open() as table:
        return list(csv.DictReader(table))


def read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return picture if picture.ndim == 2 else np.ascontiguousarray(picture[..., ::-1])


def test_every_value_is_met(rows, golden, data):
    assert len(rows) == 20
    for row in rows:
        name, test = row["picture"], data / "roadscene" / "test"
        pictures = (
            golden / "fused" / row["method"] / f"{name}.png",
            test / "ir" / f"{name}.jpg",
            test / "vi" / f"{name}.jpg",
        )
        values = metrics.score(*map(read, pictures), convention="paper", metrics=COLUMNS)
        published = {column: float(row[column]) for column in COLUMNS}
        assert values == pytest.approx(published, rel=1e-5, abs=0)


def test_public_methods_have_no_hidden_pattern(rows, golden, data):
    """The measure is about 1 for real fusions."""
    for method in ("auif", "didfuse"):
        ratios = []
        for path in sorted((golden / "fused" / method).glob("*.png")):
            sources = (
                metrics.luminance(read(data / "roadscene" / "test" / side / f"{path.stem}.jpg"))
                for side in ("ir", "vi")
            )
            ratios.append(metrics.hidden_pattern_ratio(read(path), *sources))
        assert 0.97 < np.mean(ratios) < 1.23
