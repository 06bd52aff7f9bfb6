"""What must be said beside numbers, so that they can be repeated."""

from __future__ import annotations

import platform
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from emma_fusion.bench.runner import BenchResult
from emma_fusion.bench.workers import usable_cores
from emma_fusion.metrics.conventions import find_convention

_PROTOCOLS = {
    "paper": "paper: the fused luminance is stretched to its own minimum and maximum, rounded to "
    "8 bit, written and read back (the stretch raises EN, SD, SF and AG)",
    "direct": "direct: the fused image as it is, without a stretch",
}
_QUANTISATION = {
    "paper": "8 bit, written as PNG and read back; sources as in their files",
    "direct": "images made here have the visible image's depth, written as PNG and read back; "
    "folders and sources as in their files",
}


def collect(outcome: BenchResult, seed: int, device: str) -> dict[str, str]:
    """Everything that a number depends on, in the order of a reader's questions."""
    rules = outcome.rules
    convention = find_convention(rules.convention)
    colour = (
        "each of R, G and B is scored and the mean taken; images made here carry the colour of "
        "the visible (PET, SPECT) image"
        if rules.coloured
        else "only luminance is fused and scored: Y = 0.299 R + 0.587 G + 0.114 B (BT.601)"
    )
    images = ", ".join(f"{s.dataset.title} {len(s.dataset.pairs)}" for s in outcome.scores)
    return {
        "Convention": f"{convention.name}: {convention.title}",
        "Protocol": _PROTOCOLS[rules.protocol],
        "Colour": colour,
        "Quantisation": _QUANTISATION[rules.protocol],
        "Images": images,
        **surroundings(seed, device),
    }


def surroundings(seed: int, device: str) -> dict[str, str]:
    """With what any number here was made: versions, hardware, seed and time."""
    return {
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "Hardware": hardware(device),
        "Bootstrap seed": str(seed),
        "Made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def versions() -> dict[str, str]:
    """Versions of what the scores depend on; without SciPy's where it is not installed."""
    import cv2

    found = {}
    for name in ("emma-fusion", "torch", "numpy", "scipy"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return {**found, "opencv": cv2.__version__, "python": platform.python_version()}


def hardware(device: str) -> str:
    """The processor, and the graphics card where the models may have run on it."""
    import torch

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = names[0].partition(":")[2].strip() if names else name
    cores = usable_cores()
    text = f"{name}, {cores} core{'s' if cores > 1 else ''} used"
    if device != "cpu" and torch.cuda.is_available():
        text += f", {torch.cuda.get_device_name()}"
    return text
