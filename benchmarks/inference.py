"""Time of one pair, as the paper publishes the network and as it is run here; into docs.

    python benchmarks/inference.py [--model base] [--threads 2] [--repeats 7]

The plain version is what the paper's description gives when written down directly: PyTorch in
float32, the U-Fuser as published, and for sizes that are no multiple of 32 four passes over
overlapping corner crops that are pasted together. Each version is in a process of its own, as
runtimes share threads and memory with whatever else is in theirs. All run in turns, so that a busy
machine slows all alike; medians and ranges are of the repeats after a warm-up. The output is
compared with one pass of the network as published over the whole image in float32; where a version
is further from it than its precision allows, no speed is printed and the benchmark fails. Only the
part of reports/performance.md between its markers is replaced; see marked.py.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emma_fusion.bench.facts import hardware
from emma_fusion.cli.process import keep_freed_memory
from emma_fusion.networks.padding import pad_to_multiple
from emma_fusion.networks.weights import FusionNetwork, load_fuser
from emma_fusion.pair import Pair
from emma_fusion.runtimes.choice import candidates, open_runtime
from marked import made_by, put

HERE = Path(__file__).resolve().parents[1]
SIZES = ((480, 640), (329, 500))
PACKAGES = ("torch", "onnxruntime", "openvino")
PLAIN = "plain PyTorch fp32"
# The largest differences of a value in [0, 1] that are right.
LIMITS = {"fp32": 1e-4, "bf16": 3 / 255}
Version = Callable[[Tensor, Tensor], Tensor]


def plain(network: FusionNetwork, unit: int = 32) -> Version:
    """The published network with the four crops of the authors' protocol."""

    def fuse(infrared: Tensor, visible: Tensor) -> Tensor:
        height, width = infrared.shape[-2:]
        rows, columns = height // unit * unit, width // unit * unit
        if (rows, columns) == (height, width):
            return network(infrared, visible)
        fused = torch.empty_like(infrared)
        for top in (0, height - rows):
            for left in (0, width - columns):
                place = (..., slice(top, top + rows), slice(left, left + columns))
                fused[place] = network(infrared[place].contiguous(), visible[place].contiguous())
        return fused

    return fuse


def whole(network: FusionNetwork, run: Version) -> Version:
    """One padded pass, as `Fuser` does it."""

    def fuse(infrared: Tensor, visible: Tensor) -> Tensor:
        height, width = infrared.shape[-2:]
        planes = pad_to_multiple(
            torch.cat((infrared, visible)), network.multiple_of, network.minimum_size
        )
        return run(planes[:1], planes[1:])[..., :height, :width]

    return fuse


def versions(network: FusionNetwork) -> list[str]:
    """Names of what can be run here, the plain version first."""
    return [PLAIN] + [
        f"{runtime} {precision}"
        for precision in LIMITS
        for runtime in candidates(network, precision)
    ]


def check(name: str, apart: np.ndarray) -> None:
    """Ends the benchmark where the values of a version are wrong: their speed would mean nothing.

    The plain version is left out: at some sizes it is off by its crops.
    """
    largest = np.abs(apart).max()
    if name != PLAIN and not largest <= LIMITS[name.split()[-1]]:
        raise SystemExit(
            f"{name} is {255 * largest:.3g}/255 from plain PyTorch, more than its precision "
            "explains: its values are wrong, so its speed is not measured."
        )


@functools.cache
def opened(name: str, model: str, threads: int) -> Version:
    """A version, opened once in its process."""
    torch.set_num_threads(threads)
    network = load_fuser(model).eval().requires_grad_(False)
    if name == PLAIN:
        return plain(network)
    keep_freed_memory()  # as the command line does
    runtime, precision = name.split()
    used, run = open_runtime(
        network, torch.device("cpu"), runtime=runtime, precision=precision, threads=threads
    )
    if used != runtime:
        raise SystemExit(f"The runtime {runtime} was replaced by {used}: it is wrong here.")
    return whole(network, run)


