"""How much memory this process has, and how much of it the machine or its container leaves."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import re
from pathlib import Path
from typing import Any

import torch

from emma_fusion.errors import UserError

_UNITS = {"B": 1} | {
    f"{prefix}{unit}": base**power
    for power, prefix in enumerate("KMGT", 1)
    for unit, base in (("B", 1000), ("iB", 1024))
}
_WITH_TORCH = 400 * 2**20  # resident after the import of PyTorch, where it cannot be read
# What is available now may not be a moment later, and the estimates are estimates.
_CAUTION = 0.8
# Of glibc's mallopt: the size from which a block is a mapping of its own, which is given back at
# once (whole planes of very large pictures are to be), and the free memory at the end of the heap
# that is kept; then what sets them from outside.
_MMAP_THRESHOLD, _MAPPED = -3, 2**28
_TRIM_THRESHOLD, _KEPT = -1, 2**31 - 1
_TUNED = ("MALLOC_", "GLIBC_TUNABLES")


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
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:  # not Linux
        return _WITH_TORCH
    return pages * os.sysconf("SC_PAGE_SIZE")


def keep_freed_memory() -> None:
    """Lets the memory of freed feature maps be used again at once.

    The C library of Linux (glibc) gives large blocks back to the system when they are freed, and
    asking for them anew costs more time than computing what goes into them. From here on it keeps
    them, in this process; `give_back_memory` gives them back. Where the environment sets what it
    keeps (MALLOC_..., GLIBC_TUNABLES), and elsewhere, nothing changes.
    """
    library = _glibc()
    if library is not None and not any(name.startswith(_TUNED) for name in os.environ):
        library.mallopt(_MMAP_THRESHOLD, _MAPPED)
        library.mallopt(_TRIM_THRESHOLD, _KEPT)


def give_back_memory() -> None:
    """Gives freed memory back to the system, where `keep_freed_memory` keeps it."""
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
        return library if library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError):
        return None


def usable_memory(device: torch.device) -> int:
    """Bytes that this process may come to hold in all, with some caution.

    On a CPU what the system calls available, or what the container (cgroup) leaves where that is
    less, or half of what is built in where neither is said; on a GPU what is free there.
    """
    held = resident_memory(device)
    if device.type == "cuda":
        return held + round(_CAUTION * torch.cuda.mem_get_info(device)[0])
    free = min((*_available(), *_left_by_cgroups()), default=None)
    if free is None:
        return _built_in() // 2
    return held + round(_CAUTION * free)


def _available() -> list[int]:
    """What Linux calls available: free, or free as soon as it is wanted."""
    try:
        told = Path("/proc/meminfo").read_text("ascii")
    except OSError:
        return []
    return [int(kibi) * 1024 for kibi in re.findall(r"^MemAvailable:\s+(\d+) kB", told, re.M)]


def _left_by_cgroups(root: Path = Path("/sys/fs/cgroup"), groups: str = "") -> list[int]:
    """What the limits of this process's control group, and of those around it, leave (v2 and v1).

    Pages of files that the system would give back at once are not counted as used.
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


def _built_in() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return 8 * 2**30
