"""The weights that ship, each with a card (`NAME/README.md`)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from emma_fusion.errors import UserError

FUSER = "fuser.safetensors"
SENSING_INFRARED = "sensing_infrared.safetensors"
SENSING_VISIBLE = "sensing_visible.safetensors"

_HERE = Path(__file__).parent
_LICENCE = re.compile(r"^Licence: (.+)$", re.MULTILINE)


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


def licence(name_or_path: str | Path) -> str:
    """What a model's weights may be used for, as the card beside them says.

    The package's own licence is for its code: weights are bound by the terms of the images that
    they were trained on.

    Args:
        name_or_path: See `find`.

    Raises:
        UserError: There is no such model.

    >>> licence("base").startswith("non-commercial")
    True
    """
    card = find(name_or_path).parent / "README.md"
    found = _LICENCE.search(card.read_text("utf-8")) if card.is_file() else None
    return found[1] if found else "not stated: that of whoever made the weights and their data"
