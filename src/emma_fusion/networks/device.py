"""Where a network runs, with how many threads, and what is said when it does not fit there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from emma_fusion.errors import UserError

# PyTorch's on a CPU, on Apple's GPUs, and C++'s own; that of CUDA has a class.
_ALLOCATORS = re.compile(
    r"DefaultCPUAllocator: (not enough memory|can't allocate memory)"
    r"|MPS backend out of memory|std::bad_alloc"
)


def find_device(name: str) -> torch.device:
    """The device of that name, after trying it.

    Args:
        name: "auto" (CUDA where there is one, else the CPU), or any name PyTorch knows.

    Raises:
        UserError: It is not there or not usable.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # "meta" makes tensors, but holds nothing
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(
            f"The device {name!r} is not there or not usable: use auto, cpu, or what PyTorch finds "
            "on this machine, such as cuda or cuda:1."
        ) from error
    return device


def check_threads(number: int | None) -> int | None:
    """The number of threads, or None for PyTorch's own.

    Raises:
        UserError: It is below 1.
    """
    if number is not None and number < 1:
        raise UserError(f"The number of threads is {number}; it must be at least 1.")
    return number


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocator says that there is not enough memory, in its own words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and bool(_ALLOCATORS.search(str(error)))


@contextmanager
def tf32(device: torch.device, allowed: bool) -> Iterator[None]:
    """Turns TF32 on or off in this block; the switches belong to the whole process.

    PyTorch takes TF32 for convolutions by itself; it has the 11 significant bits of fp16.
    """
    if device.type != "cuda":
        yield
        return
    switches: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = allowed
        yield
    finally:
        for switch, was_allowed in zip(switches, before, strict=True):
            switch.allow_tf32 = was_allowed


@contextmanager
def inference(
    device: torch.device,
    threads: int | None,
    shape: tuple[int, int],
    advice: str,
    *,
    allow_tf32: bool = False,
) -> Iterator[None]:
    """Run a network in this block, without gradients.

    Args:
        device: Where.
        threads: On a CPU, for the length of the block; they belong to the whole process.
        shape: Height and width of the image, for the message.
        advice: What helps where the memory does not suffice.
        allow_tf32: On a GPU, whether float32 may be computed as TF32; see `tf32`.

    Raises:
        UserError: The device has not the memory.
    """
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        with torch.inference_mode(), tf32(device, allow_tf32):
            yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        height, width = shape
        raise UserError(
            f"An image of {width}x{height} pixels needs more memory than {device} has free; "
            f"try {advice}."
        ) from error
    finally:
        if threads is not None:
            torch.set_num_threads(before)
