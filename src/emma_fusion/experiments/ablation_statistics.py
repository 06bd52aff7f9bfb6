"""What an ablation says: means over seeds and images, comparisons, and claims judged by them.

Intervals are percentile intervals of the crossed bootstrap, which draws seeds and images with
replacement, each apart (A. Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1(2),
2007). Of two or three seeds, drawing says little of how much seeds differ: a difference counts
only if, besides an interval without 0, it has the same sign with every seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emma_fusion.bench.datasets import Dataset
from emma_fusion.bench.methods import Method
from emma_fusion.bench.runner import Scores
from emma_fusion.bench.statistics import RESAMPLES, Line, summarise
from emma_fusion.images.raster import read_image, read_pair
from emma_fusion.images.sheet import make_sheet
from emma_fusion.metrics import METRICS
from emma_fusion.values.arrays import from_unit

#: By which the paper's own ablation judges.
PAPERS_SIX = ("EN", "SD", "SF", "AG", "SCD", "VIF")
MEASURES = (*PAPERS_SIX, "MI", "Qabf", "SSIM", "Nabf", "pattern")
#: Not a metric of an image; from `emma_fusion.experiments.equivariance`.
EQUIVARIANCE = "equivariance"

Values = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Variant -> measure -> (seeds, images)."""
Standing = Literal["better", "worse", "open"]
Verdict = Literal["held", "did not hold", "held in part", "cannot be decided at this budget"]


@dataclass(frozen=True)
class Difference:
    """One variant minus another under one measure.

    Attributes:
        mean: Over seeds and images.
        low: Lower end of its 95% interval.
        high: Upper end.
        standing: Whether the first is better, worse, or neither is shown.
    """

    mean: float
    low: float
    high: float
    standing: Standing


@dataclass(frozen=True)
class Comparison:
    """One variant against another.

    Attributes:
        better: The variant that a claim says to be better.
        than: The other.
        differences: Measure -> `better` minus `than`.
    """

    better: str
    than: str
    differences: dict[str, Difference]

    def names(self, standing: Standing, measures: Iterable[str]) -> list[str]:
        """Those of the measures under which the first variant stands so."""
        return [m for m in measures if self.differences[m].standing == standing]

    def verdict(self, measures: Iterable[str]) -> Verdict:
        """Whether the first is better: in some of the measures, and worse in none of them."""
        better, worse = self.names("better", measures), self.names("worse", measures)
        if better and worse:
            return "held in part"
        if not better and not worse:
            return "cannot be decided at this budget"
        return "held" if better else "did not hold"


@dataclass(frozen=True)
class Judgement:
    """A claim, and what the numbers say of it.

    Attributes:
        claim: The sentence.
        comparisons: That decide it, all of one variant.
        measures: That decide it.
    """

    claim: str
    comparisons: list[Comparison]
    measures: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """Of all comparisons together: each has to hold."""
        verdicts = {comparison.verdict(self.measures) for comparison in self.comparisons}
        if len(verdicts) == 1:
            return verdicts.pop()
        return "did not hold" if "did not hold" in verdicts else "held in part"

    def sentences(self) -> str:
        """The verdict and its reasons, in Markdown.

        Only what the numbers show is called better or worse; of the rest no difference is shown.
        """
        lines = [f"**{self.claim}: {self.verdict}.**"]
        for comparison in self.comparisons:
            others = tuple(m for m in comparison.differences if m not in self.measures)
            text = f"{comparison.better} against {comparison.than}: "
            text += _standings(comparison, self.measures)
            if others:
                text += f"; among the other measures, {_standings(comparison, others)}"
            lines.append(f"{text}.")
        return " ".join(lines)


def lower_is_better(measure: str) -> bool:
    """Which way a measure points; the equivariance error is one of those to be small."""
    return measure == EQUIVARIANCE or METRICS[measure].better == "lower"


def gather(
    scores: Scores, runs: Mapping[str, list[str]], measures: tuple[str, ...]
) -> tuple[dict[str, dict[str, NDArray[np.float64]]], list[str]]:
    """Put the scores of runs together by variants.

    Args:
        scores: Of all runs, each a method.
        runs: Variant -> its methods, one a seed.
        measures: Names of metrics.

    Returns:
        `Values`, of the images that every run has, and their stems.
    """
    methods = [name for names in runs.values() for name in names]
    stems = [s for s in scores.dataset.pairs if all(s in scores.values[m] for m in methods)]
    values = {
        variant: {
            measure: np.array([[scores.values[m][s][measure] for s in stems] for m in names])
            for measure in measures
        }
        for variant, names in runs.items()
    }
    return values, stems


