"""Opening a network in the runtime that was asked for, or in the fastest one."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Literal, get_args

import torch

from emma_fusion.errors import UserError
from emma_fusion.networks.copies import is_unchanged
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import FusionNetwork
from emma_fusion.runtimes import cache
from emma_fusion.runtimes.engine.postops import available
from emma_fusion.runtimes.engine.runtime import EngineRuntime
from emma_fusion.runtimes.export import SUFFIXES, export
from emma_fusion.runtimes.exported import Forward, open_onnxruntime, open_openvino
from emma_fusion.runtimes.extras import installed
from emma_fusion.runtimes.pytorch import PRECISIONS, TorchRuntime

RuntimeName = Literal["auto", "torch", "engine", "onnxruntime", "openvino"]

_KINDS = {"onnxruntime": "onnx", "openvino": "openvino"}
_OPENERS = {"onnxruntime": open_onnxruntime, "openvino": open_openvino}
_PRECISIONS = {
    "torch": tuple(PRECISIONS),
    "engine": ("fp32", "bf16"),
    "onnxruntime": ("fp32",),
    "openvino": ("fp32", "bf16"),
}
_TRIAL_SIZE = (240, 320)
_log = logging.getLogger(__name__)


def open_runtime(
    network: FusionNetwork,
    device: torch.device,
    *,
    runtime: str,
    precision: str,
    threads: int | None,
) -> tuple[str, Forward]:
    """The network as a callable of two planes.

    Args:
        network: Not folded, in eval mode or not; it is left as it is. A subclass of the package's
            networks, or one with forward hooks, is run as it is, and only by PyTorch.
        device: For PyTorch; the others run on the CPU.
        runtime: One of `RuntimeName`. "auto" is the fastest that is installed and has the
            precision, found by running each once and remembered (see `choose`).
        precision: "fp32", "tf32", "bf16" or "fp16".
        threads: On a CPU; None for as many as PyTorch uses.

    Returns:
        The name of the runtime that is used, and the callable.

    Raises:
        UserError: No such runtime, not installed, not of this precision or device.
    """
    if runtime not in get_args(RuntimeName):
        known = ", ".join(get_args(RuntimeName))
        raise UserError(f"The runtime is {runtime!r}; it must be one of {known}.")
    if runtime == "auto":
        runtime = "torch"
        if device.type == "cpu" and is_unchanged(network):
            runtime = choose(network, device, precision, threads)
    if runtime == "torch":
        if device.type == "cpu" and precision == "bf16":
            _tell_if_emulated()
        return runtime, TorchRuntime(network, device, precision)
    if device.type != "cpu":
        raise UserError(f"The runtime {runtime} is for the CPU: use --runtime torch on {device}.")
    if not is_unchanged(network):
        raise UserError(
            f"The runtime {runtime} is for the networks of this package as they are, not for a "
            "subclass or one with forward hooks: use --runtime torch."
        )
    if runtime == "engine":
        return _open_engine(network, precision)
    return runtime, _open_exported(network, runtime, precision, threads)


@functools.cache
def _tell_if_emulated() -> None:
    """Says once that this processor has no vectors for bf16: it is slower than fp32 then."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if x86 and torch.backends.cpu.get_cpu_capability() != "AVX512":
        _log.warning("This processor has no bf16, so PyTorch emulates it: fp32 is faster here.")


def candidates(network: FusionNetwork, precision: str) -> list[str]:
    """The runtimes that are here and have a network and a precision; PyTorch first."""
    there = {"torch": True}
    there["engine"] = isinstance(network, UFuser) and available(PRECISIONS[precision])
    for name in _KINDS:
        there[name] = installed(name, "onnx")
    return [name for name, is_there in there.items() if is_there and precision in _PRECISIONS[name]]


def _open_engine(network: FusionNetwork, precision: str) -> tuple[str, Forward]:
    """The engine, or PyTorch where the engine is wrong on this processor."""
    if not isinstance(network, UFuser):
        raise UserError("The runtime engine is for the U-Fuser only: use --runtime torch.")
    if precision not in _PRECISIONS["engine"]:
        raise UserError(f"The runtime engine has no {precision}: use --precision fp32 or bf16.")
    opened = EngineRuntime(network, precision)
    return opened.name, opened


def choose(
    network: FusionNetwork, device: torch.device, precision: str, threads: int | None
) -> str:
    """The fastest runtime for a network here: measured once, then remembered.

    What is remembered holds for this processor, number of threads, precision, network and the
    versions of all that takes part.
    """
    names = candidates(network, precision)
    if len(names) == 1:
        return names[0]
    number = threads or torch.get_num_threads()
    key = " ".join([_machine(), f"{number} threads", precision, _fingerprint(network, *names)])
    known = cache.recall(key)
    if known in names:
        return known
    _log.info("Trying which runtime is the fastest here; once, about a minute.")
    runs = {}
    for name in names:
        try:
            _, runs[name] = open_runtime(
                network, device, runtime=name, precision=precision, threads=threads
            )
        except UserError as error:
            _log.warning("The runtime %s is left out: %s", name, error)
    best = fastest(runs, threads)
    cache.remember(key, best)
    return best


def fastest(runs: dict[str, Forward], threads: int | None, repeats: int = 5) -> str:
    """The name of the fastest, by the medians of runs taken in turns."""
    planes = torch.rand((2, 1, 1, *_TRIAL_SIZE), generator=torch.Generator().manual_seed(0))
    taken: dict[str, list[float]] = {name: [] for name in runs}
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.inference_mode():
            for number in range(repeats + 1):
                for name, run in runs.items():
                    began = time.perf_counter()
                    run(planes[0], planes[1])
                    if number:  # the first is for warming up
                        taken[name].append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(before)
    return min(taken, key=lambda name: statistics.median(taken[name]))


def _open_exported(
    network: FusionNetwork, runtime: str, precision: str, threads: int | None
) -> Forward:
    """An engine with the network's exported file, from the cache where it has one."""
    kind, opener = _KINDS[runtime], _OPENERS[runtime]
    if precision not in _PRECISIONS[runtime]:
        return opener(Path(), precision, threads)  # which says so
    folder = cache.writable_folder()
    if folder is None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / f"model{SUFFIXES[kind]}"
            export(network, path, kind, {})
            return opener(path, precision, threads)
    path = folder / f"{_fingerprint(network, runtime)}{SUFFIXES[kind]}"
    if path.is_file():
        try:
            return opener(path, precision, threads)
        except UserError:
            path.unlink()  # damaged, such as by a full disk
    export(network, path, kind, {})
    return opener(path, precision, threads)


def _fingerprint(network: FusionNetwork, *runtimes: str) -> str:
    """Of a network's weights and of all that makes and runs its exported files.

    These are the sources of this package's networks and runtimes, and the versions of others'
    packages.
    """
    digest = hashlib.sha256(type(network).__name__.encode())
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    digest.update(cache.sources_digest().encode())
    packages = {"torch", *(set(runtimes) & _KINDS.keys())}
    if packages != {"torch"}:
        packages.add("onnx")
    for package in sorted(packages):
        digest.update(f"{package} {version(package)}".encode())
    return digest.hexdigest()[:24]


def _machine() -> str:
    """The processor, as far as the system says."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{platform.node()} {name.partition(':')[2].strip() or name} x{os.cpu_count()}"
