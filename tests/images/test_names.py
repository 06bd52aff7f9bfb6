"""Which names belong together."""

import re

import pytest

from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images, match_pairs, pair_folders
from emma_fusion.images.names import match_names, split_mark


def fill(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("DJI_0001_T", "DJI_0001_W"),
        ("DJI_20260102_0001_T", "DJI_20260102_0001_V"),
        ("DJI_0001_T", "DJI_0001_Z"),
        ("001_ir", "001_vi"),
        ("IR1", "VIS1"),
        ("IR_7", "DC_7"),
        ("IR_0007", "dc_7"),
        ("1", "0001"),
        ("img1", "IMG_0001".replace("_", "")),
        ("FLIR_00012_PreviewData", "FLIR_00012_RGB"),
        ("set00_V000_lwir_I0001", "set00_V000_visible_I0001"),
        ("00001i", "00001v"),
        ("thermal-12", "rgb-12"),
        ("PET_040", "MRI_040"),
        ("12ir", "12vis"),
        ("ir", "vi"),
        ("001_ir", "001"),
        ("001", "001_vis"),
        ("night/1_ir", "night/1_vi"),
        ("ir/1", "vi/1"),
    ],
)
def test_names_that_differ_in_the_cameras_mark_or_in_zeros(first, second):
    others = ["other_9", "another_8"]
    found = match_names([first, others[0]], [others[1], second])
    assert found.pairs == [(first, second)]
    assert found.how != ["name"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("scene_t", "scene_w"),  # letters, but of no number
        ("circle1", "virtual1"),  # marks only as whole words
        ("1", "10"),
        ("1_ir", "2_vi"),
        ("1_vi", "1_ir"),  # the other way round
        ("1_ir", "1_thermal_x"),
        ("", "1"),
    ],
)
def test_names_that_are_no_pair(first, second):
    # an equal pair beside them, so that two lists are never as a whole the wrong way round
    found = match_names([first, "same"], [second, "same"])
    assert found.pairs == [("same", "same")]


def test_a_nearer_name_comes_first():
    found = match_names(["1", "01", "1_ir"], ["1_vi", "1", "001"])
    assert found.pairs == [("1", "1"), ("01", "001"), ("1_ir", "1_vi")]
    assert found.how == ["name", "number", "mark"]


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (["DJI_0001_T"], ["DJI_0001_W", "DJI_0001_Z"], "DJI_0001_T could go with DJI_0001_W, DJI_"),
        (["1"], ["01", "001"], "1 could go with 01, 001"),
        (["two"], ["Two", "TWO"], "two could go with Two, TWO"),
        (["1_ir", "1-ir"], ["1_vi"], "1_ir, 1-ir could go with 1_vi"),
    ],
)
def test_what_could_go_with_several_is_refused(first, second, sentence):
    with pytest.raises(UserError, match=sentence):
        match_names([*first, "same"], [*second, "same"])


def test_running_numbers_that_agree_one_step_further_are_refused():
    first, second = ["IR_0001", "IR_0002", "IR_0003"], ["DC_0002", "DC_0003", "DC_0004"]
    with pytest.raises(UserError, match="IR_0001 goes with DC_0002") as told:
        match_names(first, second)
    by_step, by_number = re.findall("--match '(.*?)'", str(told.value))
    assert match_names(first, second, by_step).pairs == list(zip(first, second, strict=True))
    assert match_names(first, second, by_number).pairs == list(
        zip(first[1:], second[:-1], strict=True)
    )
    with pytest.raises(UserError, match=r"--match 'IR_\{n\}=DC_\{n-1\}'"):
        match_names(["IR_5", "IR_6"], ["DC_4", "DC_5"])


def test_running_numbers_of_which_some_are_missing_are_pairs():
    assert match_names(["IR_1", "IR_2", "IR_4"], ["DC_2", "DC_3", "DC_4"]).pairs == [
        ("IR_2", "DC_2"),
        ("IR_4", "DC_4"),
    ]
    assert match_names(["1", "2"], ["2", "3"]).pairs == [("2", "2")]


def test_swapped_folders_are_refused():
    with pytest.raises(UserError, match="swapped"):
        match_names(["1_vi", "2_vi"], ["1_ir", "2_ir"])
    # what was named after the visible image is not swapped
    assert match_names(["1_vi"], ["1_vi"]).pairs == [("1_vi", "1_vi")]


