"""The bar of verbs of many images."""

import io
import os

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


def test_a_bar_is_drawn_while_stderr_is_collected(monkeypatch):
    """As `images.raster` collects it while another thread decodes an image."""
    main, side = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with open(side, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        with bar("Fusing") as show, open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), side)
            show(2, 3)
    said = b""
    while "2/3" not in said.decode():  # a terminal gives what it has in parts, at its own time
        try:
            said += os.read(main, 10000)
        except OSError:  # its other side is closed, and all is read
            break
    os.close(main)
    assert "2/3" in said.decode()