def crossed_interval(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """The 95% interval of a mean over seeds and images.

    Args:
        values: (seeds, images).
        seed: Of the resampling.

    Returns:
        Its ends; NaN where a value is not finite.

    >>> low, high = crossed_interval(np.arange(100.0).reshape(2, 50), seed=0)
    >>> bool(low < 49.5 < high)
    True
    """
    if not np.isfinite(values).all():
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    seeds, images = (
        generator.multinomial(count, np.full(count, 1 / count), RESAMPLES) / count
        for count in values.shape
    )
    low, high = np.percentile(((seeds @ values) * images).sum(axis=1), (2.5, 97.5))
    return float(low), float(high)


def compare(values: Values, better: str, than: str, seed: int = 0) -> Comparison:
    """Compare two variants, seed by seed and image by image.

    With one seed nothing counts as shown: how much training varies is not known then.

    Args:
        values: All measured values.
        better: A variant.
        than: Another.
        seed: Of the resampling.
    """
    differences = {}
    for measure, mine in values[better].items():
        gap = mine - values[than][measure]
        low, high = crossed_interval(gap, seed)
        of_seeds = np.sign(gap.mean(axis=1))
        shown = len(gap) > 1 and abs(of_seeds.sum()) == len(gap) and (low > 0 or high < 0)
        standing: Standing = "open"
        if shown:
            standing = "better" if (gap.mean() < 0) == lower_is_better(measure) else "worse"
        differences[measure] = Difference(float(gap.mean()), low, high, standing)
    return Comparison(better, than, differences)


def judge(
    values: Values,
    claim: str,
    better: str,
    than: Iterable[str],
    measures: tuple[str, ...] = PAPERS_SIX,
    seed: int = 0,
) -> Judgement:
    """Judge a claim.

    Args:
        values: All measured values.
        claim: The sentence, for which `better` must be better than each of `than`.
        better: A variant.
        than: Others.
        measures: That decide; of those not measured, none counts.
        seed: Of the resampling.
    """
    comparisons = [compare(values, better, other, seed) for other in than]
    return Judgement(claim, comparisons, tuple(m for m in measures if m in values[better]))


def lines(
    values: Values, stems: list[str], dataset: Dataset, reference: str, seed: int = 0
) -> list[Line]:
    """The variants' lines for `emma_fusion.bench.tables`.

    Each image's value is its mean over seeds, which is what the paired test of `summarise`
    compares with the reference's; the intervals are those over seeds and images.

    Args:
        values: All measured values.
        stems: Of the images.
        dataset: Where they are from.
        reference: Variant to compare with.
        seed: Of the resampling.
    """
    measures = tuple(measure for measure in MEASURES if measure in values[reference])
    averaged = {
        variant: {
            stem: {measure: float(mine[measure][:, k].mean()) for measure in measures}
            for k, stem in enumerate(stems)
        }
        for variant, mine in values.items()
    }
    part = replace(dataset, pairs={stem: dataset.pairs[stem] for stem in stems})
    methods = [Method(variant, "variant of an ablation") for variant in values]
    scores = Scores(part, methods, averaged, {variant: {} for variant in values})
    result = []
    for line in summarise(scores, measures, reference, seed):
        cells = {}
        for measure, cell in line.cells.items():
            low, high = crossed_interval(values[line.method][measure], seed)
            cells[measure] = replace(cell, low=low, high=high)
        result.append(replace(line, cells=cells))
    return result


def sheet(
    dataset: Dataset, fused: Mapping[str, Mapping[str, Path]], stems: Iterable[str]
) -> NDArray[np.uint8]:
    """Images to look at: a row a pair, with both sources and every variant's fused image.

    Args:
        dataset: Of the pairs.
        fused: Caption -> stem -> file of a fused image.
        stems: Which pairs.

    Returns:
        (H, W, 3) RGB; rows that are narrower are filled up.
    """
    rows = []
    for stem in stems:
        pair = read_pair(*dataset.pairs[stem], colour="none")
        first, second = dataset.labels
        images = {
            first: from_unit(pair.infrared, np.uint8),
            second: from_unit(pair.visible, np.uint8),
        }
        images |= {caption: read_image(files[stem]) for caption, files in fused.items()}
        rows.append(make_sheet(images))
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), mode="edge") for row in rows]
    )


def _standings(comparison: Comparison, measures: tuple[str, ...]) -> str:
    better, worse = (comparison.names(standing, measures) for standing in ("better", "worse"))
    undecided = len(measures) - len(better) - len(worse)
    return (
        f"better in {', '.join(better) or 'none'}, worse in {', '.join(worse) or 'none'}, no "
        f"difference shown in {undecided} of {len(measures)}"
    )
