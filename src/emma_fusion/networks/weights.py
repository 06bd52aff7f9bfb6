"""Reading and writing weights: safetensors whose metadata say what the network is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from emma_fusion import models
from emma_fusion.errors import UserError
from emma_fusion.networks.fast import FastFuser
from emma_fusion.networks.sensing import SensingUNet
from emma_fusion.networks.ufuser import UFuser

Network = TypeVar("Network", bound=nn.Module)
FusionNetwork = UFuser | FastFuser

FUSER = "UFuser"
FAST = "FastFuser"
SENSING = "SensingUNet"
JOINS = "up first"
"""The order in which decoders join [what came up, what was kept], written into every file: the same
tensors in a network of the other order give another image."""


def save_weights(
    network: FusionNetwork | SensingUNet,
    path: Path,
    facts: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Writes a network's weights, beside the target first and then in its place.

    Args:
        network: What to write.
        path: A ``.safetensors`` file.
        facts: How the weights came to be; kept in the file as JSON.
        dtype: Of the stored floating-point tensors.
    """
    if isinstance(network, UFuser):
        shape: dict[str, Any] = {
            "network": FUSER,
            "channels": list(network.channels),
            "branches": network.branches,
        }
    elif isinstance(network, FastFuser):
        shape = {
            "network": FAST,
            "channels": list(network.channels),
            "filters": network.number_of_filters,
        }
    else:
        shape = {
            "network": SENSING,
            "width": network.width,
            "low_pass": network.low_pass_passes,
        }
    tensors = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    shape["joins"] = JOINS
    metadata = {"shape": json.dumps(shape), "facts": json.dumps(facts or {})}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(save(tensors, metadata))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_fuser(name_or_path: Path | str) -> FusionNetwork:
    """Reads a network that fuses, of the kind that the file says it is.

    Args:
        name_or_path: See `emma_fusion.models.find`.

    Raises:
        UserError: The file does not exist, is damaged, or holds another network.
    """
    path = models.find(name_or_path)
    tensors, shape = _read(path, FUSER, FAST)
    if shape["network"] == FAST:
        return _filled(lambda: FastFuser(tuple(shape["channels"]), shape["filters"]), tensors, path)

    def build() -> UFuser:
        # Weights written before there was a choice have both branches.
        return UFuser(tuple(shape["channels"]), shape.get("branches", "both"))

    return _filled(build, tensors, path)


def load_sensing(path: Path | str) -> SensingUNet:
    """Reads a sensing network.

    Raises:
        UserError: The file does not exist, is damaged, or holds another network.
    """
    tensors, shape = _read(Path(path), SENSING)
    return _filled(lambda: SensingUNet(shape["width"], shape["low_pass"]), tensors, Path(path))


def read_facts(path: Path | str) -> dict[str, Any]:
    """How the weights in a file came to be, as far as the file says it."""
    try:
        with safe_open(str(path), framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {}).get("facts", "{}"))
    except (SafetensorError, OSError) as error:
        raise UserError(f"The weights {path} cannot be read: {error}") from error
    return facts


def _read(path: Path, *networks: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    if not path.is_file():
        raise UserError(f"There are no weights at {path}.")
    try:
        with safe_open(str(path), framework="pt") as file:
            shape = json.loads((file.metadata() or {}).get("shape", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise UserError(
            f"{path} cannot be read as safetensors: {error}. A checkpoint in PyTorch's own "
            "format is converted by `emma import-checkpoint`."
        ) from error
    held = shape.get("network") if isinstance(shape, dict) else None
    if held not in networks:
        raise UserError(
            f"{path} holds {held or 'no network of this package'}, not {' or '.join(networks)}."
        )
    if held != FAST and shape.get("joins") != JOINS:
        raise UserError(
            f"{path} was written by an earlier version, whose decoders joined their channels in "
            "another order: train it again, or convert it with that version's channels swapped."
        )
    return tensors, shape


def _filled(build: Callable[[], Network], tensors: dict[str, torch.Tensor], path: Path) -> Network:
    """The network that the file describes, with the file's tensors in it."""
    try:
        with torch.device("meta"):  # else it would be filled with numbers drawn from torch's state
            network = build()
        floats = {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}
        network.load_state_dict(floats, assign=True)
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"The weights in {path} do not fit the network that the file says they are of: it is "
            "damaged, or of another version of this package."
        ) from error
    return network
