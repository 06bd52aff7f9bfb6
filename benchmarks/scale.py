"""Large images, long folders and several workers: memory, throughput, and that nothing is lost.

    python benchmarks/scale.py memory --sizes 1024 2048 4096 8192 --memory 4GiB
    python benchmarks/scale.py memory --sizes 2048 --memory 1.5GiB --compare
    python benchmarks/scale.py folder --pairs 10000
    python benchmarks/scale.py workers --workers 1 2 --pairs 100
    python benchmarks/scale.py estimate --strips 2048
    python benchmarks/scale.py plan --pairs 1000000 --rate 1.5 --workers 64 --machines 4 --price 2.0

Every measurement is of `emma fuse` in a process of its own. `memory` fuses one large pair, mirrored
from a real one, and gives the peak of the resident memory, PyTorch included; `--compare` fuses it
as a whole too, into 16 bit, and gives the largest difference. `folder` samples the memory while
many small pairs are fused. `workers` gives pairs a second with the engine ray, and without it.
`estimate` measures the bytes a pixel that `emma_fusion.runtimes.large` reckons with. `plan`
measures nothing: it is the arithmetic of docs/scale.md, with a rate that `workers` gave and a
price of yours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from emma_fusion import __version__
from emma_fusion.images.folders import match_pairs
from emma_fusion.images.raster import read_image, write_image

DATA = Path(os.environ.get("EMMA_DATA") or Path(__file__).parents[2] / "shared" / "data")
PAIRS = DATA / "roadscene" / "test"
EMMA = [sys.executable, "-m", "emma_fusion", "fuse"]
MIB = 2**20


def real_pairs() -> list[tuple[str, Path, Path]]:
    if not PAIRS.is_dir():
        sys.exit(f"No real pairs at {PAIRS}: set EMMA_DATA.")
    return match_pairs(PAIRS / "ir", PAIRS / "vi")[0]


def mirrored(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image, and as many mirrored ones around it as the size takes."""
    grown = [(0, height - image.shape[0]), (0, width - image.shape[1])]
    if any(after < 0 for _, after in grown):
        return image[:height, :width]
    return np.pad(image, grown + [(0, 0)] * (image.ndim - 2), mode="symmetric")


def write_pair(folder: Path, stem: str, height: int, width: int, number: int = 0) -> list[Path]:
    pairs = real_pairs()
    _, *sources = pairs[number % len(pairs)]
    files = []
    for side, source in zip(("ir", "vi"), sources, strict=True):
        files.append(folder / side / f"{stem}.png")
        write_image(files[-1], mirrored(read_image(source), height, width))
    return files


def run(command: list[str], samples: list[tuple[float, float]] | None = None) -> dict[str, float]:
    """Run a command to its end: seconds, and the peak of its resident memory in MiB."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stderr=said)
        ended = 0
        while not ended:
            ended, status, used = os.wait4(process.pid, os.WNOHANG)  # of all polls, it has the peak
            if samples is not None and not ended:
                pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
                held = pages * resource.getpagesize() / MIB
                samples.append((round(time.perf_counter() - begin, 1), round(held, 1)))
            time.sleep(0.0 if ended else 0.1)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}: {said.read()}")
    return {"seconds": round(seconds, 1), "peak_mib": round(used.ru_maxrss / 1024)}


def options(arguments: argparse.Namespace) -> list[str]:
    return [
        *("--model", arguments.model, "--precision", arguments.precision),
        *("--threads", str(arguments.threads)),
    ]


def large(arguments: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    rows = []
    for size in arguments.sizes:
        pair = [str(path) for path in write_pair(folder, str(size), size, size)]
        strips, whole = (str(folder / f"{size}-{kind}.png") for kind in ("strips", "whole"))
        command = [*EMMA, *pair, *options(arguments), "--depth", "16", "-o"]
        row: dict[str, object] = {"size": size, "memory": arguments.memory}
        row |= run([*command, strips, "--memory", arguments.memory])
        row["seconds_a_megapixel"] = round(float(str(row["seconds"])) / (size * size / 1e6), 2)
        if arguments.compare:
            row["whole"] = run([*command, whole, "--memory", "1TiB"])
            a, b = (read_image(path).astype(np.int32) for path in (strips, whole))
            row["largest_difference_of_255"] = round(int(np.abs(a - b).max()) / 257, 4)
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def long_folder(arguments: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    height, width = arguments.shape
    for number in range(arguments.pairs):
        if number < 50:  # as many as there are different ones, the others are links to them
            write_pair(folder, f"{number:06}", height, width, number)
            continue
        for side in ("ir", "vi"):
            os.link(folder / side / f"{number % 50:06}.png", folder / side / f"{number:06}.png")
    samples: list[tuple[float, float]] = []
    sides = [str(folder / side) for side in ("ir", "vi")]
    row: dict[str, object] = {"pairs": arguments.pairs, "shape": [height, width]}
    row |= run([*EMMA, *sides, "-o", str(folder / "out"), *options(arguments)], samples)
    done = len(list((folder / "out").iterdir()))
    row["written"] = done
    row["pairs_a_second"] = round(done / float(str(row["seconds"])), 2)
    # the first tenth loads the model and fills the allocator's pools
    parts = [samples[len(samples) * part // 10 :][: len(samples) // 10] for part in (1, 5, 9)]
    row["median_mib_by_tenths"] = {
        name: statistics.median(held for _, held in part) if part else None
        for name, part in zip(("second", "sixth", "last"), parts, strict=True)
    }
    print(json.dumps(row), flush=True)
    return [row]


def several_workers(arguments: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    height, width = arguments.shape
    for number in range(arguments.pairs):
        write_pair(folder, f"{number:06}", height, width, number)
    rows = []
    for workers in (0, *arguments.workers):
        engine = ["--engine", "ray", "--workers", str(workers)] if workers else []
        # what is there to begin with, the start of the engine and the model, is taken off
        seconds = []
        for pairs in (1, arguments.pairs):
            few = folder / f"{workers}-{pairs}"
            for side in ("ir", "vi"):
                (few / side).mkdir(parents=True)
                for path in sorted((folder / side).iterdir())[:pairs]:
                    os.link(path, few / side / path.name)
            out = ["-o", str(few / "out")]
            command = [*EMMA, str(few / "ir"), str(few / "vi"), *out, *engine, *options(arguments)]
            seconds.append(run(command)["seconds"])
        row: dict[str, object] = {
            "engine": f"ray, {workers} workers" if workers else "none",
            "pairs": arguments.pairs,
            "shape": [height, width],
            "seconds": seconds[1],
            "start_seconds": seconds[0],
            "pairs_a_second": round((arguments.pairs - 1) / (seconds[1] - seconds[0]), 3),
        }
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


ESTIMATE = """
import resource, sys
import numpy as np, torch
from emma_fusion.cli.process import keep_freed_memory
from emma_fusion.networks.weights import load_fuser
from emma_fusion.runtimes.large import fuse_large
from emma_fusion.runtimes.pytorch import TorchRuntime
kind, height, width, rows = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(1)
network = load_fuser("base").fold()
keep_freed_memory()  # as the command line does
run = TorchRuntime(network, torch.device("cpu"), "fp32")
planes = np.random.default_rng(0).random((2, height, width), dtype=np.float32)
with torch.inference_mode():
    run(*torch.zeros(2, 1, 1, 64, 64))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if kind == "whole":
        run(*torch.from_numpy(planes)[:, None, None])
    else:
        fuse_large(network, *planes, rows=rows)
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


