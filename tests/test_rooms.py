"""The rooms import downwards only (docs/contributing.md), so that no circle can come about."""

import ast
from pathlib import Path

import pytest

import emma_fusion

HERE = Path(emma_fusion.__file__).parent
# From the top floor down; a room may import from its own floor, but not in both directions.
FLOORS = [
    ("cli", "web"),
    ("bench", "training", "downstream"),
    ("fuser", "sensor"),
    ("runtimes", "media", "networks", "equivariance", "baselines", "metrics"),
    ("models",),
    ("pair",),
    ("errors", "child", "blending"),
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path):
    """The room that a file of the package is in, or the name of a file that is a room itself."""
    return path.relative_to(HERE).with_suffix("").parts[0]


def imported(path):
    """The rooms that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "emma_fusion" and len(parts) > 1 and parts[1] in FLOOR:
                yield parts[1]


FILES = [path for path in sorted(HERE.rglob("*.py")) if room_of(path) in FLOOR]


def test_every_room_has_its_floor():
    rooms = {room_of(path) for path in HERE.rglob("*.py")} - {"__init__", "__main__"}
    assert rooms <= set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HERE)))
def test_imports_go_down(path):
    room = room_of(path)
    upwards = {other for other in imported(path) if FLOOR[other] < FLOOR[room]}
    assert not upwards


def test_no_two_rooms_import_each_other():
    edges = {(room_of(path), other) for path in FILES for other in imported(path)}
    assert not {(a, b) for a, b in edges if a != b and (b, a) in edges}
