"""The figures of README.md and docs/ are those of the cards and the reports."""

import pytest

import figures
from emma_fusion import models
from emma_fusion.networks.weights import load_fuser
from marked import get


@pytest.mark.parametrize(("page", "part"), figures.PARTS, ids=lambda x: getattr(x, "name", x))
def test_a_page_says_what_its_source_says(page, part):
    made = figures.PARTS[page, part]()
    assert get(page, part) == made, "run python benchmarks/figures.py"


@pytest.mark.parametrize("model", models.shipped())
def test_parameters_are_those_of_the_network(model):
    counted = sum(p.numel() for p in load_fuser(model).parameters())
    assert figures.parameters(model) == counted


def test_every_model_that_ships_is_in_the_table():
    made = figures.model_table("cards")
    assert all(f"[`{name}`](cards/{name}/README.md)" in made for name in models.shipped())


def test_a_table_is_read_without_its_marks():
    text = "| Method | EN ↑ |\n| --- | ---: |\n| a | **7.58** |\n| b | <ins>7.5</ins> |\n\nafter"
    assert figures.rows(text, "EN") == [
        {"Method": "a", "EN": "7.58"},
        {"Method": "b", "EN": "7.5"},
    ]
    with pytest.raises(ValueError, match="no table with the columns SD"):
        figures.rows(text, "SD")


def test_a_card_that_says_nothing_leaves_a_dash(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("# A card\n")
    monkeypatch.setattr(figures, "card", lambda model: tmp_path / "README.md")
    assert figures.terms("new") == figures.UNKNOWN
    assert figures.from_card("new", "scores", "this model") == {}


def test_data_that_may_not_be_used_commercially_is_marked(tmp_path, monkeypatch):
    card = "| data | pairs | terms |\n|---|---|---|\n| A, part | 3 | cite |\n"
    card += "| B (`b`) | 4 | x; non-commercial, cite |\n"
    (tmp_path / "README.md").write_text(card)
    monkeypatch.setattr(figures, "card", lambda model: tmp_path / "README.md")
    assert figures.terms("new") == "A, B (non-commercial)"
