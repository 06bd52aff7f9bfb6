"""Where results may go: asked in one place, for every verb and every engine."""

import os

import numpy as np
import pytest

from emma_fusion.demo import render_scene
from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.images.record import beside
from emma_fusion.jobs.image import Recipe
from emma_fusion.jobs.messages import Messages
from emma_fusion.jobs.request import ClusterOptions, FuseRequest
from emma_fusion.jobs.targets import Files, Targets, check_inputs, check_names

MINE = '{"mine": 1}'


@pytest.fixture
def folders(tmp_path):
    """Two folders with two pairs of a street, as TIFF."""
    infrared, visible = render_scene(48, 64)
    for name in ("1.tif", "2.tif"):
        write_image(tmp_path / "ir" / name, infrared)
        write_image(tmp_path / "vi" / name, visible)
    return tmp_path / "ir", tmp_path / "vi"


def link(kind, link, target):
    """A second name of a file or a symbolic one of a folder."""
    (os.symlink if kind == "symbolic" else os.link)(target, link)


# --- the record beside an image
@pytest.mark.parametrize("verb", ["fuse", "align"])
def test_a_file_in_place_of_a_record_stays(verb, emma, folders, tmp_path):
    pair = folders[0] / "1.tif", folders[1] / "1.tif"
    target = tmp_path / "x.tif"
    beside(target).write_text(MINE)
    code, said = emma(verb, *pair, "-o", target)
    assert code == 2
    assert "x.tif.json exists" in said
    assert beside(target).read_text() == MINE
    assert not target.exists()
    assert emma(verb, *pair, "-o", target, "--overwrite")[0] == 0
    assert beside(target).read_text() != MINE


@pytest.mark.parametrize("verb", ["fuse", "align"])
def test_in_a_folder_only_that_pair_fails(verb, emma, folders, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    beside(out / "1.tif").write_text(MINE)
    code, said = emma(verb, *folders, "-o", out)
    assert code == 1
    assert "1 of 2" in said
    assert "1.tif.json exists" in said
    assert beside(out / "1.tif").read_text() == MINE
    assert sorted(path.name for path in out.iterdir()) == ["1.tif.json", "2.tif", "2.tif.json"]


def test_frames_replace_no_such_file_and_nothing_is_begun(emma, folders, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    beside(out / "2.tif").write_text(MINE)
    code, said = emma("fuse", *folders, "-o", out, "--video")
    assert code == 2
    assert "2.tif.json exists" in said
    assert [path.name for path in out.iterdir()] == ["2.tif.json"]
    assert beside(out / "2.tif").read_text() == MINE
    assert emma("fuse", *folders, "-o", out, "--video", "--overwrite")[0] == 0


def test_a_record_that_is_an_input_is_never_replaced(folders):
    rig = folders[0] / "rig.tif.json"
    rig.write_text(MINE)
    with pytest.raises(UserError, match=r"rig.tif.json is one of the inputs"):
        Targets([rig], True).check(folders[0] / "rig.tif")


# --- inputs by another name
def planned_on_ray(folders, out):
    pytest.importorskip("fsspec", reason="the extra cluster is not installed")
    from emma_fusion.jobs.ray import plan

    cluster = ClusterOptions("ray")
    request = FuseRequest(*map(str, (*folders, out)), overwrite=True, cluster=cluster)
    return plan(Recipe.of(request), Messages())


@pytest.mark.parametrize("way", ["fuse", "align", "ray", "video"])
@pytest.mark.parametrize("side", [0, 1])
def test_an_output_that_leads_to_an_input_folder_is_refused(way, side, emma, folders, tmp_path):
    out = tmp_path / "out"
    link("symbolic", out, folders[side])
    before = [path.read_bytes() for path in sorted(folders[side].iterdir())]
    if way == "ray":
        with pytest.raises(UserError, match="one of the inputs"):
            planned_on_ray(folders, out)
    else:
        more = ["--video"] if way == "video" else []
        verb = "align" if way == "align" else "fuse"
        code, said = emma(verb, *folders, "-o", out, "--overwrite", *more)
        assert (code, "one of the inputs" in said) == (2, True)
    assert [path.read_bytes() for path in sorted(folders[side].iterdir())] == before


@pytest.mark.parametrize("way", ["fuse", "align", "ray", "video"])
@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_target_that_is_an_input_by_a_link_is_refused(way, kind, emma, folders, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    link(kind, out / "2.tif", folders[1] / "1.tif")  # of another pair than its own
    if way == "ray":
        with pytest.raises(UserError, match=r"2.tif is one of the inputs"):
            planned_on_ray(folders, out)
    else:
        more = ["--video"] if way == "video" else []
        verb = "align" if way == "align" else "fuse"
        code, said = emma(verb, *folders, "-o", out, "--overwrite", *more)
        assert (code, "2.tif is one of the inputs" in said) == (2, True)
    assert os.path.samefile(out / "2.tif", folders[1] / "1.tif")


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_single_target_that_is_an_input_by_a_link_is_refused(kind, emma, folders, tmp_path):
    link(kind, tmp_path / "f.tif", folders[0] / "1.tif")
    pair = folders[0] / "1.tif", folders[1] / "1.tif"
    for verb in ("fuse", "align"):
        code, said = emma(verb, *pair, "-o", tmp_path / "f.tif", "--overwrite")
        assert (code, "f.tif is one of the inputs" in said) == (2, True)


# --- the rest
def test_two_names_that_are_one_on_windows(tmp_path):
    check_names(["a.png", "b.png"])
    with pytest.raises(UserError, match=r"a.png and A.PNG would be the same file"):
        check_names(["a.png", "A.PNG"])
    jobs = [Files(tmp_path / n, tmp_path / n, tmp_path / "out" / n) for n in ("e.png", "E.png")]
    with pytest.raises(UserError, match="would be the same file"):
        Targets((), False).choose(jobs, Messages())


def test_two_names_that_are_one_on_windows_on_ray(folders, tmp_path):
    for name in ("a.png", "A.png"):
        for folder in folders:
            write_image(folder / name, np.zeros((4, 4), np.uint8))
    if len(list(folders[0].iterdir())) < 4:
        pytest.skip("this disk takes the two for one")
    with pytest.raises(UserError, match="would be the same file"):
        planned_on_ray(folders, tmp_path / "out")


def test_what_exists_and_what_does_not(tmp_path):
    target = tmp_path / "f.png"
    Targets((), False).check(target)
    target.write_text("mine")
    with pytest.raises(UserError, match="exists"):
        Targets((), False).check(target)
    Targets((), True).check(target)
    with pytest.raises(UserError, match="is a file"):
        Targets((), True).check_folder(target)
    with pytest.raises(UserError, match="does not exist"):
        check_inputs(target, tmp_path / "none.png")
    with pytest.raises(UserError, match="is a folder"):
        check_inputs(target, tmp_path)


def test_a_json_beside_a_file_that_has_its_record_inside_is_no_hindrance(tmp_path):
    for name in ("f.png", "f.mp4"):
        (tmp_path / f"{name}.json").write_text(MINE)
        Targets((), False).check(tmp_path / name)


def test_a_folder_within_an_input_is_a_place_for_results(emma, folders):
    assert emma("fuse", *folders, "-o", folders[1] / "fused")[0] == 0
    assert read_image(folders[1] / "fused" / "1.tif").shape == (48, 64, 3)
