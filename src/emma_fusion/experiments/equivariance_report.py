"""What the measured errors of `emma_fusion.experiments.equivariance` say: means, tables, a plot."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emma_fusion.bench.facts import surroundings
from emma_fusion.bench.scoring import source_hash
from emma_fusion.bench.statistics import bootstrap
from emma_fusion.bench.tables import markdown_grid
from emma_fusion.experiments.equivariance import VALUES, Case, Outcome

TITLES = {
    "error": "All valid pixels",
    "inner": "At least {margin} pixels from the frame, before and after the transform",
}


@dataclass(frozen=True)
class Estimate:
    """A mean over images with its bootstrap 95% interval; NaN where no image has a value."""

    mean: float
    low: float
    high: float
    images: int


@dataclass(frozen=True)
class Line:
    """One method on one dataset.

    Attributes:
        dataset: Name.
        method: Name.
        groups: "error" or "inner" -> group of transforms -> the mean over images of each
            image's mean over the group.
        cases: "error" or "inner" -> transform -> the mean over images.
    """

    dataset: str
    method: str
    groups: dict[str, dict[str, Estimate]]
    cases: dict[str, dict[Case, Estimate]]


def summarise(outcome: Outcome, seed: int = 0) -> list[Line]:
    """Mean errors of every method on every dataset, in the order of datasets and methods.

    Args:
        outcome: What was measured.
        seed: Of the bootstrap; every method's images are drawn alike.
    """
    cases = outcome.settings.cases
    present = list(dict.fromkeys(case.group for case in cases))
    lines = []
    for dataset in outcome.datasets:
        for method in outcome.methods:
            images = [
                outcome.values[key]
                for stem in dataset.pairs
                if (key := (dataset.name, method.name, stem)) in outcome.values
            ]
            groups, single = {}, {}
            for value in VALUES:
                table = np.array([[image[case][value] for case in cases] for image in images])
                table = table.reshape(len(images), len(cases))
                single[value] = {
                    case: estimate(table[:, column], seed) for column, case in enumerate(cases)
                }
                groups[value] = {
                    group: estimate(
                        table[:, [case.group == group for case in cases]].mean(axis=1), seed
                    )
                    for group in present
                }
            lines.append(Line(dataset.name, method.name, groups, single))
    return lines


def estimate(values: NDArray[np.float64], seed: int) -> Estimate:
    """The mean of one value an image; images without one (NaN) are left out.

    >>> estimate(np.array([1.0, 3.0, np.nan]), seed=0).mean
    2.0
    """
    there = values[~np.isnan(values)]
    if len(there) == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    low, high = bootstrap(there[:, None], seed)[:, 0]
    return Estimate(float(there.mean()), float(low), float(high), len(there))


def collect(outcome: Outcome, seed: int, device: str) -> dict[str, str]:
    """Everything that the numbers depend on, in the order of a reader's questions."""
    settings = outcome.settings
    amounts: dict[str, list[str]] = {}
    for case in settings.cases:
        amounts.setdefault(case.transform, []).append(case.amount)
    grid = {
        "shift": "cyclic, down and to the right by the same {} pixels; parts of one bilinearly",
        "rotation": "counter-clockwise by {} degrees; multiples of 90 exactly, the others "
        f"bilinearly with the corners filled by {settings.padding} (not counted, but seen)",
        "reflection": "{}",
        "zoom": "about the centre by {}, bilinearly",
    }
    transforms = "; ".join(
        f"{name} {text.format(', '.join(amounts[name]))}"
        for name, text in grid.items()
        if name in amounts
    )
    images = ", ".join(
        f"{dataset.title} {len(dataset.pairs)} (fingerprint {fingerprint(dataset.pairs)})"
        for dataset in outcome.datasets
    )
    return {
        "Measured": "‖F(T i, T v) - T F(i, v)‖ / ‖T F(i, v)‖, root of the sum of squares over "
        "valid pixels, luminance in [0, 1]",
        "Transforms": transforms,
        "Images": images,
        **surroundings(seed, device),
    }


def fingerprint(pairs: Mapping[str, Iterable[Any]]) -> str:
    """A short hash of the files of all pairs, so that a result says what it was measured on."""
    digest = hashlib.blake2b(digest_size=8)
    for stem, files in sorted(pairs.items()):
        digest.update("\n".join([stem, *(source_hash(path) for path in files)]).encode())
    return digest.hexdigest()


