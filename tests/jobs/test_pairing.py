"""Two folders whose names differ, walked folders, and what is said of them."""

import numpy as np
import pytest

from emma_fusion.demo import render_scene
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.images.record import read_record


def save(folder, **images):
    """Images by their names; underscores stand for themselves."""
    for name, image in images.items():
        write_image(folder / f"{name}.png", image)
    return folder


@pytest.fixture
def street():
    return render_scene(48, 64)


def tone(value):
    return np.full((48, 64), value, np.uint8)


def test_marked_names_are_fused_and_shown(emma, street, tmp_path):
    ir = save(tmp_path / "ir", D_1_T=tone(50), D_2_T=tone(90))
    vi = save(tmp_path / "vi", D_1_W=street[1], D_2_W=street[1], D_9_W=street[1])
    code, said = emma("fuse", ir, vi, "-o", tmp_path / "out", "--colour", "none")
    assert code == 0
    assert "D_1_T.png with D_1_W.png, D_2_T.png with D_2_W.png" in said
    assert f"No partner for {vi / 'D_9_W.png'}" in said
    # the right one: each fused image says what its infrared image says
    for number, value in ((1, 50), (2, 90)):
        assert (read_image(tmp_path / f"out/D_{number}_W.png") == value).all()


def test_one_folder_of_both_cameras_has_a_range_of_the_infrared_alone(emma, street, tmp_path):
    both = save(tmp_path / "dcim", D_1_T=tone(50), D_2_T=tone(90), D_1_W=street[1], D_2_W=street[1])
    code, said = emma(
        "fuse", both, both, "-o", tmp_path / "out", "--infrared-range", "folder:0:100"
    )
    assert code == 0
    assert "Infrared range over the folder: 50 to 90" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["D_1_W.png", "D_2_W.png"]


def test_a_pattern(emma, street, tmp_path):
    ir = save(tmp_path / "ir", IR_90=tone(50), IR_92=tone(90))
    vi = save(tmp_path / "vi", DC_91=street[1], DC_93=street[1])
    code, said = emma("fuse", ir, vi, "-o", tmp_path / "out")
    assert code == 2
    assert "--match" in said
    code, said = emma(
        *("fuse", ir, vi, "-o", tmp_path / "out", "--match", "IR_{n}=DC_{n+1}", "--colour", "none")
    )
    assert code == 0
    assert (read_image(tmp_path / "out/DC_93.png") == 90).all()
    assert read_record(tmp_path / "out/DC_93.png")["infrared"]["name"] == "IR_92.png"


def test_two_that_could_be_the_partner(emma, street, tmp_path):
    ir = save(tmp_path / "ir", D_1_T=tone(50))
    vi = save(tmp_path / "vi", D_1_W=street[1], D_1_Z=street[1])
    code, said = emma("fuse", ir, vi, "-o", tmp_path / "out")
    assert code == 2
    assert "D_1_T could go with D_1_W, D_1_Z" in said
    assert not (tmp_path / "out").exists()
    assert emma("fuse", ir, vi, "-o", tmp_path / "out", "--match", "*_T=*_Z")[0] == 0


def test_folders_in_folders(emma, street, tmp_path):
    ir = save(tmp_path / "ir", **{"1": tone(50)})
    vi = save(tmp_path / "vi", **{"1": street[1]})
    save(ir / "night", **{"1": tone(90)})
    save(vi / "night", **{"1": street[1]})
    out = tmp_path / "out"
    code, said = emma("fuse", ir, vi, "-o", out, "--colour", "none")
    assert code == 0
    assert "such as night: 1 image is left out" in said
    assert not (out / "night").exists()
    code, said = emma("fuse", ir, vi, "-o", out, "--recursive", "--colour", "none")
    assert (code, "Skipped 1" in said) == (0, True)
    assert (read_image(out / "1.png") == 50).all()
    assert (read_image(out / "night/1.png") == 90).all()
    assert emma("align", ir, vi, "-o", tmp_path / "aligned", "--recursive")[0] == 1  # flat images
    code, said = emma("fuse", ir, vi, "-o", ir / "fused", "--recursive")
    assert code == 2
    assert "lies within one of the inputs" in said
    assert not (ir / "fused").exists()


def test_names_that_differ_in_their_folder_alone_are_two(emma, street, tmp_path):
    for side, image in (("ir", tone(50)), ("vi", street[1])):
        save(tmp_path / side / "day", a=image)
        save(tmp_path / side / "night", A=image)
    pair = tmp_path / "ir", tmp_path / "vi"
    assert emma("fuse", *pair, "-o", tmp_path / "out", "--recursive")[0] == 0
    assert (tmp_path / "out/night/A.png").exists()


@pytest.mark.parametrize("verb", ["fuse", "align", "check"])
def test_two_files_need_no_names(emma, street, tmp_path, verb):
    save(tmp_path, i=tone(50), v=street[1])
    out = [] if verb == "check" else ["-o", tmp_path / "x.png"]
    code, said = emma(verb, tmp_path / "i.png", tmp_path / "v.png", *out, "--match", "*=*")
    assert code == 2
    assert "--match and --recursive are for two folders" in said


def test_check_shows_names_with_brackets(emma, street, tmp_path):
    for side, image in (("ir", street[0]), ("vi", street[1])):
        save(tmp_path / side, **{"a[red]b": image, "[bold]": image})
    code, said = emma("check", tmp_path / "ir", tmp_path / "vi")
    assert code == 0
    assert "a[red]b" in said
    assert "[bold]" in said
