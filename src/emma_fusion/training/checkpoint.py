"""The state of a run, written so that a kill at any moment leaves a whole one."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from emma_fusion.errors import UserError

NAME = "checkpoint.pt"
PARTS = {"stage", "step", "seconds", "data", "fuser", "optimizer", "average"}


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Writes beside the old checkpoint, then takes its place."""
    temporary = folder / f".{NAME}.tmp"
    torch.save(state, temporary)
    os.replace(temporary, folder / NAME)


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Reads a run's checkpoint; no code in it is executed.

    Raises:
        UserError: There is none, or it is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        raise UserError(f"There is no checkpoint in {folder}: start the run without --resume.")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise UserError(
            f"The checkpoint {path} is damaged, or not of this program: start a new run."
        ) from error
    if not isinstance(state, dict) or not state.keys() >= PARTS:
        raise UserError(
            f"{path} is not a checkpoint of a training run, or is of an earlier version: start a "
            "new run."
        )
    return state
