"""What is said of cells follows from their values."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

from emma_fusion.downstream.comparison import Cell
from emma_fusion.downstream.report import as_csv, as_markdown, sentences
from emma_fusion.downstream.statistics import differences, gather, mean_of

SEEDS = range(5)


def cells(kind, values, shift=0.0):
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.01, (len(values), 12))
    return [
        Cell(
            kind,
            seed,
            {"mIoU": value, "IoU soil": value / 2},
            {str(k): value + shift + noise[seed, k] for k in range(12)},
            {"parameters": 5, "steps_per_second": 2.0, "seconds": 60, "stamp": ""},
            Path(),
        )
        for seed, value in enumerate(values)
    ]


RED = [0.50, 0.52, 0.51, 0.49, 0.50]
NIR = [0.70, 0.71, 0.72, 0.68, 0.70]
BASE = [0.701, 0.709, 0.722, 0.679, 0.699]
ALL = cells("visible", RED) + cells("infrared", NIR) + cells("base", BASE)
NAMES = ["visible", "infrared", "base"]


def test_the_tests_are_scipys_on_seeds_and_corrected():
    found = differences(ALL, NAMES, ["visible"], "mIoU")
    assert [(d.kind, d.reference) for d in found] == [("infrared", "visible"), ("base", "visible")]
    raw = [ttest_rel(values, RED).pvalue for values in (NIR, BASE)]
    smaller = int(np.argmin(raw))
    assert found[smaller].p == pytest.approx(2 * raw[smaller])
    assert found[0].mean.value == pytest.approx(np.mean(NIR) - np.mean(RED))
    assert {d.verdict for d in found} == {"better"}
    assert found[0].images.value == pytest.approx(found[0].mean.value)
    assert found[0].images.low < found[0].images.value < found[0].images.high
    assert found[0].p_images == pytest.approx(2 * 2 / 2**12)  # all of twelve images agree


def test_no_difference_is_shown_where_seeds_disagree_and_with_one_seed():
    found = {d.kind: d for d in differences(ALL, NAMES, ["infrared"], "mIoU")}
    assert found["base"].verdict == "no difference shown"
    assert found["visible"].verdict == "worse"
    few = [cell for cell in ALL if cell.seed == 0]
    assert {d.verdict for d in differences(few, NAMES, ["visible"], "mIoU")} == {"not tested"}
    assert math.isnan(mean_of(gather(few, "base", "mIoU")).low)


def test_the_sentences_say_whether_fusing_helps():
    found = differences(ALL, NAMES, ["visible", "infrared"], "mIoU")
    assert len(found) == 3  # infrared and visible are compared once
    text = " ".join(sentences(found, NAMES, "mIoU"))
    assert "Against visible, by points of mIoU: better: infrared (+19.8), base (+19.8)." in text
    assert "Fusing by base does not help here: better against the visible alone" in text
    better = cells("base", [v + 0.05 for v in NIR[::-1]])
    found = differences(ALL[:10] + better, NAMES, ["visible", "infrared"], "mIoU")
    assert "Fusing by base helps here" in " ".join(sentences(found, NAMES, "mIoU"))


def test_the_report_has_the_means_and_the_csv_every_value():
    about = {name: f"what {name} is" for name in NAMES}
    text = as_markdown(ALL, NAMES, ["visible"], about, {"Dataset": "made"})
    low, high = mean_of(np.array(RED)).low, mean_of(np.array(RED)).high
    assert f"| visible | 50.4 ({100 * low:.1f} to {100 * high:.1f}) | 25.2 |" in text
    assert "what base is" in text
    rows = as_csv(ALL).splitlines()
    assert rows[0] == "input,seed,measure,value"
    assert "base,2,mIoU,0.722" in rows
    assert len(rows) == 1 + 3 * 5 * 2


def test_images_without_values_as_in_detection():
    bare = [Cell(c.kind, c.seed, c.values, {}, c.facts, c.folder) for c in ALL]
    found = differences(bare, NAMES, ["visible"], "mIoU")
    assert all(math.isnan(d.p_images) and d.verdict == "better" for d in found)
    assert "images' mIoU" not in as_markdown(bare, NAMES, ["visible"], dict.fromkeys(NAMES, ""), {})
