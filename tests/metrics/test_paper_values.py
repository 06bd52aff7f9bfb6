"""The `paper` convention against values that the authors' evaluator printed."""

from pathlib import Path

import numpy as np
import pytest

from emma_fusion import metrics
from golden import Golden, paper_values


@pytest.fixture(scope="module")
def rows(golden: Path, data: Path) -> list[Golden]:
    return paper_values(golden, data)


def test_every_value_is_met(rows):
    assert len(rows) == 20
    for row in rows:
        values = metrics.score(*row.read(), convention="paper", metrics=row.values)
        assert values == pytest.approx(row.values, rel=1e-5, abs=0)


def test_public_methods_have_no_hidden_pattern(rows):
    """The measure is about 1 for real fusions."""
    for method in ("auif", "didfuse"):
        ratios = [
            metrics.hidden_pattern_ratio(*map(metrics.luminance, row.read()))
            for row in rows
            if row.method == method
        ]
        assert 0.97 < np.mean(ratios) < 1.23
