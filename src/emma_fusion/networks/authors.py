"""The state dict of the paper's authors, tensor by tensor, to and from this package's U-Fuser."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import torch
from torch import Tensor

from emma_fusion.errors import UserError
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


def from_authors(state: dict[str, Tensor]) -> UFuser:
    """A U-Fuser with the authors' weights.

    Args:
        state: Their state dict; a common prefix ``module.`` of every key is dropped.

    Raises:
        UserError: A tensor is missing, left over, of another shape, or not finite.
    """
    if state and all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): tensor for key, tensor in state.items()}
    keys = key_map()
    missing, extra = keys.keys() - state.keys(), state.keys() - keys.keys()
    if missing or extra:
        raise UserError(
            "This is not the authors' U-Fuser: "
            + _some("missing", missing)
            + ("; " if missing and extra else "")
            + _some("not known", extra)
            + "."
        )
    network = UFuser()
    ours = network.state_dict()
    for theirs, key in keys.items():
        if state[theirs].shape != ours[key].shape:
            raise UserError(
                f"The tensor {theirs} has the shape {tuple(state[theirs].shape)}; the U-Fuser "
                f"needs {tuple(ours[key].shape)}."
            )
        if not state[theirs].isfinite().all():
            raise UserError(f"The tensor {theirs} holds values that are no numbers.")
    network.load_state_dict({key: state[theirs] for theirs, key in keys.items()})
    return network


def to_authors(network: UFuser) -> dict[str, Tensor]:
    """The state dict in the authors' form, for a network of the paper's channels."""
    state = network.state_dict()
    return {theirs: state[ours] for theirs, ours in key_map().items()}


def read_authors(path: Path) -> UFuser:
    """Reads the authors' checkpoint file; only tensors are unpickled, no code runs.

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
        raise UserError(f"{path} holds no flat state dict of tensors.")
    return from_authors(state)


def _some(what: str, keys: set[str]) -> str:
    if not keys:
        return ""
    named = ", ".join(sorted(keys)[:3]) + (", …" if len(keys) > 3 else "")
    return f"{len(keys)} tensors {what} ({named})"
