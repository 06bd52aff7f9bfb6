"""The parts of a page that commands replace."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "marked.py"


@pytest.fixture(scope="module")
def put():
    spec = importlib.util.spec_from_file_location("marked", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.put


def test_a_part_is_replaced_and_the_rest_stays(put, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# T\n\n<!-- a -->\nold\n<!-- end -->\nmine\n<!-- b -->\n<!-- end -->\n")
    put(page, "a", r"new \1 text")
    put(page, "b", "line\n\nline\n")
    assert page.read_text() == (
        "# T\n\n<!-- a -->\nnew \\1 text\n<!-- end -->\nmine\n"
        "<!-- b -->\nline\n\nline\n<!-- end -->\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


def test_parts_of_several_commands_make_one_page(put, tmp_path):
    page = tmp_path / "page.md"
    put(page, "a", "first", title="Results")
    put(page, "b", "second", title="Results")
    put(page, "a", "again", title="Results")
    assert page.read_text() == (
        "# Results\n\n<!-- a -->\nagain\n<!-- end -->\n\n<!-- b -->\nsecond\n<!-- end -->\n"
    )


def test_a_page_without_the_place_is_not_touched(put, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(SystemExit, match="no place for a"):
        put(page, "a", "block")
    with pytest.raises(ValueError, match="holds"):
        put(page, "a", "x <!-- end --> y", title="T")
    assert page.read_text() == "text\n"
