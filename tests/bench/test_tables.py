"""Tables in Markdown, LaTeX and CSV; published figures; box plots."""

import csv
import io
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from emma_fusion.bench import Cell, Line, Table, tables
from emma_fusion.bench.plots import box_plots
from emma_fusion.bench.published import published


@pytest.fixture
def table():
    def line(name, images, values, places, rank):
        cells = {
            metric: Cell(value, value - 0.1, value + 0.1, place, 0.05, 0.01)
            for metric, value, place in zip(("EN", "VIF", "Qcv"), values, places, strict=True)
        }
        return Line(name, images, cells, rank)

    lines = [
        line("base", 50, (7.5, 0.66, 400.0), (1, 2, 2), 1.5),
        line("plain_average", 50, (6.45, 0.571, 350.0), (2, 0, 1), 2.0),
        line("auif", 46, (7.41, 0.9, 1.0), (0, 0, 0), float("nan")),
    ]
    return Table(
        "roadscene", "RoadScene", 50, ("EN", "VIF", "Qcv"), lines, "base", published("roadscene")
    )


def test_markdown_marks_best_and_second_and_what_is_published(table):
    text = tables.markdown([table])
    assert "| Method | EN ↑ | VIF ↑ | Qcv ↓ | Rank |" in text
    assert "| base | **7.50** | <ins>0.660</ins> | <ins>400.00</ins> | 1.50 |" in text
    assert "| auif (46 of 50) | 7.41 | 0.900 | 1.00 | – |" in text
    assert "| EMMA † | 7.52 | 0.66 |  |  |" in text
    assert "arXiv 2305.11443" in text
    assert "| plain_average | +0.05\\* |" in text
    assert "7.40–7.60" in text


def test_too_few_images_for_any_test_are_told(table):
    text = "which no difference can reach with so few images"
    assert not table.too_few()
    assert text not in tables.markdown([table])
    few = replace(table, images=7)  # 6 comparisons, 6 * 2**-6 > 0.05
    assert few.too_few()
    assert text in tables.markdown([few])
    assert not replace(table, images=8).too_few()  # 6 * 2**-7 = 0.047
    assert not replace(few, reference=None).too_few()


def test_latex_is_escaped_and_balanced(table):
    text = tables.latex([table])
    assert "base & \\textbf{7.50} & \\underline{0.660} & \\underline{400.00} & 1.50 \\\\" in text
    assert "plain\\_average" in text
    assert "EMMA$^\\dagger$ & 7.52 & 0.66 &  &  \\\\" in text
    rows = [row for row in text.splitlines() if row.endswith("\\\\")]
    assert {row.count("&") for row in rows} == {4}
    assert text.count("\\begin") == text.count("\\end") == 2


def test_csv_is_unrounded_and_tells_measured_from_published(table):
    rows = list(csv.DictReader(io.StringIO(tables.as_csv([table]))))
    assert len(rows) == 3 * 3 + 6 * 2
    first = rows[0]
    assert (first["method"], first["metric"], first["mean"]) == ("base", "EN", "7.5")
    assert (first["source"], first["place"], first["reference"]) == ("measured", "1", "")
    assert rows[3]["reference"] == "base"
    assert float(rows[3]["p_holm"]) == 0.01
    assert {row["source"] for row in rows[9:]} == {"published"}
    assert {row["metric"] for row in rows[9:]} == {"EN", "VIF"}


@pytest.mark.parametrize("dataset", ["roadscene", "msrs", "m3fd", "harvard"])
def test_published_figures(dataset):
    figures = published(dataset)
    assert list(figures) == ["EMMA", "CDDFuse", "SegMIF", "DDFM", "TarDAL", "LRRNet"]
    for row in figures.values():
        assert list(row) == ["EN", "SD", "SF", "AG", "SCD", "VIF"]
        assert all(float(figure) > 0 for figure in row.values())


def test_no_figures_are_published_of_other_images():
    assert published("street") == {}


def test_box_plots_are_whole_svg_and_show_every_method():
    values = {"base": {"EN": [1.0, 2.0, 3.0]}, "a & b": {"EN": []}}
    (drawing,) = box_plots(values, ["EN"], ["#aabbcc", "#ccbbaa"], "d")
    ElementTree.fromstring(drawing.replace("xlink:", ""))
    assert "a &amp; b" in drawing
    assert "currentColor" in drawing
    assert "#aabbcc" in drawing
    assert box_plots(values, ["EN"], ["#aabbcc", "#ccbbaa"], "d") == [drawing]