def estimate(arguments: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    from emma_fusion.runtimes.large import _HALOS

    rows: list[dict[str, object]] = []
    cases = [("whole", size, size, 1) for size in arguments.whole]
    cases += [("strips", 384, size, n) for size in arguments.strips for n in (16, 64, 128)]
    for kind, height, width, strip in cases:
        command = [sys.executable, "-c", ESTIMATE, kind, *map(str, (height, width, strip))]
        held = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        pixels = height * width if kind == "whole" else (strip + _HALOS) * width
        rows.append(
            {
                "kind": kind,
                "shape": [height, width],
                "rows": strip,
                "mib": held // MIB,
                "bytes_a_pixel": held // pixels,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def plan(arguments: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    seconds = arguments.pairs / (arguments.workers * arguments.rate) + arguments.start
    hours = seconds / 3600
    row: dict[str, object] = {
        "pairs": arguments.pairs,
        "workers": arguments.workers,
        "machines": arguments.machines,
        "hours": round(hours, 2),
        "machine_hours": round(arguments.machines * hours, 2),
        "cost": round(arguments.machines * hours * arguments.price, 2),
    }
    print(json.dumps(row), flush=True)
    return [row]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="base")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="Where the rows go, with what they were made on.")
    kinds = parser.add_subparsers(required=True)
    one = kinds.add_parser("memory")
    one.set_defaults(measure=large)
    one.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048, 4096, 8192])
    one.add_argument("--memory", default="4GiB")
    one.add_argument("--compare", action="store_true")
    one = kinds.add_parser("folder")
    one.set_defaults(measure=long_folder)
    one.add_argument("--pairs", type=int, default=10_000)
    one.add_argument("--shape", type=int, nargs=2, default=[48, 64], metavar=("HEIGHT", "WIDTH"))
    one = kinds.add_parser("workers")
    one.set_defaults(measure=several_workers)
    one.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    one.add_argument("--pairs", type=int, default=100)
    one.add_argument("--shape", type=int, nargs=2, default=[480, 640], metavar=("HEIGHT", "WIDTH"))
    one = kinds.add_parser("estimate")
    one.set_defaults(measure=estimate)
    one.add_argument("--whole", type=int, nargs="*", default=[512, 1024, 1536])
    one.add_argument("--strips", type=int, nargs="*", default=[2048])
    one = kinds.add_parser("plan")
    one.set_defaults(measure=plan)
    one.add_argument("--pairs", type=int, default=1_000_000)
    one.add_argument("--rate", type=float, required=True, help="Pairs a second of one worker.")
    one.add_argument("--workers", type=int, required=True, help="On all machines together.")
    one.add_argument("--machines", type=int, required=True)
    one.add_argument("--price", type=float, required=True, help="Of a machine's hour.")
    one.add_argument("--start", type=float, default=0, help="Seconds until the workers begin.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = arguments.measure(arguments, Path(folder))
    facts = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "threads": arguments.threads,
        "precision": arguments.precision,
        "model": arguments.model,
        "versions": {"emma-fusion": __version__, "torch": torch.__version__},
    }
    if arguments.json:
        arguments.json.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
