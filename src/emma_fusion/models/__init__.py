"""The weights that ship, each with a card (`NAME/README.md`)."""

from __future__ import annotations

import os
from pathlib import Path

from emma_fusion.errors import UserError

FUSER = "fuser.safetensors"
SENSING_INFRARED = "sensing_infrared.safetensors"
SENSING_VISIBLE = "sensing_visible.safetensors"

_HERE = Path(__file__).parent


def shipped() -> list[str]:
    """Names of the models that ship."""
    return sorted(path.parent.name for path in _HERE.glob(f"*/{FUSER}"))


def find(name_or_path: str | Path, file: str = FUSER) -> Path:
    """The weights file that a user means.

    Args:
        name_or_path: A shipped model's name, a weights file, or the folder of a training run.
        file: Which file of a folder.

    Raises:
        UserError: There is no such thing.
    """
    path = Path(name_or_path)
    if os.path.isfile(path):  # False, not an error, for a name that no disk could hold
        return path if file == FUSER else path.parent / file
    folders = [path, _HERE / path] if str(name_or_path) in shipped() else [path]
    for folder in folders:
        if os.path.isfile(folder / file):
            return folder / file
    raise UserError(
        f"There is no model {str(name_or_path)!r}: give one that ships "
        f"({', '.join(shipped()) or 'none here'}), a .safetensors file, or the folder of a "
        f"training run that has {file}."
    )


def terms(name: str) -> str:
    """Under what terms a shipped model may be used: those of the data that its card lists.

    The weights are made of the data; that the code is under Apache-2.0 does not free them.
    """
    card = (_HERE / name / "README.md").read_text("utf-8")
    rows, listed = [], False
    for line in card.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[-1] == "terms":
            listed = True
        elif not line.startswith("|"):
            listed = False
        elif listed and set(line) - set("|-: "):
            rows.append(f"{cells[0].split(',')[0]}: {cells[-1]}")
    data = f"its data's terms are {'. '.join(rows)}" if rows else "see its model card"
    return f"Weights of emma-fusion's {name}: {data}"
