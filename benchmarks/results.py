"""Put the scores into reports/scores.md: `emma bench` on RoadScene's test images.

    python benchmarks/results.py [--root ../shared/data] [--output runs/results]

A run that was stopped goes on where it was. With $EMMA_TEACHERS, or ../golden/fused beside the
root, the fused images of the paper's two teachers are compared too, on the images they have.
Only the part of the page between its markers is replaced; see marked.py.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from emma_fusion import models
from marked import put

HERE = Path(__file__).resolve().parents[1]
TEACHERS = ("auif", "didfuse")

INTRODUCTION = """`make results` makes these tables; do not edit them. On your machine it
also leaves a report with box plots and images in `runs/results`.

How to read them: no one metric decides. EN, SD, SF and AG look at the fused image alone, so noise
and contrast raise them; MI and VIF reward copying one source, which the maximum does; SCD, Qabf and
SSIM ask for both. The published rows are in part from other images than these fifty, and orient.
What each name stands for is on [the page of the metrics](../docs/metrics.md).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=os.environ.get("EMMA_DATA"))
    parser.add_argument("--output", type=Path, default=HERE / "runs" / "results")
    parser.add_argument("--document", type=Path, default=HERE / "reports" / "scores.md")
    parser.add_argument("--limit", type=int, help="of pairs, to try it out")
    arguments = parser.parse_args()
    root = Path(arguments.root or HERE.parent / "shared" / "data")
    output, limit = arguments.output, []
    if arguments.limit:
        limit = ["--limit", str(arguments.limit)]
        if arguments.document.resolve() == HERE / "reports" / "scores.md":
            parser.error("With --limit, name another page: --document FILE.")
    methods = [*(name for name in models.shipped() if name != "medical"), "baselines"]
    paper = ["--protocol", "paper", *limit]
    text = [INTRODUCTION]
    text += section(
        "In the paper's protocol",
        "Every fused image is stretched to its own minimum and maximum, as the paper's authors "
        "do. This is the table to read beside published ones.",
        bench(methods, root, output / "paper", *paper),
    )
    text += section(
        "As the images are",
        "The same methods and images without a stretch, as `--contrast none` writes them.",
        bench(methods, root, output / "direct", *limit),
    )
    teachers = Path(os.environ.get("EMMA_TEACHERS") or root.parent / "golden" / "fused")
    folders = [f"folder:{teachers / name}" for name in TEACHERS if (teachers / name).is_dir()]
    if folders:
        text += section(
            "Beside the paper's teachers",
            "AUIF and DIDFuse, whose outputs the sensing functions are learnt from, by their "
            "authors' weights; only on the images that are there from both. Paper protocol.",
            bench(
                [*methods, *folders], root, output / "teachers", *paper, "--common",
                "--no-published",
            ),
        )  # fmt: skip
    put(arguments.document, "scores", "\n".join(text), title="Results")
    print(f"Wrote {arguments.document}; the reports are in {output}", file=sys.stderr)


def bench(methods: list[str], root: Path, output: Path, *options: str) -> str:
    """Run the benchmark on RoadScene's test images and return its tables."""
    command = [sys.executable, "-m", "emma_fusion", "bench", *methods, "--dataset", "roadscene"]
    command += ["--root", str(root), "--output", str(output), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (output / "tables.md").read_text(encoding="utf-8")


def section(title: str, about: str, tables: str) -> list[str]:
    """A part of the page: the means, and folded away what stands behind them."""
    facts, _, rest = tables.partition("\n\n")
    rest = re.sub(r"^## ", "### ", rest, flags=re.MULTILINE)
    means, mark, behind = rest.partition("Bootstrap 95% intervals")
    return [
        f"## {title}\n",
        f"{about}\n",
        means,
        folded("Intervals and paired tests", mark + behind),
        folded("What these numbers depend on", facts),
    ]


def folded(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{text.strip()}\n\n</details>\n"


if __name__ == "__main__":
    main()