def as_json(outcome: Outcome, lines: list[Line], facts: dict[str, str]) -> dict[str, Any]:
    """All of it, for programs."""
    return {
        "facts": facts,
        "configuration": {
            "transforms": [list(case.key) for case in outcome.settings.cases],
            "padding": outcome.settings.padding,
            "margin": outcome.settings.margin,
        },
        "methods": {m.name: {"about": m.about, "stamp": m.stamp} for m in outcome.methods},
        "results": [
            {
                "dataset": line.dataset,
                "method": line.method,
                "groups": {
                    value: {group: asdict(found) for group, found in groups.items()}
                    for value, groups in line.groups.items()
                },
                "transforms": {
                    value: [
                        {"transform": c.transform, "amount": c.amount, **asdict(found)}
                        for c, found in cases.items()
                    ]
                    for value, cases in line.cases.items()
                },
            }
            for line in lines
        ],
        "warnings": [text for dataset in outcome.datasets for text in dataset.warnings],
        "failures": outcome.failures,
    }


def markdown(outcome: Outcome, lines: list[Line]) -> str:
    """Tables for each dataset: mean errors in percent, and how many times the first method's."""
    parts = []
    for dataset in outcome.datasets:
        mine = [line for line in lines if line.dataset == dataset.name]
        parts.append(f"## {dataset.title}, {len(dataset.pairs)} images\n")
        for value in VALUES:
            title = TITLES[value].format(margin=outcome.settings.margin)
            header = ["Method", *mine[0].groups[value]]
            rows = [[x.method, *map(percent, x.groups[value].values())] for x in mine]
            parts.append(f"{title}: error in percent, mean [95% interval over images].\n")
            parts.append(markdown_grid(header, rows))
            if len(mine) > 1:
                parts.append(f"Divided by that of {mine[0].method}:\n")
                rows = [[x.method, *ratios(x, mine[0], value)] for x in mine[1:]]
                parts.append(markdown_grid(header, rows))
    return "\n".join(parts)


def percent(found: Estimate) -> str:
    """An estimate as it is printed.

    >>> percent(Estimate(0.0123, 0.01, 0.02, 9))
    '1.23 [1.00, 2.00]'
    """
    if math.isnan(found.mean):
        return "–"
    return f"{100 * found.mean:.2f} [{100 * found.low:.2f}, {100 * found.high:.2f}]"


def ratios(line: Line, reference: Line, value: str) -> list[str]:
    """A method's mean errors in units of another one's."""
    pairs = zip(line.groups[value].values(), reference.groups[value].values(), strict=True)
    return [f"{one.mean / other.mean:.2f}" if other.mean > 0 else "–" for one, other in pairs]


def plot(lines: list[Line], margin: int) -> bytes:
    """Draw error against shift, angle, reflection and zoom, a line a method, as PNG.

    Solid lines are over all valid pixels, with the interval over images as a band; dashed ones
    over those away from the frame.

    Args:
        lines: Of one dataset.
        margin: As measured with, for the legend.
    """
    from matplotlib.figure import Figure

    cases = list(lines[0].cases["error"])
    labels = {
        "shift": "shift, down and right (pixels)",
        "rotation": "rotation (degrees)",
        "reflection": "reflection",
        "zoom": "zoom",
    }
    kinds = [kind for kind in labels if any(case.transform == kind for case in cases)]
    widths = {"shift": 4.5, "rotation": 5.0, "reflection": 2.8, "zoom": 1.8}
    figure = Figure(figsize=(1.8 + sum(widths[kind] for kind in kinds), 3.4), layout="constrained")
    panels = figure.subplots(
        1, len(kinds), sharey=True, squeeze=False, width_ratios=[widths[kind] for kind in kinds]
    )[0]
    for kind, axes in zip(kinds, panels, strict=True):
        for number, line in enumerate(lines):
            # Ten colours, and then the same with another mark.
            colour, mark = f"C{number}", ".x^s"[number // 10 % 4]
            for value, style in (("error", "-"), ("inner", "--")):
                found = {c: e for c, e in line.cases[value].items() if c.transform == kind}
                places = _places(kind, list(found))
                means, low, high = (
                    100 * np.array([getattr(e, end) for e in found.values()])
                    for end in ("mean", "low", "high")
                )
                label = line.method if value == "error" else None
                axes.plot(places, means, style, color=colour, marker=mark, label=label)
                if value == "error":
                    axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_xlabel(labels[kind])
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if kind == "rotation":
            axes.set_xticks(range(0, 361, 90))
        else:
            amounts = [case.amount for case in cases if case.transform == kind]
            axes.set_xticks(range(len(amounts)), amounts)
            axes.margins(x=0.1 if kind == "shift" else 0.3)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("error (%)")
    panels[-1].plot([], [], "--", color="grey", label=f"{margin} pixels from the frame")
    figure.legend(
        *panels[-1].get_legend_handles_labels(),
        loc="outside right center",
        frameon=False,
        fontsize=8,
    )
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    return drawn.getvalue()


def _places(kind: str, cases: list[Case]) -> list[float]:
    """Where transforms of a kind stand along its axis: angles by value, others side by side."""
    if kind == "rotation":
        return [float(case.amount) for case in cases]
    return [float(place) for place in range(len(cases))]
