"""What per-image values say of methods: means, intervals, ranks, paired tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emma_fusion.bench.runner import Scores
from emma_fusion.metrics import METRICS

RESAMPLES = 5000


@dataclass(frozen=True)
class Cell:
    """One method under one metric.

    Attributes:
        mean: Over the images.
        low: Lower end of the bootstrap 95% interval of the mean.
        high: Upper end.
        place: 1 is best, 2 second, among complete methods; 0 where the method is not ranked.
        difference: Mean minus the reference method's, over the images that both have.
        p: Of the paired test against the reference, corrected; NaN where there is none.
    """

    mean: float
    low: float
    high: float
    place: int
    difference: float = math.nan
    p: float = math.nan


@dataclass(frozen=True)
class Line:
    """One method.

    Attributes:
        method: Name.
        images: How many have a score.
        cells: Metric -> cell.
        rank: Mean over the metrics of the method's rank; NaN where it is not complete.
    """

    method: str
    images: int
    cells: dict[str, Cell]
    rank: float


def summarise(
    scores: Scores, metrics: tuple[str, ...], reference: str | None = None, seed: int = 0
) -> list[Line]:
    """Summarise a dataset's scores.

    Intervals are percentile bootstrap intervals over images (Efron, Annals of Statistics 7(1),
    1979). The test is Wilcoxon's signed-rank test, two-sided (Biometrics Bulletin 1(6), 1945);
    its p-values are corrected for all comparisons of the dataset by Holm's method (Scandinavian
    Journal of Statistics 6(2), 1979). Methods without a score on some image are not ranked,
    and compared over the images that they share with the reference.

    Args:
        scores: Of one dataset.
        metrics: Which, in the order of the table.
        reference: The method to compare with, or None.
        seed: Of the resampling.
    """
    names = [method.name for method in scores.methods]
    stems = list(scores.dataset.pairs)
    values = {
        name: np.array(
            [
                [scores.values[name].get(stem, {}).get(metric, math.nan) for metric in metrics]
                for stem in stems
            ]
        )
        for name in names
    }
    means = {name: _mean(values[name][_scored(scores, name)]) for name in names}
    ranked = [name for name in names if scores.is_complete(name) and len(stems) > 0]
    places, ranks = _rank(means, ranked, metrics)
    p, differences = _compare(scores, values, reference, metrics)
    lines = []
    for name in names:
        mine = values[name][_scored(scores, name)]
        low, high = bootstrap(mine, seed)
        cells = {
            metric: Cell(
                means[name][k],
                low[k],
                high[k],
                places[name][k] if name in places else 0,
                differences[name][k],
                p[name][k],
            )
            for k, metric in enumerate(metrics)
        }
        lines.append(Line(name, len(mine), cells, ranks.get(name, math.nan)))
    return lines


def bootstrap(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Bootstrap 95% intervals of the mean.

    Args:
        values: (images, metrics).
        seed: Of the resampling; the same images are drawn for every metric and method.

    Returns:
        (2, metrics): lower and upper ends; NaN where a value is not finite or there is none.

    >>> low, high = bootstrap(np.arange(100.0)[:, None], seed=0)
    >>> bool(low[0] < 49.5 < high[0]), bool(high[0] - low[0] < 12)
    (True, True)
    """
    # Not `scipy.stats.bootstrap`, against which this is tested: it refuses a single image, and
    # copies every value for every draw where one product of matrices does.
    count = len(values)
    if count == 0:
        return np.full((2, values.shape[1]), math.nan)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    finite = np.isfinite(values).all(axis=0)
    resampled = draws @ np.where(finite, values, 0) / count
    ends: NDArray[np.float64] = np.percentile(resampled, (2.5, 97.5), axis=0)
    return np.where(finite, ends, math.nan)


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's correction of p-values for their number; NaN stays and is not counted.

    >>> holm(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.06, 0.06])
    """
    corrected = p.copy()
    counted = np.flatnonzero(~np.isnan(p))
    order = counted[np.argsort(p[counted], kind="stable")]
    stepped = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected


def mean(values: list[float]) -> float:
    """The mean, exactly summed; infinite or NaN where a value is.

    >>> mean([0.1] * 10), mean([1.0, math.inf])
    (0.1, inf)
    """
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else sum(values)


def _scored(scores: Scores, name: str) -> NDArray[np.bool_]:
    return np.array([stem in scores.values[name] for stem in scores.dataset.pairs], bool)


def _mean(values: NDArray[np.float64]) -> list[float]:
    """The mean of each column; NaN where there is no row."""
    columns = values.T
    if values.shape[0] == 0:
        return [math.nan] * len(columns)
    return [mean(column.tolist()) for column in columns]


def _rank(
    means: dict[str, list[float]], ranked: list[str], metrics: tuple[str, ...]
) -> tuple[dict[str, list[int]], dict[str, float]]:
    """Places (1 best, 2 second by value; 0 further down or not a number) and mean ranks."""
    from scipy.stats import rankdata

    if not ranked:
        return {}, {}
    signs = np.array([1 if METRICS[metric].better == "lower" else -1 for metric in metrics])
    table = np.array([means[name] for name in ranked]) * signs
    table = np.where(np.isnan(table), np.inf, table)
    ranks = rankdata(table, axis=0)  # equal values share the mean of their ranks
    places = np.zeros(table.shape, int)
    for column in range(table.shape[1]):
        for place, value in enumerate(np.unique(table[:, column])[:2], 1):
            if np.isfinite(value):
                places[table[:, column] == value, column] = place
    mean_ranks = ranks.mean(axis=1)
    return (
        {name: places[row].tolist() for row, name in enumerate(ranked)},
        {name: float(mean_ranks[row]) for row, name in enumerate(ranked)},
    )


def _compare(
    scores: Scores,
    values: dict[str, NDArray[np.float64]],
    reference: str | None,
    metrics: tuple[str, ...],
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Corrected p-values and mean differences of every method against the reference."""
    from scipy.stats import wilcoxon

    p = {name: np.full(len(metrics), math.nan) for name in values}
    differences = {name: np.full(len(metrics), math.nan) for name in values}
    if reference is None:
        return p, differences
    for name in values:
        both = _scored(scores, name) & _scored(scores, reference)
        if name == reference or not both.any():
            continue
        gaps = values[name][both] - values[reference][both]
        for k, gap in enumerate(gaps.T):
            if np.isfinite(gap).all():
                differences[name][k] = gap.mean()
                p[name][k] = wilcoxon(gap).pvalue if gap.any() else 1.0
    corrected = holm(np.concatenate([p[name] for name in p]))
    return dict(zip(p, np.split(corrected, len(p)), strict=True)), differences
