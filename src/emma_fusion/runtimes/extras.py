"""The packages of the extra `runtimes`, imported where they are needed."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from emma_fusion.errors import UserError


def installed(*packages: str) -> bool:
    """Whether all these packages are there."""
    return all(find_spec(package) is not None for package in packages)


def need(*packages: str) -> list[Any]:
    """Imports packages of the extra.

    ONNX Runtime's telemetry, which it starts on import, stays off unless the environment has it on.

    Raises:
        UserError: One is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        return [import_module(package) for package in packages]
    except ImportError as error:
        raise UserError(
            f"This needs {error.name or packages[0]}: install the extra `runtimes`, "
            "pip install -c constraints.txt '.[runtimes]'."
        ) from error
