"""The state dicts of the paper's authors, tensor by tensor, to and from this package's networks."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from emma_fusion.errors import UserError
from emma_fusion.networks.sensing import SensingUNet
from emma_fusion.networks.ufuser import UFuser

# Their name for each part of a Restormer-CNN block, ours beside it.
_BLOCK = {
    "embed": "embed",
    "GlobalFeature.norm1.body": "norm1",
    "GlobalFeature.attn.scale": "attention.scale",
    "GlobalFeature.attn.qkv1": "attention.expand",
    "GlobalFeature.attn.qkv2": "attention.spread",
    "GlobalFeature.attn.proj": "attention.project",
    "GlobalFeature.norm2.body": "norm2",
    "GlobalFeature.mlp.project_in": "feed_forward.expand",
    "GlobalFeature.mlp.dwconv": "feed_forward.spread",
    "GlobalFeature.mlp.project_out": "feed_forward.project",
    "LocalFeature.Extraction.0.conv.0": "local_branch.0.first",
    "LocalFeature.Extraction.0.conv.2": "local_branch.0.second",
    "LocalFeature.Extraction.1.conv.0": "local_branch.1.first",
    "LocalFeature.Extraction.1.conv.2": "local_branch.1.second",
    "FFN": "join",
}


def _modules() -> dict[str, str]:
    """Our module (or parameter) for each of theirs."""
    blocks, others = {}, {"last.0": "last"}
    for level in range(4):
        blocks[f"I_en_{level + 1}"] = f"infrared_encoder.levels.{level}"
        blocks[f"V_en_{level + 1}"] = f"visible_encoder.levels.{level}"
        blocks[f"f_{level + 1}"] = f"fusions.{level}"
        blocks[f"de_{level + 1}"] = f"decoders.{level}"
    for level in range(3):
        others[f"I_down{level + 1}"] = f"infrared_encoder.downs.{level}"
        others[f"V_down{level + 1}"] = f"visible_encoder.downs.{level}"
        others[f"up{level + 2}.0"] = f"ups.{level}"
    inside = {
        f"{their_block}.{theirs}": f"{our_block}.{ours}"
        for their_block, our_block in blocks.items()
        for theirs, ours in _BLOCK.items()
    }
    return inside | others


def key_map() -> dict[str, str]:
    """Every key of the authors' state dict and the key of the same tensor in `UFuser`."""
    ours_to_theirs = {ours: theirs for theirs, ours in _modules().items()}
    mapped = {}
    for key in UFuser().state_dict():
        module, _, leaf = key.rpartition(".")
        theirs = ours_to_theirs.get(key) or f"{ours_to_theirs[module]}.{leaf}"
        mapped[theirs] = key
    return mapped


def sensing_key_map() -> dict[str, str]:
    """Every key of the authors' A_i or A_v and the key of the same tensor in `SensingUNet`."""
    theirs = {"last": "last.0"}
    for level in range(5):
        theirs[f"encoders.{level}"] = f"down{level + 1}.conv"
    for level in range(4):
        theirs[f"decoders.{level}"] = f"up{level + 1}.conv"
        theirs[f"ups.{level}"] = f"up_sample{level + 2}.0"
    mapped = {}
    for key in SensingUNet().state_dict():
        module = next(name for name in theirs if key.startswith(f"{name}."))
        mapped[theirs[module] + key.removeprefix(module)] = key
    return mapped


def from_authors(state: dict[str, Tensor]) -> UFuser:
    """A U-Fuser with the authors' weights.

    Args:
        state: Their state dict; a common prefix ``module.`` of every key is dropped.

    Raises:
        UserError: A tensor is missing, left over, of another shape, or not finite.
    """
    network = UFuser()
    _fill(network, _without_prefix(state), key_map(), "U-Fuser")
    return network


def sensing_from_authors(state: dict[str, Tensor]) -> SensingUNet:
    """A_i or A_v with the authors' weights, at the paper's width of 64.

    Args:
        state: As in `from_authors`.

    Raises:
        UserError: As `from_authors`.
    """
    network = SensingUNet()
    _fill(network, _without_prefix(state), sensing_key_map(), "sensing network")
    return network


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    if state and all(key.startswith("module.") for key in state):
        return {key.removeprefix("module."): tensor for key, tensor in state.items()}
    return state


def _fill(network: nn.Module, state: dict[str, Tensor], keys: dict[str, str], what: str) -> None:
    """Puts every tensor of the authors' in its place."""
    missing, extra = keys.keys() - state.keys(), state.keys() - keys.keys()
    if missing or extra:
        raise UserError(
            f"This is not the authors' {what}: "
            + _some("missing", missing)
            + ("; " if missing and extra else "")
            + _some("not known", extra)
            + "."
        )
    ours = network.state_dict()
    for theirs, key in keys.items():
        if state[theirs].shape != ours[key].shape:
            raise UserError(
                f"The tensor {theirs} has the shape {tuple(state[theirs].shape)}; the {what} "
                f"needs {tuple(ours[key].shape)}."
            )
        if not state[theirs].isfinite().all():
            raise UserError(f"The tensor {theirs} holds NaN or infinite values.")
    network.load_state_dict({key: state[theirs] for theirs, key in keys.items()})


def to_authors(network: UFuser) -> dict[str, Tensor]:
    """The state dict in the authors' form, for a network of the paper's channels."""
    state = network.state_dict()
    return {theirs: state[ours] for theirs, ours in key_map().items()}


def read_authors(path: Path) -> UFuser | SensingUNet:
    """Reads a checkpoint file of the authors'; only tensors are unpickled, no code runs.

    Returns:
        The network whose keys the file has: the U-Fuser, or a sensing network.

    Raises:
        UserError: The file cannot be read so, or holds something else.
    """
    if not path.is_file():
        raise UserError(f"There is no checkpoint at {path}.")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # the error says it
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, KeyError, ValueError, pickle.UnpicklingError) as error:
        # PyTorch's own text advises to load without the restriction, which would run its code.
        raise UserError(
            f"{path} cannot be read: it is damaged, no PyTorch checkpoint, or holds more than "
            "plain tensors, which could run code of its own and is not opened."
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(tensor, Tensor) for key, tensor in state.items()
    ):
        raise UserError(f"{path} does not hold a flat state dict of tensors.")
    if _without_prefix(state).keys() & {"down1.conv.0.weight", "up_sample5.0.weight"}:
        return sensing_from_authors(state)
    return from_authors(state)


def _some(what: str, keys: set[str]) -> str:
    if not keys:
        return ""
    named = ", ".join(sorted(keys)[:3]) + (", …" if len(keys) > 3 else "")
    return f"{len(keys)} tensors {what} ({named})"
