"""Time of one pair, as the paper publishes the network and as it is run here; into docs.

    python benchmarks/inference.py [--model base] [--threads 2] [--repeats 7]

The plain version is what the paper's description gives when written down directly: PyTorch in
float32, the U-Fuser as published, and for sizes that are no multiple of 32 four passes over
overlapping corner crops that are pasted together. It runs in a process of its own, as opening a
model by this package changes how a process keeps its memory, which would speed it up too. All
versions run in turns, so that a busy machine slows all alike; medians and ranges are of the repeats
after a warm-up. The output is compared with one pass of the network as published over the whole
picture in float32. Only the part of docs/performance.md between its markers is replaced; see
marked.py.
"""

from __future__ import annotations

import argparse
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
from emma_fusion.networks.padding import pad_to_multiple
from emma_fusion.networks.weights import FusionNetwork, load_fuser
from emma_fusion.pair import Pair
from emma_fusion.runtimes.choice import candidates, open_runtime
from marked import put

HERE = Path(__file__).resolve().parents[1]
SIZES = ((480, 640), (329, 500))
PACKAGES = ("torch", "onnxruntime", "openvino")
PLAIN = "plain PyTorch fp32"
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


def versions(network: FusionNetwork, threads: int) -> dict[str, Version]:
    """Name -> version; the plain one first."""
    found = {PLAIN: plain(network)}
    for precision in ("fp32", "bf16"):
        for runtime in candidates(precision):
            _, run = open_runtime(
                network, torch.device("cpu"), runtime=runtime, precision=precision, threads=threads
            )
            found[f"{runtime} {precision}"] = whole(network, run)
    return found


def pair(size: tuple[int, int], folder: Path | None) -> tuple[Tensor, Tensor]:
    """A pair of this size: cut from a real one, or drawn."""
    from emma_fusion.media.rasters import read_pair
    from emma_fusion.media.scene import render_scene

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


def seconds_of(fuse: Version, planes: tuple[Tensor, Tensor]) -> float:
    """What a pass takes right after another.

    When the first begins, the threads of another runtime still spin, and the caches hold another's
    maps.
    """
    with torch.inference_mode():
        fuse(*planes)
        began = time.perf_counter()
        fuse(*planes)
        return time.perf_counter() - began


@functools.cache
def plain_here(model: str, threads: int) -> Version:
    """The plain version, opened once in its process."""
    torch.set_num_threads(threads)
    return plain(load_fuser(model).eval().requires_grad_(False))


def seconds_of_plain(model: str, threads: int, planes: list[np.ndarray]) -> float:
    """`seconds_of` the plain version, to be called in a process of its own.

    The planes are no tensors: sending these starts a thread, for which PyTorch's others wait less
    eagerly for each other, and all is slower.
    """
    infrared, visible = map(torch.from_numpy, planes)
    return seconds_of(plain_here(model, threads), (infrared, visible))


def measure(
    found: dict[str, Version],
    planes: tuple[Tensor, Tensor],
    repeats: int,
    plain_seconds: Callable[[tuple[Tensor, Tensor]], float],
) -> dict[str, list[float]]:
    """Seconds of each version, taken in turns after two turns to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for number in range(repeats + 2):
        for name, fuse in found.items():
            taken = plain_seconds(planes) if name == PLAIN else seconds_of(fuse, planes)
            if number > 1:
                seconds[name].append(taken)
    return seconds


def rows(
    network: FusionNetwork,
    found: dict[str, Version],
    planes: tuple[Tensor, Tensor],
    seconds: dict[str, list[float]],
) -> list[str]:
    """A table row for each version."""
    with torch.inference_mode():
        expected = whole(network, network)(*planes)
        outputs = {name: fuse(*planes) for name, fuse in found.items()}
    slowest = statistics.median(seconds[PLAIN])
    height, width = planes[0].shape[-2:]
    lines = []
    for name, taken in seconds.items():
        apart = (outputs[name] - expected).double()
        mean = apart.square().mean().clamp_min(1e-20)
        median = statistics.median(taken)
        lines.append(
            f"| {width}×{height} | {name} | {1e3 * median:.0f} | {1e3 * min(taken):.0f} to "
            f"{1e3 * max(taken):.0f} | {slowest / median:.2f} | {255 * apart.abs().max():.3f} | "
            f"{-10 * mean.log10():.1f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="base")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--pairs", type=Path, help="folder with ir/ and vi/; else a drawn pair")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="one only")
    parser.add_argument("--document", type=Path, default=HERE / "docs" / "performance.md")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = load_fuser(arguments.model).eval().requires_grad_(False)
    found = versions(network, arguments.threads)
    lines = [
        f"### `{arguments.model}`, one pair on a CPU",
        "",
        "| picture | version | median ms | range | speed-up | difference /255 | PSNR |",
        "|---|---|---|---|---|---|---|",
    ]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as other:

        def plain_seconds(planes: tuple[Tensor, Tensor]) -> float:
            arrays = [plane.numpy() for plane in planes]
            task = other.submit(seconds_of_plain, arguments.model, arguments.threads, arrays)
            return task.result()

        for size in [tuple(arguments.size)] if arguments.size else SIZES:
            planes = pair(size, arguments.pairs)
            seconds = measure(found, planes, arguments.repeats, plain_seconds)
            lines += rows(network, found, planes, seconds)
    numbers = []
    for package in PACKAGES:
        try:
            numbers.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            numbers.append(f"{package} not installed")
    lines += [
        "",
        f"Model `{arguments.model}`; {hardware('cpu')}, {arguments.threads} threads; "
        f"{', '.join(numbers)}; {arguments.repeats} repeats of each in turns, the plain version "
        "in a process of its own. Differences are to one pass of the published network over the "
        "whole picture in float32; the plain version's own at sizes that are no multiple of 32 is "
        "that of its four crops. Made by "
        f"`python benchmarks/inference.py --model {arguments.model}`.",
    ]
    text = "\n".join(lines)
    put(arguments.document, f"inference-{arguments.model}", text, title="Performance")
    print(text)


if __name__ == "__main__":
    main()
