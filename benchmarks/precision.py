"""What a lower precision costs: the paper's six metrics and PSNR on real pairs; into docs.

    python benchmarks/precision.py [--model base] [--dataset roadscene] [--limit N]

Every runtime that is installed fuses the pairs in fp32 and bf16. Fused luminance is rounded to 8
bits, as it is written to files, and scored as it is, without a stretch; PSNR is that of the values
before rounding, to PyTorch's in fp32. Only the part of reports/performance.md between its markers
is replaced; see marked.py.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from emma_fusion import Fuser, metrics
from emma_fusion.bench.datasets import Dataset, open_dataset
from emma_fusion.bench.facts import hardware
from emma_fusion.images.raster import read_image, read_pair
from emma_fusion.networks.weights import load_fuser
from emma_fusion.runtimes.choice import candidates
from emma_fusion.values.arrays import from_unit
from marked import made_by, put

HERE = Path(__file__).resolve().parents[1]
SIX = ("EN", "SD", "SF", "AG", "SCD", "VIF")
REFERENCE = "torch fp32"
SAME = 200.0
"""PSNR, in dB, that stands for equal or next to equal values."""


def open_all(model: str, threads: int | None) -> dict[str, Fuser]:
    """Every runtime in every precision that it has here; the reference first."""
    return {
        f"{runtime} {precision}": Fuser.from_pretrained(
            model, device="cpu", runtime=runtime, precision=precision, threads=threads
        )
        for precision in ("fp32", "bf16")
        for runtime in candidates(load_fuser(model), precision)
    }


def measure(fusers: dict[str, Fuser], dataset: Dataset) -> dict[str, np.ndarray]:
    """Each version's six metrics and PSNR, a row for each pair."""
    found: dict[str, list[list[float]]] = {name: [] for name in fusers}
    for number, (infrared, visible) in enumerate(dataset.pairs.values(), 1):
        pair = read_pair(infrared, visible)
        sources = [read_image(file) for file in (infrared, visible)]
        reference = fusers[REFERENCE].fuse_luminance(pair)
        for name, fuser in fusers.items():
            fused = reference if name == REFERENCE else fuser.fuse_luminance(pair)
            scores = metrics.score(from_unit(fused, np.dtype(np.uint8)), *sources, metrics=SIX)
            found[name].append([*scores.values(), psnr(fused, reference)])
        print(f"{number} of {len(dataset.pairs)} pairs", file=sys.stderr)
    return {name: np.array(rows) for name, rows in found.items()}


def psnr(fused: np.ndarray, reference: np.ndarray) -> float:
    """In dB, of values in [0, 1]."""
    squared = np.square(np.subtract(fused, reference, dtype=np.float64)).mean()
    return min(SAME, float(-10 * np.log10(max(squared, 1e-30))))


def table(found: dict[str, np.ndarray]) -> list[str]:
    """Markdown: means, and how far they are from the reference's."""
    means = {name: rows.mean(axis=0) for name, rows in found.items()}
    lines = [
        f"| version | {' | '.join(SIX)} | largest change of a mean | PSNR, mean | least |",
        "|---" * (len(SIX) + 4) + "|",
    ]
    for name, rows in found.items():
        change = np.abs(means[name] / means[REFERENCE] - 1)[: len(SIX)].max()
        values = " | ".join(f"{value:.3f}" for value in means[name][: len(SIX)])
        decibel = " | ".join(f"{value:.1f}" for value in (rows[:, -1].mean(), rows[:, -1].min()))
        if name == REFERENCE:
            decibel = "reference | "
        lines.append(f"| {name} | {values} | {100 * change:.3f}% | {decibel} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="base")
    parser.add_argument("--dataset", default="roadscene")
    parser.add_argument("--root", type=Path, default=os.environ.get("EMMA_DATA"))
    parser.add_argument("--limit", type=int, help="of pairs, to try it out")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--document", type=Path, default=HERE / "reports" / "performance.md")
    arguments = parser.parse_args()
    if arguments.limit and arguments.document.resolve() == HERE / "reports" / "performance.md":
        parser.error("With --limit, name another page: --document FILE.")
    root = Path(arguments.root or HERE.parent / "shared" / "data")
    dataset = open_dataset(arguments.dataset, root)
    if arguments.limit:
        dataset = dataset.first(arguments.limit)
    lines = [
        f"### `{arguments.model}`, what a precision costs in quality",
        "",
        *table(measure(open_all(arguments.model, arguments.threads), dataset)),
        "",
        f"Means over {len(dataset.pairs)} pairs of {dataset.title}, fused luminance in 8 bits "
        "without a stretch; PSNR in dB, before rounding, to PyTorch's in fp32. "
        f"{hardware('cpu')}. "
        + made_by(f"python benchmarks/precision.py --model {arguments.model}"),
    ]
    text = "\n".join(lines)
    put(arguments.document, f"precision-{arguments.model}", text, title="Performance")
    print(text)


if __name__ == "__main__":
    main()
