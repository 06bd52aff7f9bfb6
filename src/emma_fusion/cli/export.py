"""emma export onnx|openvino -o FILE: a model for other programs and devices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from emma_fusion.jobs.options import MODEL_HELP


def export(
    kind: Annotated[
        Literal["onnx", "openvino"], typer.Argument(help="The kind of file: onnx, or openvino.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="The file that the model is written to: an .onnx file, or an .xml file for "
            "openvino.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(help=MODEL_HELP),
    ] = "base",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
) -> None:
    """Write a model for ONNX Runtime or OpenVINO, for images of any size.

    The inputs are called infrared and visible and the output is called fused: float32 planes
    (1, 1, H, W) in [0, 1]. The result is compared with PyTorch before the file is written. This
    needs the extra runtimes.
    """
    from emma_fusion import __version__, models
    from emma_fusion.errors import UserError
    from emma_fusion.jobs.targets import Targets
    from emma_fusion.networks.weights import load_fuser
    from emma_fusion.runtimes.export import SUFFIXES
    from emma_fusion.runtimes.export import export as write

    files = [output, *([output.with_suffix(".bin")] if kind == "openvino" else [])]
    targets = Targets([Path(model)], overwrite)
    for file in files:
        targets.check(file)
    if output.suffix != SUFFIXES[kind]:
        raise UserError(f"{output} must end in {SUFFIXES[kind]}.")
    network = load_fuser(model)
    facts = {
        "model": Path(model).name,
        "software": f"emma-fusion {__version__}",
        "licence": models.licence(model),
        "multiple_of": str(network.multiple_of),
        "minimum_size": str(network.minimum_size),
    }
    difference = write(network, output, kind, facts)
    sizes = f"sides are multiples of {network.multiple_of}"
    print(f"Wrote {output}: {sizes}, at most {difference:.0e} from PyTorch", file=sys.stderr)
