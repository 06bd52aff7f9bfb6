"""The parts of a page that commands replace."""

import pytest

from marked import get, put


def test_a_part_is_replaced_and_the_rest_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# T\n\n<!-- a -->\nold\n<!-- end -->\nmine\n<!-- b -->\n<!-- end -->\n")
    put(page, "a", r"new \1 text")
    put(page, "b", "line\n\nline\n")
    assert page.read_text() == (
        "# T\n\n<!-- a -->\nnew \\1 text\n<!-- end -->\nmine\n"
        "<!-- b -->\nline\n\nline\n<!-- end -->\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


def test_parts_of_several_commands_make_one_page(tmp_path):
    page = tmp_path / "page.md"
    put(page, "a", "first", title="Results")
    put(page, "b", "second", title="Results")
    put(page, "a", "again", title="Results")
    assert page.read_text() == (
        "# Results\n\n<!-- a -->\nagain\n<!-- end -->\n\n<!-- b -->\nsecond\n<!-- end -->\n"
    )


def test_a_page_without_the_place_is_not_touched(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(SystemExit, match="no place for a"):
        put(page, "a", "block")
    with pytest.raises(ValueError, match="holds"):
        put(page, "a", "x <!-- end --> y", title="T")
    assert page.read_text() == "text\n"


def test_a_part_is_read_as_it_was_put(tmp_path):
    page = tmp_path / "page.md"
    put(page, "a", "line\n\nline", title="T")
    put(page, "empty", "", title="T")
    assert (get(page, "a"), get(page, "empty")) == ("line\n\nline", "")
    with pytest.raises(KeyError, match="no part b"):
        get(page, "b")