def test_a_folder_that_holds_the_images_of_both_cameras():
    both = ["D_0001_T", "D_0001_W", "D_0002_T", "D_0002_W", "D_0003_W"]
    found = match_names(both, both)
    # D_0003_W has no infrared twin, so that nothing says it is not one
    assert ("D_0001_T", "D_0001_W") in found.pairs
    assert ("D_0002_T", "D_0002_W") in found.pairs
    assert found.left_out_of_first == ["D_0001_W", "D_0002_W"]
    assert found.left_out_of_second == ["D_0001_T", "D_0002_T"]


def test_names_of_letters_are_not_taken_for_marks():
    letters = [f"scene_{letter}" for letter in "rstuvwxyz"]
    assert match_names(letters, letters).pairs == [(name, name) for name in letters]


@pytest.mark.parametrize(
    ("pattern", "first", "second", "pairs"),
    [
        ("IR_{n}=DC_{n+1}", ["IR_12390", "IR_12392"], ["DC_12391"], [("IR_12390", "DC_12391")]),
        ("a{n-1}=b{n}", ["a0001", "a2"], ["b2", "b3"], [("a0001", "b2"), ("a2", "b3")]),
        ("*_T=*_W", ["D_1_T", "D_1_W"], ["D_1_W", "D_1_Z"], [("D_1_T", "D_1_W")]),
        ("*_{n}_T=*_{n}_W", ["x_7_T"], ["y_7_W", "x_007_W"], [("x_7_T", "x_007_W")]),
        ("*{n}a=*{n}b", ["x12a"], ["x12b"], [("x12a", "x12b")]),
        ("ir_*=VIS_*", ["IR_q"], ["vis_Q"], [("IR_q", "vis_Q")]),
        ("x.{n}=y[{n}]", ["x.1", "xa1"], ["y[1]"], [("x.1", "y[1]")]),
        ("*/ir_{n}=*/vi_{n}", ["night/ir_1"], ["night/vi_1"], [("night/ir_1", "night/vi_1")]),
    ],
)
def test_patterns(pattern, first, second, pairs):
    assert match_names(first, second, pattern).pairs == pairs


@pytest.mark.parametrize(
    "pattern",
    ["", "=", "a", "a=", "a=b=c", "*=x", "{n}=x", "{m}=x{m}", "{n}{n}={n}{n}", "****=****", "{n=*"],
)
def test_patterns_that_are_not_understood(pattern):
    with pytest.raises(UserError, match="pattern"):
        match_names(["a"], ["b"], pattern)


def test_a_pattern_that_leaves_a_choice_is_refused():
    with pytest.raises(UserError, match="a1 could go with b1, b01"):
        match_names(["a1"], ["b1", "b01"], "a{n}=b{n}")


def test_splitting_a_mark():
    assert split_mark("DJI_0001_W") == ("dji_0001", "second")
    assert split_mark("IR1") == ("1", "first")
    assert split_mark("street") == ("street", None)


def test_what_was_paired_is_said(tmp_path):
    a = fill(tmp_path / "a", *(f"{n:04}_T.JPG" for n in range(5)), "9.png")
    b = fill(tmp_path / "b", *(f"{n:04}_W.JPG" for n in range(5)), "9.jpg", "8.jpg")
    found = pair_folders(a, b)
    assert [(i.name, v.name) for _, i, v in found.pairs][-1] == ("9.png", "9.jpg")
    assert found.pairs[0][0] == "0000_W"
    assert [path.name for path in found.unmatched] == ["8.jpg"]
    (note,) = found.notes
    assert "0000_T.JPG with 0000_W.JPG" in note
    assert "and 2 more. If that is wrong, " in note


def test_no_note_where_names_are_the_same(tmp_path):
    a, b = fill(tmp_path / "a", "1.png"), fill(tmp_path / "b", "1.jpg")
    assert pair_folders(a, b).notes == []


