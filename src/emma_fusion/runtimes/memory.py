"""How much memory this process has, and how much of it the machine or its container leaves."""

from __future__ import annotations

import ctypes
import functools
import platform
import re
from pathlib import Path
from typing import Any

import psutil
import torch

from emma_fusion.errors import UserError

_UNITS = {"B": 1} | {
    f"{prefix}{unit}": base**power
    for power, prefix in enumerate("KMGT", 1)
    for unit, base in (("B", 1000), ("iB", 1024))
}
# What is available now may not be a moment later, and the estimates are estimates.
_CAUTION = 0.8


def parse_size(text: str) -> int:
    """Bytes of a size with its unit: B, KB, MB, GB, TB (powers of 1000), KiB, ... (of 1024).

    Raises:
        UserError: it is no such size, or 0.

    >>> parse_size("4GiB"), parse_size("1.5 GB")
    (4294967296, 1500000000)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?i?B)\s*", text)
    unit = found[2].replace("k", "K") if found else ""
    size = round(float(found[1]) * _UNITS[unit]) if found and unit in _UNITS else 0
    if size < 1:
        raise UserError(f"The memory {text!r} is no size: write it as 4GiB, 800MB, ...")
    return size


def resident_memory(device: torch.device) -> int:
    """Bytes that this process holds now, in the device's memory where that is a GPU."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return int(psutil.Process().memory_info().rss)


def give_back_memory() -> None:
    """Gives memory that is freed, but kept by the C library, back to the system (glibc alone)."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@functools.cache
def _glibc() -> Any:
    """The C library of this process if it is glibc, else None."""
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        library = ctypes.CDLL(None)
        return library if library.malloc_trim else None
    except (OSError, AttributeError):
        return None


def usable_memory(device: torch.device) -> int:
    """Bytes that this process may come to hold in all, with some caution.

    On a CPU what the system calls available, or what the container (cgroup) leaves where that is
    less; on a GPU what is free there and what PyTorch holds in reserve.
    """
    held = resident_memory(device)
    if device.type == "cuda":
        reserve = torch.cuda.memory_reserved(device) - held
        return held + round(_CAUTION * (torch.cuda.mem_get_info(device)[0] + reserve))
    free: int = min([psutil.virtual_memory().available, *_left_by_cgroups()])
    return held + round(_CAUTION * free)


def _left_by_cgroups(root: Path = Path("/sys/fs/cgroup"), groups: str = "") -> list[int]:
    """What the limits of this process's control group, and of those around it, leave (v2 and v1).

    psutil does not look at them. Pages of files that the system would give back at once are not
    counted as used.
    """
    kinds = [
        (root, "memory.max", "memory.current", "inactive_file"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ]
    try:
        groups = groups or Path("/proc/self/cgroup").read_text("ascii")
    except OSError:
        return []
    inside = {"": root, "memory": root / "memory"}
    left = []
    for top, limit, usage, cache in kinds:
        for line in groups.splitlines():
            _, controllers, name = line.split(":", 2)
            if inside.get(controllers) != top:
                continue
            folder = top / name.strip("/")
            for group in (folder, *folder.parents):
                if not group.is_relative_to(top):
                    break
                try:
                    most, used = ((group / file).read_text("ascii") for file in (limit, usage))
                    freed = re.findall(
                        rf"^{cache} (\d+)", (group / "memory.stat").read_text(), re.M
                    )
                    left.append(max(int(most) - int(used) + sum(map(int, freed)), 0))
                except (OSError, ValueError):  # not there, or "max"
                    continue
    return left
