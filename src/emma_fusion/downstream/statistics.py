"""What the cells say: means over seeds with intervals, and paired tests against references."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emma_fusion.bench.statistics import holm
from emma_fusion.downstream.comparison import Cell
from emma_fusion.experiments.ablation_statistics import crossed_interval

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with its 95% interval (Student's t); no ends with one seed."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """One kind minus another under the measure that decides.

    Attributes:
        kind: Name.
        reference: The other's name.
        mean: Of the differences at equal seed, with the interval of the paired t-test.
        p: Of that test, corrected by Holm's method over all comparisons; NaN with one seed.
        images: Mean difference of the images' values, with the 95% interval of the crossed
            bootstrap over seeds and images; NaN where images have no values.
        p_images: Of Wilcoxon's signed-rank test over the images' means over seeds, corrected
            in the same way.
    """

    kind: str
    reference: str
    mean: Mean
    p: float
    images: Mean
    p_images: float

    @property
    def verdict(self) -> str:
        """Better or worse where the test over seeds says so; one seed cannot be tested."""
        if math.isnan(self.p):
            return "not tested"
        if self.p >= SIGNIFICANT:
            return "no difference shown"
        return "better" if self.mean.value > 0 else "worse"


def mean_of(values: NDArray[np.float64]) -> Mean:
    """The mean of seeds' values.

    >>> found = mean_of(np.array([1.0, 2.0, 3.0]))
    >>> found.value, round(found.high, 3)  # 2 + 4.303 / sqrt(3)
    (2.0, 4.484)
    """
    from scipy.stats import t

    mean, count = float(values.mean()), len(values)
    if count < 2:
        return Mean(mean, math.nan, math.nan)
    half = float(t.ppf(0.975, count - 1) * values.std(ddof=1) / math.sqrt(count))
    return Mean(mean, mean - half, mean + half)


def gather(cells: list[Cell], kind: str, measure: str) -> NDArray[np.float64]:
    """The values of a kind, one a seed."""
    return np.array([cell.values[measure] for cell in cells if cell.kind == kind])


def differences(
    cells: list[Cell], kinds: list[str], references: list[str], measure: str, seed: int = 0
) -> list[Difference]:
    """Every kind against every reference, once, seed by seed and image by image.

    Seeds differ by new weights, samples and dropout, which both sides of a pair share; the test
    over them asks whether training again would give the same answer on these test images. The
    one over images asks whether other images would.

    Args:
        cells: All.
        kinds: Names.
        references: Names; those that are no kind are left out.
        measure: That decides.
        seed: Of the bootstrap.
    """
    from scipy.stats import ttest_rel, wilcoxon

    pairs: list[tuple[str, str]] = []
    for reference in references:
        if reference in kinds:
            others = (kind for kind in kinds if kind != reference)
            pairs += [(kind, reference) for kind in others if (reference, kind) not in pairs]
    of_images = {kind: _images(cells, kind) for kind in kinds}
    rows: list[tuple[Mean, float, Mean, float]] = []
    for kind, reference in pairs:
        mine, other = gather(cells, kind, measure), gather(cells, reference, measure)
        gap = mine - other
        p = float(ttest_rel(mine, other).pvalue) if len(gap) > 1 and gap.any() else math.nan
        apart = of_images[kind] - of_images[reference]
        apart = apart[:, np.isfinite(apart).all(axis=0)]
        images, p_images = Mean(math.nan, math.nan, math.nan), math.nan
        if apart.size:
            images = Mean(float(apart.mean()), *crossed_interval(apart, seed))
            averaged = apart.mean(axis=0)
            p_images = float(wilcoxon(averaged).pvalue) if averaged.any() else 1.0
        rows.append((mean_of(gap), p, images, p_images))
    corrected = holm(np.array([row[1] for row in rows]))
    of_tests = holm(np.array([row[3] for row in rows]))
    return [
        Difference(*pair, row[0], float(p), row[2], float(q))
        for pair, row, p, q in zip(pairs, rows, corrected, of_tests, strict=True)
    ]


def _images(cells: list[Cell], kind: str) -> NDArray[np.float64]:
    """(seeds, images); no columns where images have no values."""
    return np.array([list(cell.images.values()) for cell in cells if cell.kind == kind])