def test_images_in_folders_are_mentioned_or_walked(tmp_path):
    a = fill(tmp_path / "a", "1.png")
    b = fill(tmp_path / "b", "1.png")
    for side in (a, b):
        fill(side / "night" / "late", "2.png")
        fill(side / ".hidden", "3.png")
        fill(side / "empty", "notes.txt")
    found = pair_folders(a, b)
    assert [stem for stem, _, _ in found.pairs] == ["1"]
    assert len(found.notes) == 2
    assert "such as night/late: 1 image is left out" in found.notes[0]
    walked = pair_folders(a, b, recursive=True)
    assert [stem for stem, _, _ in walked.pairs] == ["1", "night/late/2"]
    assert walked.notes == []
    assert list(list_images(a)) == ["1"]


def test_no_pairs_but_in_folders(tmp_path):
    a, b = fill(tmp_path / "a"), fill(tmp_path / "b", "1.png")
    fill(a / "day", "1.png")
    with pytest.raises(UserError, match=r"has 0 images and .*such as day: .*--recursive"):
        pair_folders(a, b)


def test_a_link_to_a_folder_above_is_not_walked(tmp_path):
    a = fill(tmp_path / "a", "1.png")
    (a / "again").symlink_to(a, target_is_directory=True)
    assert list(list_images(a, recursive=True)) == ["1"]


def test_one_folder_with_both_cameras(tmp_path):
    folder = fill(tmp_path / "dcim", "D_1_T.JPG", "D_1_W.JPG", "D_2_T.JPG", "D_2_W.JPG", "x.JPG")
    found = pair_folders(folder, folder)
    assert [(i.name, v.name) for _, i, v in found.pairs] == [
        ("D_1_T.JPG", "D_1_W.JPG"),
        ("D_2_T.JPG", "D_2_W.JPG"),
    ]
    assert [path.name for path in found.unmatched] == ["x.JPG"]
    assert len(found.notes) == 1  # which pairs; nothing was left out


def test_one_folder_whose_names_do_not_tell(tmp_path):
    folder = fill(tmp_path / "dcim", "1.png", "2.png")
    with pytest.raises(UserError, match="given as both folders"):
        pair_folders(folder, folder)


def test_what_is_left_out_by_its_mark_is_said(tmp_path):
    a = fill(tmp_path / "a", "1_T.jpg", "1_W.jpg")
    b = fill(tmp_path / "b", "1_W.jpg")
    found = pair_folders(a, b)
    assert [(i.name, v.name) for _, i, v in found.pairs] == [("1_T.jpg", "1_W.jpg")]
    assert "1 images that are visible by their names, such as 1_W.jpg" in found.notes[1]


def test_no_pairs_shows_a_name_of_each_and_the_option(tmp_path):
    a, b = fill(tmp_path / "a", "IR_90.jpg"), fill(tmp_path / "b", "DC_91.jpg")
    with pytest.raises(UserError, match=r"is IR_90, one of the second DC_91.*--match"):
        pair_folders(a, b)
    assert len(pair_folders(a, b, pattern="IR_{n}=DC_{n+1}").pairs) == 1


@pytest.fixture
def cases(data):
    folder = data.parent / "cases" / "names"
    if not folder.is_dir():
        pytest.skip("the folder of cases is not here")
    return folder


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("dji", [("DJI_0001_T", "DJI_0001_W"), ("DJI_0003_T", "DJI_0003_W")]),
        ("suffix", [("001_ir", "001_vi"), ("002_ir", "002_vi")]),
        ("submix", [("1", "1")]),
    ],
)
def test_cases(cases, case, names):
    found = pair_folders(cases / case / "ir", cases / case / "vi")
    assert [(i.stem, v.stem) for _, i, v in found.pairs] == names
    assert found.notes
    assert match_pairs(cases / case / "ir", cases / case / "vi")[0] == found.pairs


def test_the_case_with_a_subfolder_walked(cases):
    found = pair_folders(cases / "submix" / "ir", cases / "submix" / "vi", recursive=True)
    assert [stem for stem, _, _ in found.pairs] == ["1", "night/2"]


def test_a_cameras_own_names(data):
    folder = data / "registration" / "false_colour"
    found = pair_folders(folder, folder, pattern="IR_{n}=DC_{n+1}")
    assert len(found.pairs) == 6
    assert next((i.name, v.name) for _, i, v in found.pairs) == ("IR_12390.jpg", "DC_12391.jpg")
