"""A comparison's report: Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from typing import Any

from emma_fusion.bench.tables import markdown_grid
from emma_fusion.downstream.comparison import Cell
from emma_fusion.downstream.config import SOURCES
from emma_fusion.downstream.statistics import (
    SIGNIFICANT,
    Difference,
    Mean,
    differences,
    gather,
    mean_of,
)
from emma_fusion.experiments.ablation_report import finite

HOW = f"""Intervals are 95% intervals of the mean over seeds (Student's t). A difference counts \
where the paired t-test over seeds, corrected for all comparisons of this table by Holm's method, \
gives p < {SIGNIFICANT}: training again would give it again on these test images. Whether other \
images would is what the test over images asks (Wilcoxon's signed-rank test on each image's \
mean over seeds, corrected likewise; its interval is the crossed bootstrap's, seeds and images \
drawn anew)."""


def as_markdown(
    cells: list[Cell],
    kinds: list[str],
    references: list[str],
    about: Mapping[str, str],
    facts: Mapping[str, str],
) -> str:
    """The whole report.

    Args:
        cells: All.
        kinds: Names in the order of the table.
        references: Kinds to compare with.
        about: Kind -> what its images are.
        facts: Name -> text, for the top.
    """
    measures = list(cells[0].values)
    first = measures[0]
    rows = []
    for kind in kinds:
        means = {measure: mean_of(gather(cells, kind, measure)) for measure in measures}
        rows.append([kind, *(_value(means[m], with_interval=m == first) for m in measures)])
    header = ["Input", f"{first} (95% interval)", *measures[1:]]
    parts = ["\n".join(f"- {name}: {text}" for name, text in facts.items()) + "\n"]
    parts.append(markdown_grid(header, rows))
    parts.append("All in percent, means over seeds. " + HOW + "\n")
    parts.append("\n".join(f"- {kind}: {about[kind]}" for kind in kinds) + "\n")
    compared = differences(cells, kinds, references, first)
    if compared:
        parts.append("### What it shows\n")
        parts.append("\n".join(f"- {text}" for text in sentences(compared, kinds, first)) + "\n")
        parts.append(_differences(compared, first))
    return "\n".join(parts)


def sentences(compared: list[Difference], kinds: list[str], measure: str) -> list[str]:
    """What fused and stacked images gain or lose against each reference, in words."""
    lines = []
    for reference in dict.fromkeys(d.reference for d in compared):
        verdicts = ("better", "worse", "no difference shown", "not tested")
        groups: dict[str, list[str]] = {verdict: [] for verdict in verdicts}
        for d in compared:
            if d.reference == reference:
                groups[d.verdict].append(f"{d.kind} ({100 * d.mean.value:+.1f})")
        told = [f"{verdict}: {', '.join(names)}" for verdict, names in groups.items() if names]
        lines.append(f"Against {reference}, by points of {measure}: {'; '.join(told)}.")
    fused = [kind for kind in kinds if kind not in SOURCES]
    for kind in fused:
        beaten = {d.reference: d.verdict for d in compared if d.kind == kind}
        alone = [beaten[name] for name in ("visible", "infrared") if name in beaten]
        if len(alone) == 2 and "not tested" not in alone:
            helps = "helps" if alone == ["better", "better"] else "does not help"
            lines.append(
                f"Fusing by {kind} {helps} here: {beaten['visible']} against the visible alone, "
                f"{beaten['infrared']} against the infrared alone."
            )
    return lines


def as_csv(cells: list[Cell]) -> str:
    """A row for each kind, seed and measure, unrounded."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["input", "seed", "measure", "value"])
    for cell in cells:
        for measure, value in cell.values.items():
            writer.writerow(
                [cell.kind, cell.seed, measure, "" if math.isnan(value) else repr(value)]
            )
    return text.getvalue()


def as_json(
    cells: list[Cell],
    kinds: list[str],
    references: list[str],
    facts: Mapping[str, str],
    configuration: Mapping[str, Any],
) -> str:
    """Everything, unrounded, with the configuration that it came from."""
    measures = list(cells[0].values)
    compared = differences(cells, kinds, references, measures[0])
    everything = {
        "facts": dict(facts),
        "configuration": configuration,
        "means": {k: {m: vars(mean_of(gather(cells, k, m))) for m in measures} for k in kinds},
        "differences": [
            vars(d) | {"mean": vars(d.mean), "images": vars(d.images), "verdict": d.verdict}
            for d in compared
        ],
        "cells": [
            {"input": c.kind, "seed": c.seed, "facts": c.facts, "values": c.values} for c in cells
        ],
    }
    return json.dumps(finite(everything), indent=2, ensure_ascii=False) + "\n"


def _differences(compared: list[Difference], measure: str) -> str:
    images = any(not math.isnan(d.images.value) for d in compared)
    header = ["Inputs", f"{measure}, points", "p", "verdict"]
    if images:
        header += [f"images' {measure}, points", "p over images"]
    rows = []
    for d in compared:
        row = [f"{d.kind} − {d.reference}", _value(d.mean, sign="+"), _p(d.p), d.verdict]
        rows.append(row + ([_value(d.images, sign="+"), _p(d.p_images)] if images else []))
    return markdown_grid(header, rows)


def _value(mean: Mean, with_interval: bool = True, sign: str = "") -> str:
    if math.isnan(mean.value):
        return "–"
    text = f"{100 * mean.value:{sign}.1f}"
    if with_interval and not math.isnan(mean.low):
        text += f" ({100 * mean.low:{sign}.1f} to {100 * mean.high:{sign}.1f})"
    return text


def _p(p: float) -> str:
    return "–" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"
