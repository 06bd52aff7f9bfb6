"""The table of what a precision costs."""

import sys

import numpy as np
import pytest

import precision
from emma_fusion.bench.datasets import open_dataset


def test_two_images_by_the_command(data, tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    monkeypatch.setattr(precision, "candidates", lambda network, precision: ["torch"])
    command = ["precision.py", "--model", "fast", "--limit", "2", "--root", str(data)]
    monkeypatch.setattr(sys, "argv", [*command, "--threads", "1", "--document", str(page)])
    precision.main()
    rows = {line.split(" | ")[0]: line.split(" | ") for line in page.read_text().splitlines()}
    assert rows["| torch fp32"][8:] == ["reference", " |"]
    half = rows["| torch bf16"]
    assert 30 < float(half[9].strip(" |")) <= float(half[8]) < precision.SAME
    assert 0 < float(half[7].strip("%")) < 2
    assert "<!-- precision-fast -->" in page.read_text()
    assert "Means over 2 pairs" in page.read_text()


def test_a_limit_does_not_replace_the_page(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["precision.py", "--limit", "2"])
    with pytest.raises(SystemExit):
        precision.main()


def test_scores_are_those_of_the_images(data):
    dataset = open_dataset("roadscene", data).first(1)

    class Copies:
        def __init__(self, shift):
            self.shift = np.float32(shift)

        def fuse_luminance(self, pair):
            return pair.visible + self.shift

    found = precision.measure({precision.REFERENCE: Copies(0), "other": Copies(0.01)}, dataset)
    assert found[precision.REFERENCE][0, -1] == precision.SAME
    assert found["other"][0, -1] == pytest.approx(40, abs=1e-3)
    # standard deviation hardly moves with brightness; a copy of one source has a VIF of about 1
    assert found["other"][0, 1] == pytest.approx(found[precision.REFERENCE][0, 1], rel=0.02)
    assert found[precision.REFERENCE][0, 5] > 0.9


def test_the_largest_change_is_that_of_a_mean():
    reference = np.ones((2, 7))
    other = reference.copy()
    other[0, 2] = 1.1  # the mean changes by 5%
    other[:, -1] = 50, 60
    lines = precision.table({precision.REFERENCE: reference, "other": other})
    assert lines[-1].endswith("| 5.000% | 55.0 | 50.0 |")
