"""The packages of the extra `runtimes`, imported where they are needed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from emma_fusion.errors import UserError


def installed(*packages: str) -> bool:
    """Whether all these packages are there."""
    return all(find_spec(package) is not None for package in packages)


def need(*packages: str) -> list[Any]:
    """Imports packages of the extra.

    Raises:
        UserError: One is not installed.
    """
    try:
        return [import_module(package) for package in packages]
    except ImportError as error:
        raise UserError(
            f"This needs {error.name or packages[0]}: install the extra `runtimes`, "
            "pip install -c constraints.txt '.[runtimes]'."
        ) from error
