"""ONNX Runtime and OpenVINO: an exported file, opened, as a callable like the network's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from emma_fusion.errors import UserError
from emma_fusion.runtimes.extras import need

Forward = Callable[[Tensor, Tensor], Tensor]
"""``(1, 1, H, W)`` float32 infrared and visible in [0, 1] → fused, the same shape."""

_HINTS = {"fp32": "f32", "bf16": "bf16"}


def open_onnxruntime(path: Path, precision: str, threads: int | None) -> Forward:
    """Opens an exported ``.onnx`` file with ONNX Runtime.

    Args:
        path: The file.
        precision: "fp32"; on a CPU it has no other for this network.
        threads: None for as many as PyTorch uses.

    Raises:
        UserError: The file is damaged, the precision another, or ONNX Runtime not installed.
    """
    (onnxruntime,) = need("onnxruntime")
    if precision != "fp32":
        raise UserError(
            f"ONNX Runtime has no {precision} on a CPU: use --precision fp32, or another runtime."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 4  # what fails is raised too
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base but this
        raise _damaged(path, error) from error

    def run(infrared: Tensor, visible: Tensor) -> Tensor:
        planes = {"infrared": infrared.numpy(), "visible": visible.numpy()}
        return torch.from_numpy(session.run(["fused"], planes)[0])

    return run


def open_openvino(path: Path, precision: str, threads: int | None) -> Forward:
    """Opens an exported ``.xml`` (with its ``.bin``) or ``.onnx`` file with OpenVINO.

    Args:
        path: The file.
        precision: "fp32" or "bf16"; said explicitly, as OpenVINO chooses bf16 by itself.
        threads: None for as many as PyTorch uses.

    Raises:
        UserError: The file is damaged, the precision another, or OpenVINO not installed.
    """
    (openvino,) = need("openvino")
    if precision not in _HINTS:
        raise UserError(f"OpenVINO has no {precision} on a CPU: use --precision fp32 or bf16.")
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # other programs may be on the core it would choose
    }
    try:
        compiled = openvino.Core().compile_model(path, "CPU", settings)
    except Exception as error:  # RuntimeError, and what its front ends raise
        raise _damaged(path, error) from error
    request = compiled.create_infer_request()

    def run(infrared: Tensor, visible: Tensor) -> Tensor:
        planes = {"infrared": infrared.numpy(), "visible": visible.numpy()}
        return torch.from_numpy(request.infer(planes)["fused"])

    return run


def _damaged(path: Path, error: Exception) -> UserError:
    if not path.is_file():
        return UserError(f"There is no exported model at {path}.")
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
    return UserError(
        f"{path} cannot be opened as an exported model: it is damaged or of another kind; "
        f"export it anew. ({reason})"
    )
