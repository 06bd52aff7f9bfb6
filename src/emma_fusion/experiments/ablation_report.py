"""An ablation's report: the verdicts on its claims, tables, and all numbers as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from typing import Any

from emma_fusion.bench.tables import Table, markdown, markdown_grid
from emma_fusion.experiments.ablation_statistics import (
    EQUIVARIANCE,
    Comparison,
    Judgement,
    Values,
    compare,
    crossed_interval,
    lower_is_better,
)

HOW = """A claim is judged by the measures of the paper's own ablation (EN, SD, SF, AG, SCD, VIF) \
unless it names others: it held where the variant is better in some of them and worse in none, \
held in part where both happen, did not hold where it is worse in some and better in none. Better \
and worse is only what the numbers show: the 95% interval of the mean difference, seeds and \
images drawn anew (crossed bootstrap), leaves out 0, and every seed has the same sign. The \
intervals are not corrected for their number, and so few seeds say little of how much training \
varies: small differences may be chance even so."""


def as_markdown(
    table: Table,
    judgements: list[Judgement],
    values: Values,
    facts: Mapping[str, str],
    variants: Mapping[str, Mapping[str, str]],
    seed: int = 0,
) -> str:
    """The whole report.

    Args:
        table: The variants' lines; see `emma_fusion.experiments.ablation_statistics.lines`.
        judgements: Of the claims.
        values: All measured values.
        facts: Name -> text, for the top.
        variants: Variant -> what is known of it (name -> text), for the table of variants.
        seed: Of the resampling.
    """
    parts = ["\n".join(f"- {name}: {text}" for name, text in facts.items()) + "\n"]
    if judgements:
        parts.append("## What the numbers say\n")
        parts.append(HOW + "\n")
        parts.append("\n".join(f"- {judgement.sentences()}" for judgement in judgements) + "\n")
        parts.append("Differences behind these, with 95% intervals over seeds and images:\n")
        parts.append(_differences(table, judgements))
    parts.append(markdown([table]))
    if EQUIVARIANCE in values[table.lines[0].method]:
        parts.append("## Equivariance error\n")
        parts.append(
            "‖F(T i, T v) - T F(i, v)‖ / ‖T F(i, v)‖ in percent, 32 pixels from the frame, mean "
            "over the transforms, pairs and seeds; below is better:\n"
        )
        parts.append(_equivariance(values, table.reference or "", seed))
    parts.append("## Variants\n")
    names = list(next(iter(variants.values())))
    rows = [[variant, *(about[name] for name in names)] for variant, about in variants.items()]
    parts.append(markdown_grid(["Variant", *names], rows))
    return "\n".join(parts)


def as_csv(values: Values, seeds: list[int]) -> str:
    """The mean of every variant and seed under every measure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["variant", "seed", "measure", "better", "images", "mean"])
    for variant, measures in values.items():
        for measure, of_seeds in measures.items():
            way = "lower" if lower_is_better(measure) else "higher"
            for seed, row in zip(seeds, of_seeds, strict=True):
                writer.writerow([variant, seed, measure, way, len(row), repr(float(row.mean()))])
    return text.getvalue()


def as_json(
    table: Table,
    judgements: list[Judgement],
    values: Values,
    facts: Mapping[str, str],
    configuration: Mapping[str, Any],
    seed: int = 0,
) -> str:
    """Everything, unrounded, with the configuration that it came from."""
    variants: dict[str, Any] = {}
    for variant, measures in values.items():
        variants[variant] = {}
        for measure, of_seeds in measures.items():
            low, high = crossed_interval(of_seeds, seed)
            variants[variant][measure] = {
                "mean": float(of_seeds.mean()),
                "low95": low,
                "high95": high,
                "seeds": of_seeds.mean(axis=1).tolist(),
            }
    for line in table.compared():
        for measure, cell in line.cells.items():
            variants[line.method][measure] |= {"difference": cell.difference, "p_holm": cell.p}
    claims = [
        {
            "claim": judgement.claim,
            "verdict": judgement.verdict,
            "measures": judgement.measures,
            "comparisons": [_comparison(comparison) for comparison in judgement.comparisons],
            "text": judgement.sentences(),
        }
        for judgement in judgements
    ]
    everything = {
        "facts": dict(facts),
        "configuration": configuration,
        "reference": table.reference,
        "variants": variants,
        "claims": claims,
    }
    return json.dumps(finite(everything), indent=2, ensure_ascii=False) + "\n"


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "better": comparison.better,
        "than": comparison.than,
        "differences": {m: vars(d) for m, d in comparison.differences.items()},
    }


def finite(value: Any) -> Any:
    """The same with None in the place of numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _differences(table: Table, judgements: list[Judgement]) -> str:
    """Every comparison once, + where the first is better and − where it is worse."""
    pairs = {(c.better, c.than): c for j in judgements for c in j.comparisons}
    measures = list(table.metrics)
    rows = []
    for comparison in pairs.values():
        cells = []
        for measure in measures:
            found = comparison.differences[measure]
            mark = {"better": " ✓", "worse": " ✗", "open": ""}[found.standing]
            ends = (
                "–"
                if math.isnan(found.low)
                else (
                    f"{table.number(measure, found.low, '+')} to "
                    f"{table.number(measure, found.high, '+')}"
                )
            )
            cells.append(f"{table.number(measure, found.mean, '+')} ({ends}){mark}")
        rows.append([f"{comparison.better} − {comparison.than}", *cells])
    return markdown_grid(["Variants", *measures], rows) + "\n✓ better, ✗ worse.\n"


def _equivariance(values: Values, reference: str, seed: int) -> str:
    rows = []
    for variant, measures in values.items():
        errors = 100 * measures[EQUIVARIANCE]
        low, high = crossed_interval(errors, seed)
        row = [variant, f"{errors.mean():.2f}", f"{low:.2f} to {high:.2f}"]
        against = compare(values, variant, reference, seed).differences[EQUIVARIANCE]
        row.append(
            ""
            if variant == reference
            else f"{100 * against.mean:+.2f} ({100 * against.low:+.2f} "
            f"to {100 * against.high:+.2f})"
        )
        rows.append(row)
    return markdown_grid(["Variant", "Error", "95% interval", f"minus {reference}"], rows)
