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
    assert figures.data("new") == figures.UNKNOWN
    assert figures.from_card("new", "scores", "this model") == {}


def test_data_by_their_names(tmp_path, monkeypatch):
    card = "| data | pairs | terms |\n|---|---|---|\n| A, part | 3 | cite |\n| B (`b`) | 4 | x |\n"
    card += "| A, another part | 5 | cite |\n"
    (tmp_path / "README.md").write_text(card)
    monkeypatch.setattr(figures, "card", lambda model: tmp_path / "README.md")
    assert figures.data("new") == "A, B"


def test_the_terms_are_those_that_the_program_tells():
    made = figures.rows(figures.model_table("cards"), "may be used for")
    told = [row["may be used for"] for row in made]
    assert all(models.licence(x).startswith(y) for x, y in zip(models.shipped(), told, strict=True))


def test_the_engine_counts_where_it_was_measured():
    assert figures.fastest({"torch fp32": "2", "engine fp32": "1"}, "fp32") == "engine fp32"
    assert figures.fastest({"torch fp32": "2"}, "fp32") == "torch fp32"
