"""Measure equivariance on real pairs, and what the error comes from, into reports/equivariance.md.

    python benchmarks/equivariance.py [METHOD...] [--root ../shared/data] [--limit 10]

Runs `emma equivariance` on RoadScene's test images; then, for the first method, which must be a
model, repeats some transforms with the attention held: the attention matrices of F(i, v) are used
again in F(T i, T v), so that what remains is owed to convolutions. A run that was stopped goes on.
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from emma_fusion.bench import open_datasets
from emma_fusion.experiments.equivariance import Case, Settings, measure
from emma_fusion.images.raster import read_pair
from emma_fusion.networks import attention, pad_to_multiple
from emma_fusion.networks.weights import load_fuser
from marked import made_by, put

HERE = Path(__file__).resolve().parents[1]
METHODS = ("base", "average", "maximum", "laplacian")
CASES = (
    ("shift by 1", Case("shift", "1"), "reflection"),
    ("shift by 2", Case("shift", "2"), "reflection"),
    ("shift by 8", Case("shift", "8"), "reflection"),
    ("left and right change places", Case("reflection", "horizontal"), "reflection"),
    ("turn by 180 degrees", Case("rotation", "180"), "reflection"),
    ("turn by 130 degrees, corners mirrored", Case("rotation", "130"), "reflection"),
    ("turn by 130 degrees, corners black", Case("rotation", "130"), "zeros"),
)


class HeldAttention:
    """Records the attention of one pass, and gives it again in later ones of other images."""

    def __init__(self) -> None:
        self._compute = attention.mixing_matrix
        self._kept, self._given = [], None

    def _mix(self, *sums_and_weights):
        if self._given is not None:
            return next(self._given)
        self._kept.append(self._compute(*sums_and_weights))
        return self._kept[-1]

    def record(self, fuse, pair):
        self._kept, self._given = [], None
        fused = self._with(fuse, pair)
        if not self._kept:
            raise RuntimeError("The network has no attention that could be held.")
        return fused

    def repeat(self, fuse, pair):
        self._given = iter(self._kept)
        return self._with(fuse, pair)

    def _with(self, fuse, pair):
        attention.mixing_matrix = self._mix
        try:
            return fuse(pair)
        finally:
            attention.mixing_matrix = self._compute


def folded(method: str):
    """What a model is without the rewriting for this processor, which has other attention."""
    network = load_fuser(method).fold()

    def fuse(pair):
        height, width = pair.visible.shape
        planes = torch.from_numpy(np.stack([pair.infrared, pair.visible])).unsqueeze(1)
        planes = pad_to_multiple(planes, network.multiple_of, network.minimum_size)
        with torch.inference_mode():
            return network(planes[:1], planes[1:])[0, 0, :height, :width].numpy()

    return fuse


def causes(method: str, root: Path, limit: int) -> str:
    """The table of errors with the attention free and held."""
    (dataset,) = open_datasets(["roadscene"], root, limit)
    fuse = folded(method)
    rows: dict[str, list[list[float]]] = {}
    for number, files in enumerate(dataset.pairs.values(), 1):
        print(f"Attention free and held: pair {number} of {limit}", file=sys.stderr)
        pair, holder = read_pair(*files, colour="none"), HeldAttention()
        fused = holder.record(fuse, pair)
        for name, case, padding in CASES:
            settings = replace(Settings(), padding=padding)
            free = measure(fuse, pair, fused, case, settings)
            held = measure(lambda x, a=holder: a.repeat(fuse, x), pair, fused, case, settings)
            rows.setdefault(name, []).append([*free.values(), *held.values()])
    lines = [
        f"`{method}`, {len(dataset.pairs)} pairs, mean error in percent; inner: at least "
        f"{Settings().margin} pixels from the frame, before and after.",
        "",
        "| | all | inner | all, attention held | inner, attention held |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, values in rows.items():
        means = " | ".join(f"{100 * mean:.2f}" for mean in np.mean(values, axis=0))
        lines.append(f"| {name} | {means} |")
    return "\n".join([*lines, "", made_by("python benchmarks/equivariance.py")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--root", type=Path, default=os.environ.get("EMMA_DATA"))
    parser.add_argument("--limit", type=int, default=10, help="pairs; the page says how many")
    parser.add_argument("--output", type=Path, default=HERE / "runs" / "equivariance")
    arguments = parser.parse_args()
    root = Path(arguments.root or HERE.parent / "shared" / "data")
    command = [sys.executable, "-m", "emma_fusion", "equivariance", *arguments.methods]
    command += ["--dataset", "roadscene", "--limit", str(arguments.limit)]
    command += ["--root", str(root), "--output", str(arguments.output), "--device", "cpu"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    page = HERE / "reports" / "equivariance.md"
    facts, _, tables = (arguments.output / "tables.md").read_text("utf-8").partition("\n\n")
    put(page, "equivariance", f"{tables.replace('## ', '### ', 1)}\nMade with:\n\n{facts}")
    put(page, "causes", causes(arguments.methods[0], root, arguments.limit))
    shutil.copyfile(
        arguments.output / "roadscene.png", HERE / "docs" / "images" / "equivariance.png"
    )


if __name__ == "__main__":
    main()
