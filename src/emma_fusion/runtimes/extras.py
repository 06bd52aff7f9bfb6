"""The packages of the extra `runtimes`, imported where they are needed."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from emma_fusion.errors import UserError

_TELEMETRY = "ORT_DISABLE_TELEMETRY"


def installed(*packages: str) -> bool:
    """Whether all these packages are there."""
    return all(find_spec(package) is not None for package in packages)


def need(*packages: str) -> list[Any]:
    """Imports packages of the extra.

    ONNX Runtime starts its telemetry when it is first imported: a thread, a device's number and a
    data base in the home folder, before `disable_telemetry_events` can be called. It stays off, by
    a variable that stands in the environment as long as the import takes; where the environment
    has the variable, its value holds.

    Raises:
        UserError: One is not installed.
    """
    told = _TELEMETRY in os.environ
    os.environ.setdefault(_TELEMETRY, "1")
    try:
        return [import_module(package) for package in packages]
    except ImportError as error:
        raise UserError(
            f"This needs {error.name or packages[0]}: install the extra `runtimes`, "
            "pip install -c constraints.txt '.[runtimes]'."
        ) from error
    finally:
        if not told:
            os.environ.pop(_TELEMETRY, None)
