"""Finding datasets: two folders, known layouts, and what is said where they are not."""

import numpy as np
import pytest

from emma_fusion.bench import LAYOUTS, open_dataset
from emma_fusion.errors import UserError
from small_datasets import write

GREY = np.zeros((8, 8), np.uint8)


def test_two_folders(pairs, folders):
    dataset = open_dataset(pairs)
    assert dataset.name == "street"
    assert list(dataset.pairs) == list("abcd")
    assert dataset.pairs["a"] == (folders / "ir" / "a.png", folders / "vi" / "a.png")
    assert dataset.warnings == ()


def test_two_folders_whose_names_differ(pairs, folders):
    for path in (folders / "ir").iterdir():
        path.rename(path.with_name(f"north-{path.name}"))
    dataset = open_dataset(pairs, match="north-*=*")
    assert list(dataset.pairs) == list("abcd")
    assert dataset.pairs["a"] == (folders / "ir" / "north-a.png", folders / "vi" / "a.png")


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_published_layout_is_found_whatever_its_case(tmp_path, name):
    layout = LAYOUTS[name]
    for number, home in enumerate(layout.homes):
        for places in layout.places:
            root = tmp_path / f"{number}{places[0].replace('/', '')}{places[1].replace('/', '')}"
            for place in places:
                write(root / home.upper() / place.title() / "1.png", GREY)
            assert list(open_dataset(name, root).pairs) == ["1"]


def test_the_test_split_comes_before_the_whole(tmp_path):
    for place in ("ir", "vi"):
        write(tmp_path / "MSRS" / place / "any.png", GREY)
        write(tmp_path / "MSRS" / "test" / place / "tested.png", GREY)
    assert list(open_dataset("msrs", tmp_path).pairs) == ["tested"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_absent_dataset_says_what_to_put_where(tmp_path, name):
    with pytest.raises(UserError) as error:
        open_dataset(name, tmp_path)
    said = str(error.value)
    assert LAYOUTS[name].title in said
    assert "https://" in said
    assert str(tmp_path / LAYOUTS[name].homes[0]) in said


def test_a_number_of_pairs_that_is_not_the_usual_one_is_said(tmp_path):
    for place in ("ir", "vi"):
        write(tmp_path / "msrs" / "test" / place / "1.png", GREY)
    (warning,) = open_dataset("msrs", tmp_path).warnings
    assert "1 pairs" in warning
    assert "361" in warning


def test_images_without_a_partner_are_named(pairs, folders):
    (folders / "vi" / "c.png").unlink()
    dataset = open_dataset(pairs)
    assert list(dataset.pairs) == list("abd")
    assert "c.png" in dataset.warnings[0]


def test_pairs_whose_names_differ_are_told(pairs, folders):
    (folders / "vi" / "c.png").rename(folders / "vi" / "c_vis.png")
    (warning,) = open_dataset(pairs).warnings
    assert "Paired, though the names differ: c.png with c_vis.png" in warning


def test_the_first_pairs_only(pairs):
    dataset = open_dataset(pairs).first(3)
    assert list(dataset.pairs) == list("abc")
    assert dataset.stems == set("abcd")
    assert "first 3 of 4" in dataset.warnings[0]
    assert open_dataset(pairs).first(9) == open_dataset(pairs)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("nowhere", "roadscene"),
        ("street=ir", "NAME=INFRARED,VISIBLE"),
        ("../up=ir,vi", "letters"),
        ("roadscene", "--root"),
        ("street=nowhere,nowhere", "does not exist"),
    ],
)
def test_bad_datasets_are_a_sentence(text, word):
    with pytest.raises(UserError, match=word):
        open_dataset(text)


def test_the_shared_data(data):
    dataset = open_dataset("roadscene", data)
    assert len(dataset.pairs) == 50
    assert dataset.warnings == ()
    assert open_dataset("harvard-ct", data).labels == ("CT", "MRI")
    assert len(open_dataset("harvard-spect", data).pairs) > 0