def pair(size: tuple[int, int], folder: Path | None) -> tuple[Tensor, Tensor]:
    """A pair of this size: cut from a real one, or drawn."""
    from emma_fusion.demo import render_scene
    from emma_fusion.images.raster import read_pair

    if folder is not None:
        for infrared in sorted((folder / "ir").iterdir()):
            read = read_pair(infrared, next((folder / "vi").glob(f"{infrared.stem}.*")))
            if all(have >= want for have, want in zip(read.visible.shape, size, strict=True)):
                break
        else:
            raise SystemExit(f"No pair in {folder} is of {size[1]}x{size[0]} pixels or more.")
    else:
        read = Pair.from_arrays(*render_scene(*size))
    cut = [plane[: size[0], : size[1]].copy() for plane in (read.infrared, read.visible)]
    return torch.from_numpy(cut[0])[None, None], torch.from_numpy(cut[1])[None, None]


def pass_of(
    name: str, model: str, threads: int, planes: list[np.ndarray]
) -> tuple[float, np.ndarray]:
    """Seconds of a pass, and what it gives; to be called in the version's process.

    It is the second of two, as when the first begins the caches hold another version's maps. The
    planes come as arrays: to receive tensors, PyTorch starts a thread, for which its others wait
    less eagerly for each other, and all is slower.
    """
    fuse = opened(name, model, threads)
    infrared, visible = map(torch.from_numpy, planes)
    with torch.inference_mode():
        fuse(infrared, visible)
        began = time.perf_counter()
        fused = fuse(infrared, visible)
        return time.perf_counter() - began, fused.numpy()


def rows(
    processes: dict[str, ProcessPoolExecutor],
    model: str,
    threads: int,
    planes: tuple[Tensor, Tensor],
    repeats: int,
) -> list[str]:
    """A table row for each version, measured in turns after two turns to warm up."""
    arrays = [plane.numpy() for plane in planes]
    seconds: dict[str, list[float]] = {name: [] for name in processes}
    outputs = {}
    for number in range(repeats + 2):
        for name, process in processes.items():
            taken, outputs[name] = process.submit(pass_of, name, model, threads, arrays).result()
            if number > 1:
                seconds[name].append(taken)
    network = load_fuser(model).eval()
    with torch.inference_mode():
        expected = whole(network, network)(*planes).numpy()
    slowest = statistics.median(seconds[PLAIN])
    height, width = expected.shape[-2:]
    lines = []
    for name, taken in seconds.items():
        apart = outputs[name].astype(np.float64) - expected
        check(name, apart)
        mean = max(np.square(apart).mean(), 1e-20)
        median = statistics.median(taken)
        lines.append(
            f"| {width}×{height} | {name} | {1e3 * median:.0f} | {1e3 * min(taken):.0f} to "
            f"{1e3 * max(taken):.0f} | {slowest / median:.2f} | {255 * np.abs(apart).max():.3f} | "
            f"{-10 * np.log10(mean):.1f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="base")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--pairs", type=Path, help="folder with ir/ and vi/; else a drawn pair")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="one only")
    parser.add_argument("--document", type=Path, default=HERE / "reports" / "performance.md")
    arguments = parser.parse_args()
    lines = [
        f"### `{arguments.model}`, one pair on a CPU",
        "",
        "| image | version | median ms | range | speed-up | difference /255 | PSNR |",
        "|---|---|---|---|---|---|---|",
    ]
    spawn = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn))
            for name in versions(load_fuser(arguments.model))
        }
        for size in [tuple(arguments.size)] if arguments.size else SIZES:
            planes = pair(size, arguments.pairs)
            lines += rows(processes, arguments.model, arguments.threads, planes, arguments.repeats)
    numbers = []
    for package in PACKAGES:
        try:
            numbers.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            numbers.append(f"{package} not installed")
    lines += [
        "",
        f"Model `{arguments.model}`; {hardware('cpu')}, {arguments.threads} threads; "
        f"{', '.join(numbers)}; {arguments.repeats} repeats of each in turns, each in a process "
        "of its own. Differences are to one pass of the published network over the "
        "whole image in float32; the plain version's own at sizes that are no multiple of 32 is "
        "that of its four crops. "
        + made_by(f"python benchmarks/inference.py --model {arguments.model}"),
    ]
    text = "\n".join(lines)
    put(arguments.document, f"inference-{arguments.model}", text, title="Performance")
    print(text)


if __name__ == "__main__":
    main()
