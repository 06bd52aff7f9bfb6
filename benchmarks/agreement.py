"""How far every metric is from each reference; puts the table into reports/metrics.md.

    python benchmarks/agreement.py [--data ../shared/data] [--golden ../shared/golden]

The references: values that the paper's authors' evaluator printed (convention `paper`), values
that VIFB published (`vifb`), independent libraries and direct formulas (`ours`; references.py), the
last two on ten of the paper's images and on a made one. Deviations are relative, the largest over
all images.
"""

import argparse
import os
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from direct import scene
from emma_fusion import metrics
from golden import Golden, paper_values, vifb_values
from marked import made_by, put
from references import REFERENCES

HERE = Path(__file__).resolve().parents[1]
SHARED = HERE.parent / "shared"
LIBRARIES = ("numpy", "scipy", "scikit-image", "scikit-learn", "torchmetrics")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(os.environ.get("EMMA_DATA") or SHARED / "data")
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--document", type=Path, default=HERE / "reports" / "metrics.md")
    options = parser.parse_args()
    golden = options.golden or options.data.parent / "golden"
    paper, vifb = paper_values(golden, options.data), vifb_values(golden)
    images = [[metrics.luminance(x) for x in row.read()] for row in paper if row.method == "auif"]
    images.append(list(scene(180, 188)))
    columns = (of_golden(paper, "paper"), of_golden(vifb, "vifb"), of_references(images))
    lines = ["| metric | `paper` | `vifb` | independent, of `ours` |", "|---|---|---|---|"]
    for name in metrics.METRICS:
        lines.append(
            f"| {name} | " + " | ".join(column.get(name, "–") for column in columns) + " |"
        )
    methods = len({row.method for row in vifb})
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    lines += [
        "",
        f"`paper`: {len(paper)} images, six decimals printed. `vifb`: {methods} methods of "
        f"{len(vifb) // methods} images, five digits printed, so half a unit of the last is up "
        f"to 5e-5. Independent: {len(images)} images, by {versions}; a direct formula is a "
        "second version of our own in NumPy and SciPy. "
        + made_by("python benchmarks/agreement.py"),
    ]
    block = "\n".join(lines)
    put(options.document, "agreement", block)
    print(block)


def of_golden(rows: Iterable[Golden], convention: str) -> dict[str, str]:
    """Metric -> largest deviation from the printed values."""
    worst: dict[str, float] = defaultdict(float)
    for row in rows:
        values = metrics.score(*row.read(), convention, row.values)
        for name, expected in row.values.items():
            worst[name] = max(worst[name], abs(values[name] / expected - 1))
    return {name: f"{deviation:.0e}" for name, deviation in worst.items()}


def of_references(images: list[list[np.ndarray]]) -> dict[str, str]:
    """Metric -> who computes it, and the largest deviation."""
    found: dict[str, list[str]] = defaultdict(list)
    for reference in REFERENCES:
        metric, worst = metrics.METRICS[reference.metric], 0.0
        for triple in images:
            part = [np.ascontiguousarray(x[: reference.side, : reference.side]) for x in triple]
            value = metric.function(*part[: metric.sources + 1], **reference.settings)
            expected = reference.value(*(x.astype(np.float64) for x in part))
            worst = max(worst, abs(value / expected - 1))
        found[reference.metric].append(f"{reference.by} {worst:.0e}")
    return {name: "; ".join(texts) for name, texts in found.items()}


if __name__ == "__main__":
    main()
