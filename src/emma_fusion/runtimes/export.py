"""Writing a network as ONNX or for OpenVINO, for images of any size, and checking the file.

OpenVINO's files are made from ONNX by OpenVINO's own reader.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import torch
from torch import nn

from emma_fusion.errors import UserError
from emma_fusion.networks.copies import inference_copy
from emma_fusion.networks.weights import FusionNetwork
from emma_fusion.runtimes.exported import Forward, open_onnxruntime, open_openvino
from emma_fusion.runtimes.extras import need
from emma_fusion.runtimes.rewritten import rewrite

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}
TOLERANCE = 1e-4
"""Largest difference to PyTorch in fp32, of values in [0, 1]."""


def export(network: FusionNetwork, path: Path, kind: str, facts: dict[str, str]) -> float:
    """Writes a network and compares it with PyTorch at two sizes that it was not traced at.

    Height and width are dynamic, multiples of ``multiple_of`` and more than ``minimum_size``; the
    inputs are ``infrared`` and ``visible``, the output ``fused``, all ``(1, 1, H, W)`` float32 in
    [0, 1]. The file takes the target's place only when the check is passed.

    Args:
        network: What to write; its folded form is written.
        path: The target: ``.onnx``, one file; or ``.xml``, beside which OpenVINO has a ``.bin``.
        kind: "onnx" or "openvino".
        facts: Kept in the file as its metadata.

    Returns:
        The largest difference to PyTorch.

    Raises:
        UserError: The suffix is not the kind's, the extra `runtimes` is not installed, or the
            exported network differs from PyTorch's by more than `TOLERANCE`.
    """
    if path.suffix != SUFFIXES[kind]:
        raise UserError(f"{path} must end in {SUFFIXES[kind]}.")
    need("onnx", "onnxruntime" if kind == "onnx" else "openvino")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}.")
    except OSError as error:
        raise UserError(f"{path.parent} cannot be written to: {error.strerror}.") from error
    with folder as name:
        onnx = Path(name) / "model.onnx"
        _write_onnx(network, onnx, facts, by_convolutions=kind == "openvino")
        if kind == "onnx":
            made, run = [onnx], open_onnxruntime(onnx, "fp32", None)
        else:
            made = _write_openvino(onnx, Path(name) / "model.xml", facts)
            run = open_openvino(made[-1], "fp32", None)
        difference = compare(network, run)
        if not difference <= TOLERANCE:
            raise UserError(
                f"The exported network differs from PyTorch's by {difference:.1e}, more than "
                f"{TOLERANCE:.0e}: nothing was written. Please report it with the versions of "
                "torch, onnx and the runtime."
            )
        del run
        for file in made:
            os.replace(file, path.with_suffix(file.suffix))
    return difference


def compare(network: FusionNetwork, run: Forward) -> float:
    """The largest difference to the network in PyTorch, at two sizes and made images."""
    generator = torch.Generator().manual_seed(0)
    unit, least = network.multiple_of, -(-network.minimum_size // network.multiple_of)
    plain, worst = inference_copy(network), 0.0
    for rows, columns in ((least + 1, least + 3), (least + 4, least + 2)):
        shape = (2, 1, 1, rows * unit, columns * unit)
        infrared, visible = torch.rand(shape, generator=generator)
        with torch.inference_mode():
            difference = (run(infrared, visible) - plain(infrared, visible)).abs().max().item()
        worst = max(worst, difference) if difference == difference else difference
    return worst


def _write_onnx(
    network: FusionNetwork, path: Path, facts: dict[str, str], *, by_convolutions: bool
) -> None:
    """One file, weights within."""
    (onnx,) = need("onnx")
    folded: nn.Module = rewrite(network.fold(), by_convolutions=by_convolutions)
    unit, least = network.multiple_of, -(-network.minimum_size // network.multiple_of)
    example = torch.zeros(1, 1, unit * (least + 6), unit * (least + 8))
    sizes = {2: "height", 3: "width"}
    with warnings.catch_warnings():
        # Of PyTorch's two exporters this, the older one, takes seconds where the other takes a
        # minute. It warns that it is the older, and where a size becomes a constant, which
        # `compare` would find (and did find errors of the newer one).
        warnings.simplefilter("ignore")
        torch.onnx.export(
            folded,
            (example, example),
            path,
            input_names=["infrared", "visible"],
            output_names=["fused"],
            dynamic_axes={"infrared": sizes, "visible": sizes, "fused": sizes},
            opset_version=20,
            dynamo=False,
        )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _write_openvino(onnx: Path, path: Path, facts: dict[str, str]) -> list[Path]:
    """Both files of OpenVINO's form, the one that is opened last."""
    (openvino,) = need("openvino")
    model = openvino.Core().read_model(onnx)
    for key, value in facts.items():
        model.set_rt_info(value, ["emma", key])
    openvino.save_model(model, path, compress_to_fp16=False)
    return [path.with_suffix(".bin"), path]
