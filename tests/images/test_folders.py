import re

import pytest

from emma_fusion.errors import UserError
from emma_fusion.images.folders import check_name, list_images, match_pairs, pair_stems


def fill(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_stems_match_whatever_the_suffix_and_the_order(tmp_path):
    a = fill(tmp_path / "a", "2.png", "1.png", "10.JPG", "only_a.png")
    b = fill(tmp_path / "b", "1.tif", "10.webp", "2.jpeg", "only_b.bmp")
    pairs, unmatched = match_pairs(a, b)
    assert [(stem, i.name, v.name) for stem, i, v in pairs] == [
        ("1", "1.png", "1.tif"),
        ("10", "10.JPG", "10.webp"),
        ("2", "2.png", "2.jpeg"),
    ]
    assert [path.name for path in unmatched] == ["only_a.png", "only_b.bmp"]


def test_a_shift_by_one_is_no_pair(tmp_path):
    a = fill(tmp_path / "a", "1.png", "2.png")
    b = fill(tmp_path / "b", "2.png", "3.png")
    assert [stem for stem, _, _ in match_pairs(a, b)[0]] == ["2"]


def test_what_is_no_image_is_left_out(tmp_path):
    folder = fill(tmp_path / "a", "1.png", "1.png.json", "notes.txt", ".2.png.1a2b.tmp", ".3.png")
    (folder / "4.png").mkdir()
    assert list(list_images(folder)) == ["1"]


def test_names_with_dots(tmp_path):
    a = fill(tmp_path / "a", "x.1.png", "x.2.png")
    b = fill(tmp_path / "b", "x.1.jpg", "x.2.jpg")
    assert [stem for stem, _, _ in match_pairs(a, b)[0]] == ["x.1", "x.2"]


def test_two_of_one_stem_are_named(tmp_path):
    folder = fill(tmp_path / "a", "1.png", "1.jpg")
    with pytest.raises(UserError, match=r"1\.jpg and 1\.png .* have the same stem"):
        list_images(folder)


def test_no_pairs(tmp_path):
    a = fill(tmp_path / "a", "1.png")
    b = fill(tmp_path / "b", "2.png", "3.png")
    with pytest.raises(UserError, match=r"has 1 images and .* has 2"):
        match_pairs(a, b)
    with pytest.raises(UserError, match="has 0 images"):
        match_pairs(fill(tmp_path / "empty"), b)


def test_a_missing_folder_and_a_file(tmp_path):
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "no"))):
        list_images(tmp_path / "no")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is not a folder"):
        list_images(tmp_path / "file")


def test_names_that_differ_as_disks_do_not_tell_apart(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    a = fill(tmp_path / "a", "IMG_1.JPG", f"{decomposed}.png", "x.png", "X.bmp")
    b = fill(tmp_path / "b", "img_1.png", f"{composed}.png", "x.jpg")
    pairs, unmatched = match_pairs(a, b)
    found = {i.name: v.name for _, i, v in pairs}
    # x is exact, so X stays alone
    assert found == {
        "IMG_1.JPG": "img_1.png",
        f"{decomposed}.png": f"{composed}.png",
        "x.png": "x.jpg",
    }
    assert [stem for stem, _, _ in pairs] == ["img_1", composed, "x"]
    assert sorted(path.name for path in unmatched) == ["X.bmp"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "a/b", "a\\b", "a:b", "a.", "a ", "nul", "Com1.x"]
)
def test_names_that_some_system_cannot_have(name):
    with pytest.raises(UserError, match="used for files"):
        check_name(name)


def test_names_that_all_systems_can_have():
    for name in ("street", "Straße 2", "v1.2+x", "console", "com"):
        check_name(name)


@pytest.mark.parametrize(
    ("first", "second", "which"),
    [
        (["a_1"], ["a_01", "a_001"], False),
        (["--match a_1"], ["--match a_01", "--match a_001"], False),
        (["IR_1", "IR_2"], ["DC_2", "DC_3"], True),
    ],
)
def test_the_way_out_is_advised_once_whatever_the_names_are(tmp_path, first, second, which):
    a, b = ({stem: tmp_path / f"{stem}.png" for stem in stems} for stems in (first, second))
    with pytest.raises(UserError) as told:
        pair_stems(a, b, "ir", "vi")
    assert str(told.value).count("say how the names go together") == (not which)
    assert str(told.value).count("Say which: --match") == which
