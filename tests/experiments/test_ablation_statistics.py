"""What counts as better, and what a claim then comes to."""

import json
import math

import numpy as np
import pytest

from emma_fusion.bench import Dataset, Method, Table
from emma_fusion.bench.runner import Scores
from emma_fusion.experiments.ablation_report import as_csv, as_json, as_markdown
from emma_fusion.experiments.ablation_statistics import (
    EQUIVARIANCE,
    compare,
    crossed_interval,
    gather,
    judge,
    lines,
)

RANDOM = np.random.default_rng(0)
BASE = RANDOM.normal(5, 1, (3, 40))


def values(**variants):
    """Each variant's values under SD (more is better) and Nabf (less is)."""
    return {name: {"SD": sd, "Nabf": nabf} for name, (sd, nabf) in variants.items()}


def noise():
    return RANDOM.normal(0, 0.1, BASE.shape)


def test_the_interval_is_that_of_the_plain_bootstrap_where_there_is_one_seed():
    low, high = crossed_interval(BASE[:1], 0)
    half = 1.96 * BASE[0].std() / math.sqrt(40)
    assert low == pytest.approx(BASE[0].mean() - half, abs=0.1 * half)
    assert high == pytest.approx(BASE[0].mean() + half, abs=0.1 * half)


def test_seeds_that_differ_widen_the_interval():
    apart = BASE + np.array([[-2.0], [0.0], [2.0]])
    (low, high), (wide_low, wide_high) = crossed_interval(BASE, 0), crossed_interval(apart, 0)
    assert wide_high - wide_low > 3 * (high - low)
    assert all(map(math.isnan, crossed_interval(np.full((2, 2), np.inf), 0)))


def test_what_is_better_follows_the_direction_of_the_measure():
    found = compare(values(a=(BASE + 1, BASE + 1), b=(BASE + noise(), BASE + noise())), "a", "b")
    assert found.differences["SD"].standing == "better"
    assert found.differences["Nabf"].standing == "worse"
    assert found.differences["SD"].mean == pytest.approx(1, abs=0.05)
    assert found.differences["SD"].low < 1 < found.differences["SD"].high


def test_a_difference_within_the_noise_is_open():
    found = compare(values(a=(BASE + noise(), BASE), b=(BASE + noise(), BASE)), "a", "b")
    assert {d.standing for d in found.differences.values()} == {"open"}


def test_every_seed_must_have_the_same_sign():
    gaps = np.array([[3.0], [3.0], [-0.01]]) + noise() / 100
    mostly = compare(values(a=(BASE + gaps, BASE), b=(BASE, BASE)), "a", "b")
    assert mostly.differences["SD"].standing == "open"


def test_one_seed_shows_nothing():
    one = values(a=(BASE[:1] + 9, BASE[:1]), b=(BASE[:1], BASE[:1]))
    found = compare(one, "a", "b").differences["SD"]
    assert found.low > 0
    assert found.standing == "open"


@pytest.mark.parametrize(
    ("sd", "nabf", "verdict"),
    [
        (1, 0, "held"),
        (-1, 0, "did not hold"),
        (1, 1, "held in part"),
        (0, 0, "cannot be decided at this budget"),
    ],
)
def test_the_verdict_of_a_comparison(sd, nabf, verdict):
    several = values(a=(BASE + sd, BASE + nabf), b=(BASE, BASE))
    judgement = judge(several, "Said", "a", ["b"], ("SD", "Nabf"))
    assert judgement.verdict == verdict
    assert f"**Said: {verdict}.** a against b: " in judgement.sentences()


def test_a_claim_on_several_variants_needs_each():
    several = values(a=(BASE + 1, BASE), b=(BASE, BASE), c=(BASE + 1, BASE), d=(BASE + 2, BASE))
    assert judge(several, "x", "a", ["b", "b"], ("SD",)).verdict == "held"
    assert judge(several, "x", "a", ["b", "c"], ("SD",)).verdict == "held in part"
    assert judge(several, "x", "a", ["b", "d"], ("SD",)).verdict == "did not hold"


def test_only_the_measures_of_the_claim_decide():
    several = values(a=(BASE + 1, BASE + 1), b=(BASE, BASE))
    judgement = judge(several, "x", "a", ["b"])  # of the paper's six, only SD is measured
    assert judgement.verdict == "held"
    assert judgement.sentences() == (
        "**x: held.** a against b: better in SD, worse in none, no difference shown in 0 of 1; "
        "among the other measures, better in none, worse in Nabf, no difference shown in 0 of 1."
    )


@pytest.fixture
def measured():
    """Scores of two variants with two seeds each, and of one image that one run lacks."""
    dataset = Dataset("street", "Street", dict.fromkeys("abcdefgh", (None, None)))
    runs = {"full": ["full.0", "full.1"], "less": ["less.0", "less.1"]}
    methods = [Method(name, "") for names in runs.values() for name in names]
    scores = Scores(dataset, methods, {}, {})
    for number, method in enumerate(methods):
        scores.values[method.name] = {
            stem: {"SD": 50.0 + number + ord(stem) / 7, "Nabf": 0.1} for stem in "abcdefgh"
        }
    del scores.values["less.1"]["h"]
    found, stems = gather(scores, runs, ("SD", "Nabf"))
    return dataset, found, stems


def test_images_that_a_run_lacks_are_left_out(measured):
    _, found, stems = measured
    assert "".join(stems) == "abcdefg"
    assert found["less"]["SD"].shape == (2, 7)
    assert found["less"]["SD"][1, 0] == pytest.approx(53 + ord("a") / 7)


def test_lines_average_seeds_and_test_images_in_pairs(measured):
    dataset, found, stems = measured
    full, less = lines(found, stems, dataset, "full")
    assert full.cells["SD"].mean == pytest.approx(found["full"]["SD"].mean())
    assert less.cells["SD"].difference == pytest.approx(2)
    assert less.cells["SD"].p == pytest.approx(2 * 2 / 2**7)  # all 7 one way, two comparisons
    assert (full.cells["SD"].low, full.cells["SD"].high) == crossed_interval(found["full"]["SD"], 0)


def test_the_report_says_the_verdicts_and_keeps_the_numbers(measured):
    dataset, found, stems = measured
    for offset, variant in enumerate(found):
        found[variant][EQUIVARIANCE] = np.full((2, 3), 0.01 * (1 + offset))
    table = Table(
        "street", "Street", 7, ("SD", "Nabf"), lines(found, stems, dataset, "full"), "full"
    )
    claims = [
        judge(found, "Less is worse", "full", ["less"]),
        judge(found, "Steadier", "full", ["less"], (EQUIVARIANCE,)),
    ]
    about = {variant: {"Settings": "none"} for variant in found}
    text = as_markdown(table, claims, found, {"Seeds": "0, 1"}, about)
    assert "- Seeds: 0, 1" in text
    assert "**Less is worse: did not hold.**" in text
    assert "**Steadier: held.**" in text
    assert "| less | 2.00 | 2.00 to 2.00 | +1.00 (+1.00 to +1.00) |" in text
    kept = json.loads(as_json(table, claims, found, {}, {"seeds": [0, 1]}))
    assert kept["variants"]["full"]["SD"]["seeds"] == pytest.approx(
        found["full"]["SD"].mean(axis=1).tolist()
    )
    assert [claim["verdict"] for claim in kept["claims"]] == ["did not hold", "held"]
    rows = as_csv(found, [0, 1]).splitlines()
    assert rows[0] == "variant,seed,measure,better,images,mean"
    assert len(rows) == 1 + 2 * 3 * 2
    assert "less,1,equivariance,lower,3,0.02" in rows
