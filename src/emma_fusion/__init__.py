"""Equivariant multi-modality image fusion.

>>> import emma_fusion
>>> sorted(emma_fusion.__all__)
['Fuser', 'Pair', 'Sensor', 'fuse']
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emma_fusion.fuser import Fuser, fuse
    from emma_fusion.pair import Pair
    from emma_fusion.sensor import Sensor

__version__ = "0.1.0"
__all__ = ["Fuser", "Pair", "Sensor", "fuse"]

_HOMES = {"Fuser": "fuser", "fuse": "fuser", "Pair": "pair", "Sensor": "sensor"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that this package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
