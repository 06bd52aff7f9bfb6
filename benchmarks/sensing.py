"""Measure what the sensing networks see on held-out pairs, and draw it, into reports/sensing.md.

    python benchmarks/sensing.py [--model base] [--root ../shared/data]

Runs `emma fuse` and `emma sense` on RoadScene's 50 test pairs. The page's image is of the drawn
street of `emma demo`, since no photograph goes into the repository.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from emma_fusion import Fuser, Sensor, __version__
from emma_fusion.bench.datasets import open_dataset
from emma_fusion.bench.statistics import bootstrap
from emma_fusion.bench.tables import markdown_grid
from emma_fusion.demo import render_scene
from emma_fusion.experiments.equivariance_report import fingerprint
from emma_fusion.experiments.sensing import METRICS, SENSED, SOURCES, score_sensing
from emma_fusion.images.raster import write_image
from emma_fusion.images.sheet import make_sheet
from emma_fusion.metrics import luminance
from marked import made_by, put

DOCS = Path(__file__).resolve().parents[1] / "docs"
COLUMNS = [(source, metric) for source in SOURCES for metric in METRICS]
HEADER = ["", *(f"{metric} to {SOURCES[source]}" for source, metric in COLUMNS)]


def measured(model: str, root: Path) -> str:
    """The table of RoadScene's test pairs: means with their intervals over images."""
    dataset = open_dataset("roadscene", root)
    sources = [str(path.parent) for path in next(iter(dataset.pairs.values()))]
    with tempfile.TemporaryDirectory() as folder:
        fused, sensed = f"{folder}/fused", f"{folder}/sensed"
        emma("fuse", *sources, "-o", fused, "--model", model, "--colour", "none", "--format", "png")
        found = emma(
            "sense", fused, "-o", sensed, "--model", model, "--sources", *sources, "--json"
        )
    images = list(json.loads(found)["images"].values())
    rows = []
    for name, title in SENSED.items():
        values = np.array([[scores[name][s][metric] for s, metric in COLUMNS] for scores in images])
        ends = zip(values.mean(axis=0), *bootstrap(values, seed=0), COLUMNS, strict=True)
        cells = [
            f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
            for mean, low, high, (_, metric) in ends
            for digits in [3 if metric == "SSIM" else 2]
        ]
        rows.append([title, *cells])
    about = (
        f"`{model}`, RoadScene's {len(images)} test pairs (fingerprint of the files "
        f"{fingerprint(dataset.pairs)}), 8 bit, mean [95% interval over images], "
        f"emma-fusion {__version__}:"
    )
    return f"{about}\n\n{markdown_grid(HEADER, rows)}\n{counts(images)}"


def counts(images: list[dict]) -> str:
    """In how many images each network does what it is for."""
    lines = []
    for name, own, other in (
        ("sensed_infrared", "infrared", "visible"),
        ("sensed_visible", "visible", "infrared"),
    ):
        than_fused, than_other = (
            " and ".join(
                f"{sum(x[name][own][metric] > x[rival][source][metric] for x in images)} "
                f"by {metric}"
                for metric in METRICS
            )
            for rival, source in (("fused", own), (name, other))
        )
        lines.append(
            f"- {SENSED[name]} is nearer to {SOURCES[own]} than f is in {than_fused} of "
            f"{len(images)} images, and nearer to {SOURCES[own]} than to {SOURCES[other]} in "
            f"{than_other}."
        )
    return "\n".join(lines)


def drawn(model: str) -> str:
    """Draw the sheet of the street, and give its table."""
    infrared, visible = render_scene(240, 320)
    visible = luminance(visible)
    fused = Fuser.from_pretrained(model)(infrared, visible)
    sensed = Sensor.from_pretrained(model)(fused)
    sheet = make_sheet(
        {"f": fused, "A_i(f)": sensed[0], "i": infrared, "A_v(f)": sensed[1], "v": visible}
    )
    write_image(DOCS / "images" / "sensing.png", luminance(sheet))
    scores = score_sensing(sensed, fused, (infrared, visible))
    rows = [
        [title, *(f"{scores[name][s][m]:.{3 if m == 'SSIM' else 2}f}" for s, m in COLUMNS)]
        for name, title in SENSED.items()
    ]
    return f"`{model}`, the drawn street above:\n\n{markdown_grid(HEADER, rows)}"


def emma(*words: str) -> str:
    """Run a verb; what it prints."""
    command = [sys.executable, "-m", "emma_fusion", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="base")
    parser.add_argument("--root", type=Path, default=os.environ.get("EMMA_DATA"))
    arguments = parser.parse_args()
    root = Path(arguments.root or DOCS.parents[1] / "shared" / "data")
    parts = (
        drawn(arguments.model),
        measured(arguments.model, root),
        made_by(f"python benchmarks/sensing.py --model {arguments.model}"),
    )
    put(DOCS.parent / "reports" / "sensing.md", "sensing", "\n\n".join(parts))


if __name__ == "__main__":
    main()
