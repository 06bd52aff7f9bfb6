"""The bar of verbs of many pictures."""

import io

import pytest

from emma_fusion.cli.progress import bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal, True), (io.StringIO, False)])
def test_a_bar_is_for_terminals_only(monkeypatch, stream, shown):
    written = stream()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", written)
    with bar("Scoring") as show:
        show(1, 3)
        show(3, 3)
    text = written.getvalue()
    assert ("Scoring" in text and "1/3" in text and "3/3" in text) == shown
    assert shown or text == ""
