"""How long `import emma_fusion` takes beside `import torch`: the median of fresh interpreters.

    python benchmarks/import_time.py [--repeats 11]

Importing the package itself loads nothing; its first public name loads PyTorch. Both are timed.
"""

import argparse
import statistics
import subprocess
import sys
import time

STATEMENTS = {
    "nothing": "pass",
    "torch": "import torch",
    "emma_fusion": "import emma_fusion",
    "emma_fusion.fuse": "from emma_fusion import fuse",
}


def seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=11, help="interpreters for each statement")
    repeats = parser.parse_args().repeats
    for statement in STATEMENTS.values():
        seconds(statement)  # the first run reads the disk
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(repeats):  # in turns, so that a busy moment meets all of them
        for name, statement in STATEMENTS.items():
            times[name].append(seconds(statement))
    median = {name: statistics.median(values) for name, values in times.items()}
    for name, value in median.items():
        ratio = value / median["torch"]
        print(f"{name:18} {value:7.3f} s   {ratio:5.2f} of torch")


if __name__ == "__main__":
    main()
