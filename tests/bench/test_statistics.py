"""Means, intervals, places, ranks and tests, against other implementations where there are any."""

import math

import numpy as np
import pytest
from scipy import stats

from emma_fusion.bench import Dataset, Method, Scores, summarise
from emma_fusion.bench.statistics import bootstrap, holm

METRICS = ("SD", "MSE")  # one of each direction


def make(values):
    """Scores of methods: name -> (images, metrics)."""
    count = max(len(rows) for rows in values.values())
    pairs = {f"{k:03}": (None, None) for k in range(count)}
    by_stem = {
        name: {
            stem: dict(zip(METRICS, map(float, row), strict=True))
            for stem, row in zip(pairs, rows, strict=False)
        }
        for name, rows in values.items()
    }
    return Scores(Dataset("d", "D", pairs), [Method(name, "") for name in values], by_stem, {})


@pytest.fixture
def drawn():
    random = np.random.default_rng(4)
    base = random.normal(50, 8, (40, 2))
    return {
        "one": base,
        "two": base + random.normal(3, 1, (40, 2)),
        "three": base + random.normal(0, 1, (40, 2)),
    }


def test_means_and_places(drawn):
    lines = summarise(make(drawn), METRICS, "one")
    means = {line.method: [cell.mean for cell in line.cells.values()] for line in lines}
    for name, rows in drawn.items():
        assert means[name] == pytest.approx(rows.mean(axis=0))
    best = {metric: [line.cells[metric].place for line in lines] for metric in METRICS}
    assert best["SD"][1] == 1  # higher is better, "two" is highest
    assert best["MSE"][1] == 0  # and third where lower is better
    assert sorted(best["SD"]) == sorted(best["MSE"]) == [0, 1, 2]
    assert lines[1].rank == 2


def test_equal_means_share_a_place_and_a_rank():
    rows = np.ones((5, 2))
    lines = summarise(make({"a": rows, "b": rows, "c": rows * 0}), METRICS)
    assert [line.cells["SD"].place for line in lines] == [1, 1, 2]
    assert [line.rank for line in lines] == [2.0, 2.0, 2.0]


def test_intervals_are_those_of_scipy(drawn):
    rows = drawn["one"]
    low, high = bootstrap(rows, seed=1)
    expected = stats.bootstrap(
        (rows[:, 0],), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(2)
    ).confidence_interval
    width = expected.high - expected.low
    assert low[0] == pytest.approx(expected.low, abs=0.1 * width)
    assert high[0] == pytest.approx(expected.high, abs=0.1 * width)


def test_a_seed_is_all_that_intervals_depend_on(drawn):
    def ends(seed):
        lines = summarise(make(drawn), METRICS, seed=seed)
        return [(cell.low, cell.high) for line in lines for cell in line.cells.values()]

    assert ends(3) == ends(3)
    assert ends(3) != ends(4)


def test_the_test_is_wilcoxons_with_holms_correction(drawn):
    lines = summarise(make(drawn), METRICS, "one")
    raw = np.array(
        [
            stats.wilcoxon(drawn[name][:, k], drawn["one"][:, k]).pvalue
            for name in ("two", "three")
            for k in range(2)
        ]
    )
    got = [cell.p for line in lines[1:] for cell in line.cells.values()]
    assert got == pytest.approx(holm(raw))
    assert got[0] < 0.001
    assert all(math.isnan(cell.p) for cell in lines[0].cells.values())
    assert lines[1].cells["SD"].difference == pytest.approx(
        (drawn["two"] - drawn["one"])[:, 0].mean()
    )


def test_equal_values_are_no_difference():
    rows = np.random.default_rng(0).normal(size=(8, 2))
    lines = summarise(make({"a": rows, "b": rows}), METRICS, "a")
    assert [cell.p for cell in lines[1].cells.values()] == [1.0, 1.0]


def test_a_method_without_all_images_is_not_ranked(drawn):
    drawn["three"] = drawn["three"][:7] + 100
    lines = summarise(make(drawn), METRICS, "one")
    assert lines[2].images == 7
    assert math.isnan(lines[2].rank)
    assert {cell.place for cell in lines[2].cells.values()} == {0}
    assert [line.rank for line in lines[:2]] == [1.5, 1.5]
    gap = (drawn["three"] - drawn["one"][:7])[:, 0].mean()
    assert lines[2].cells["SD"].difference == pytest.approx(gap)


def test_a_method_without_any_image(drawn):
    drawn["three"] = drawn["three"][:0]
    line = summarise(make(drawn), METRICS, "one")[2]
    assert line.images == 0
    assert math.isnan(line.cells["SD"].mean)


def test_values_that_are_not_finite_have_no_interval_and_no_test(drawn):
    drawn["two"][3, 0] = math.inf
    drawn["three"][3, 1] = math.nan
    lines = summarise(make(drawn), METRICS, "one")
    assert lines[1].cells["SD"].mean == math.inf
    assert math.isnan(lines[1].cells["SD"].low)
    assert math.isnan(lines[1].cells["SD"].p)
    assert math.isfinite(lines[1].cells["MSE"].low)
    assert lines[2].cells["MSE"].place == 0
