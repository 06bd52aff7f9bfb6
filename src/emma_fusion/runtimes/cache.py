"""The user's cache folder: exported models, and which runtime was the fastest here.

Nothing depends on it: what cannot be read is made anew, what cannot be written is not kept.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

_CHOICES = "runtimes.json"


def cache_folder() -> Path:
    """$XDG_CACHE_HOME, %LOCALAPPDATA%, or what the system has in their place."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif os.environ.get("XDG_CACHE_HOME"):
        base = Path(os.environ["XDG_CACHE_HOME"])
    else:
        base = home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return base / "emma-fusion"


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
