"""Imports go down only, room by room and file by file, and in no circle (docs/contributing.md)."""

import ast
from pathlib import Path

import pytest

import emma_fusion

HERE = Path(emma_fusion.__file__).parent
# From the top floor down; a room may import from its own floor, but not in both directions.
FLOORS = [
    ("cli", "web"),
    ("jobs", "training", "experiments", "bench", "downstream"),
    ("fuser", "sensor"),
    ("runtimes",),
    ("networks", "images", "video", "scans", "align", "demo"),
    ("pair", "baselines", "metrics", "equivariance", "models"),
    ("values",),
    ("errors", "child"),
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def module_of(path):
    """The dotted name of a file within the package, "" for the package itself."""
    parts = path.relative_to(HERE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(HERE.rglob("*.py"))}
FILES = {module: path for module, path in FILES.items() if module not in ("", "__main__")}


def statements(node):
    """All that a node holds, without what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from statements(child)


def imported(module):
    """The files that a file imports, wherever in it the import stands."""
    for node in statements(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively, which this test does not follow"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            inside = name.removeprefix("emma_fusion.")
            if inside == name:
                continue
            found = [inside, inside.rpartition(".")[0]]  # a module, or a name within one
            yield from [other for other in found if other in FILES and other != module][:1]


IMPORTS = {module: set(imported(module)) for module in FILES}


def room_of(module):
    """The room that a file is in, or the name of a file that is a room itself."""
    return module.partition(".")[0]


def reached(imports, start):
    """All files that a file imports, or that those import, and so on."""
    found, waiting = set(), [start]
    while waiting:
        for other in imports[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found


def circular(imports):
    """The files from which imports lead back to themselves."""
    return {module for module in imports if module in reached(imports, module)}


def test_every_room_has_its_floor():
    assert {room_of(module) for module in FILES} == set(FLOOR)


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down(module):
    floor = FLOOR[room_of(module)]
    assert not {other for other in IMPORTS[module] if FLOOR[room_of(other)] < floor}


def test_no_two_rooms_import_each_other():
    edges = {(room_of(module), room_of(other)) for module in FILES for other in IMPORTS[module]}
    assert not {(a, b) for a, b in edges if a != b and (b, a) in edges}


def test_no_files_import_each_other_in_a_circle():
    assert not circular(IMPORTS)


def test_a_circle_is_found_and_what_only_leads_to_it_is_not():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert circular(imports) == {"b", "c"}
