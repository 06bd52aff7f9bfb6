"""Whole files in and out: read at once, written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from emma_fusion.errors import UserError
from emma_fusion.images.folders import make_folder


def read_whole(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        UserError: it is missing, no file, or not readable.
    """
    check_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"The file {shown(path)} could not be read: {error.strerror}.") from error


def check_file(path: Path) -> None:
    """Check that there is a file.

    Raises:
        UserError: there is none, or it is no file.
    """
    if not os.path.exists(path):  # False, not an error, for a name that no disk could hold
        raise UserError(f"The file {shown(path)} does not exist.")
    if not path.is_file():
        raise UserError(f"{shown(path)} is not a file.")


def shown(path: Path | str) -> str:
    r"""A path as text that can be printed, whatever bytes its name has.

    >>> shown(os.fsdecode(b"caf\xe9.png"))
    'caf\\xe9.png'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def write_whole(files: dict[Path, bytes]) -> None:
    """Write files beside their names, then rename them; nothing is left behind on failure.

    Raises:
        UserError: one of them could not be written.
    """
    temporaries = {path: path.with_name(f".{secrets.token_hex(8)}.tmp") for path in files}
    target = next(iter(files))
    make_folder(target.parent)
    try:
        try:
            for target, data in files.items():
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                temporaries[target].write_bytes(data)
            for target in files:
                os.replace(temporaries[target], target)
        finally:
            for temporary in temporaries.values():
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{shown(target)} could not be written: {error.strerror}.") from error
