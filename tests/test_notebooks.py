"""The notebooks run from top to bottom, each in an empty folder, and are kept without outputs."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@every_notebook
def test_it_runs(path, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for number, cell in enumerate(cells(path)):
        if cell["cell_type"] == "code":
            code = "".join(cell["source"])
            exec(compile(code, f"{path.name}, cell {number}", "exec"), names)
    pyplot.close("all")


@every_notebook
def test_it_is_kept_without_outputs(path):
    for cell in cells(path):
        assert cell["cell_type"] == "markdown" or (not cell["outputs"])
        assert cell.get("execution_count") is None


def test_there_are_four():
    assert len(NOTEBOOKS) == 4
