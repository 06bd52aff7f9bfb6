"""Where a network runs, with how many threads, and what is said when it does not fit there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from emma_fusion.errors import UserError


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


@contextmanager
def inference(
    device: torch.device, threads: int | None, shape: tuple[int, int], advice: str
) -> Iterator[None]:
    """Run a network in this block, without gradients.

    Args:
        device: Where.
        threads: On a CPU, for the length of the block; they belong to the whole process.
        shape: Height and width of the picture, for the message.
        advice: What helps where the memory does not suffice.

    Raises:
        UserError: The device has not the memory.
    """
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        height, width = shape
        raise UserError(
            f"A picture of {width}x{height} pixels needs more memory than {device} has free; "
            f"try {advice}."
        ) from error
    finally:
        if threads is not None:
            torch.set_num_threads(before)
