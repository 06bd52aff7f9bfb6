"""What an option is, and the options that several verbs have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

_FOLDERS = "Two folders"


@dataclass(frozen=True)
class Option:
    """What the command line says of a field.

    Attributes:
        help: A sentence; the command line adds the default.
        flags: How the option is written, where that is not `--` and the field's name.
        metavar: What stands for the value.
        panel: The part of the help that the option is listed in.
        minimum: The smallest number that is allowed.
        is_argument: Whether it is given by its place and not by a flag.
        is_required: Whether it must be given, though the field has a default.
    """

    help: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    panel: str | None = None
    minimum: int | None = None
    is_argument: bool = False
    is_required: bool = False


MODEL_HELP = (
    "The weights to use: the name of a shipped model, a .safetensors file, or the folder of a "
    "training run."
)
Overwrite = Annotated[bool, Option("Replace files that exist.", flags=("--overwrite",))]


@dataclass(frozen=True)
class NetworkOptions:
    """Which network fuses, and what it runs on; see `Fuser`."""

    model: Annotated[
        str,
        Option(MODEL_HELP),
    ] = "base"
    device: Annotated[
        str, Option("The device that the network runs on: auto, cpu, cuda, cuda:1 and so on.")
    ] = "auto"
    precision: Annotated[
        Literal["fp32", "tf32", "bf16", "fp16"],
        Option("The precision that the network computes in. tf32 exists on NVIDIA GPUs only."),
    ] = "fp32"
    threads: Annotated[
        int | None,
        Option(
            "The number of threads on a CPU. Without it, there is one for each usable core.",
            minimum=1,
        ),
    ] = None
    memory: Annotated[
        str | None,
        Option(
            "The most memory that this process may use, such as 4GiB or 800MB; on a GPU it is the "
            "GPU's memory. Images that are too large for it are fused in strips, with the same "
            "output. Without it, the limit is the free memory.",
            metavar="SIZE",
        ),
    ] = None
    runtime: Annotated[
        Literal["auto", "torch", "engine", "onnxruntime", "openvino"],
        Option(
            "The program that runs the network on a CPU. auto takes the fastest that is installed "
            "(extra runtimes); it tries them the first time and remembers the result."
        ),
    ] = "torch"


MATCH_HELP = (
    "How the names of the infrared images and of the visible ones go together, such as '*_T=*_W' "
    "or 'IR_{n}=DC_{n+1}': * is any text that both have and {n} a number. Without it, names go "
    "together that are the same but for capitals, leading zeros and what marks the camera (_T and "
    "_W, _ir and _vi, IR and VIS)."
)


@dataclass(frozen=True)
class PairingOptions:
    """Which images of two folders belong together; see `images.names.match_names`."""

    match: Annotated[str | None, Option(MATCH_HELP, metavar="PATTERN", panel=_FOLDERS)] = None
    recursive: Annotated[
        bool,
        Option(
            "Also take the images in subfolders. The subfolders of the two folders must have the "
            "same names.",
            flags=("--recursive",),
            panel=_FOLDERS,
        ),
    ] = False
