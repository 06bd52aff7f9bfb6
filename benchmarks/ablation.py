"""Run the ablation of the paper's claims, and write its report into reports/ablation.md.

    python benchmarks/ablation.py [--config configs/ablation.yaml] [--output runs/ablation]

A run that was stopped goes on where it was; of a finished one only the report is made again. The
part of the page that is replaced has the name of the configuration, without its suffix.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from marked import put

HERE = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=HERE / "configs" / "ablation.yaml")
    parser.add_argument("--output", type=Path, default=HERE / "runs" / "ablation")
    parser.add_argument("--processes", type=int, help="runs side by side; see emma ablate")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "emma_fusion", "ablate", str(arguments.config)]
    command += ["--output", str(arguments.output)]
    if (arguments.output / "ablation.yaml").is_file():
        command.append("--resume")
    if arguments.processes:
        command += ["--processes", str(arguments.processes)]
    subprocess.run(command, check=True, cwd=HERE)
    report = (arguments.output / "report.md").read_text(encoding="utf-8")
    report = re.sub(r"^## ", "### ", report, flags=re.MULTILINE)
    made = f"Made by `emma ablate configs/{arguments.config.name}`:\n\n"
    put(HERE / "reports" / "ablation.md", arguments.config.stem, made + report)


if __name__ == "__main__":
    main()
