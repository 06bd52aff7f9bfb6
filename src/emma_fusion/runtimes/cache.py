"""The user's cache folder: exported models, and which runtime was the fastest here.

Nothing depends on it: what cannot be read is made anew, what cannot be written is not kept.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tempfile
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).parents[1]
_CHOICES = "runtimes.json"


def cache_folder() -> Path:
    """The folder that the system has for caches, such as ~/.cache/emma-fusion."""
    return platformdirs.user_cache_path("emma-fusion", appauthor=False)


@functools.cache
def sources_digest() -> str:
    """A hash of the sources that make exported files and results from weights.

    A version number does not change with every change of them.
    """
    digest = hashlib.sha256()
    for folder in ("networks", "runtimes"):
        for path in sorted((_PACKAGE / folder).rglob("*.py")):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def writable_folder() -> Path | None:
    """The cache folder, made if need be; None where it cannot be written to."""
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        return None
    return folder


def recall(key: str) -> str | None:
    """The choice that was remembered, if it was and can be read."""
    found = _choices().get(key)
    return found if isinstance(found, str) else None


def remember(key: str, choice: str) -> None:
    """Remembers a choice, if the folder can be written to."""
    folder = writable_folder()
    if folder is None:
        return
    choices = {**_choices(), key: choice}
    temporary = folder / f".{_CHOICES}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(choices, indent=1), encoding="utf-8")
        os.replace(temporary, folder / _CHOICES)
    except OSError:
        temporary.unlink(missing_ok=True)


def _choices() -> dict[str, object]:
    try:
        choices = json.loads((cache_folder() / _CHOICES).read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    return choices if isinstance(choices, dict) else {}
