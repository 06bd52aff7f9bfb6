"""emma align, calibrate, check, and emma fuse --align, on a drawn street."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from boards import drawn_pairs
from emma_fusion.align.geometry import shift
from emma_fusion.cli import main
from emma_fusion.demo import render_scene
from emma_fusion.errors import UserError
from emma_fusion.fuser import Fuser, fuse
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.images.record import read_record
from emma_fusion.scans.nifti import encode_nifti

SIZE = (120, 160)
MOVED = shift(9, -6)


@pytest.fixture(scope="module")
def street():
    infrared, visible = render_scene(*SIZE)
    moved = cv2.warpPerspective(
        infrared, MOVED, SIZE[::-1], flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    )
    return infrared, moved, visible


@pytest.fixture
def folders(street, tmp_path):
    """A registered pair, a displaced one, one that has nothing in common, a broken one."""
    infrared, moved, visible = street
    images = {"a": infrared, "b": moved, "c": np.full(SIZE, 7, np.uint8), "d": infrared}
    for name, image in images.items():
        write_image(tmp_path / "ir" / f"{name}.png", image)
        write_image(tmp_path / "vi" / f"{name}.png", visible)
    (tmp_path / "ir" / "d.png").write_bytes(b"broken")
    return tmp_path / "ir", tmp_path / "vi"


@pytest.fixture
def emma(capfd, monkeypatch):
    """Run a verb; networks say what the infrared says."""
    monkeypatch.setattr(Fuser, "fuse_luminance", lambda self, pair, *_: pair.infrared)

    def run(*words, code=0):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        said = capfd.readouterr()
        assert (end.value.code or 0) == code, said
        return said.out + said.err

    return run


def test_a_folder_is_aligned_and_goes_on(emma, folders, street, tmp_path):
    said = emma("align", *folders, "-o", tmp_path / "out", code=1)
    assert "Aligned 2 of 4" in said
    assert "Failed c: c.png could not be aligned with c.png: only" in said
    assert "Failed d: " in said
    assert np.array_equal(read_image(tmp_path / "out/a.png"), street[0])
    aligned = read_image(tmp_path / "out/b.png").astype(float)
    inside = np.s_[15:-15, 15:-15]
    before = np.abs(street[1].astype(float) - street[0])[inside].mean()
    assert np.abs(aligned - street[0])[inside].mean() < 0.3 * before
    assert aligned[-3:].max() == 0  # the displaced camera did not see the street's lowest rows
    record = read_record(tmp_path / "out/b.png")["alignment"]
    assert record["model"] == "translation"
    assert abs(record["visible_to_infrared"][0][2] + 9) < 1
    assert "Skipped 2" in emma("align", *folders, "-o", tmp_path / "out", code=1)


def test_files_are_not_replaced(emma, folders, tmp_path):
    pair = folders[0] / "b.png", folders[1] / "b.png"
    emma("align", *pair, "-o", tmp_path / "b.png", "--align", "translation")
    assert "exists" in emma("align", *pair, "-o", tmp_path / "b.png", code=2)
    emma("align", *pair, "-o", tmp_path / "b.png", "--overwrite")
    assert "one of the inputs" in emma("align", *pair, "-o", pair[0], "--overwrite", code=2)
    assert "does not exist" in emma("align", pair[0], "none.png", "-o", "x.png", code=2)
    assert "is a folder" in emma("align", pair[0], folders[1], "-o", "x.png", code=2)


@pytest.mark.slow
def test_check_ranks_pairs(emma, folders):
    said = emma("check", *folders, "--json", code=1)
    start = said.index("{")
    found, _ = json.JSONDecoder().raw_decode(said[start:])
    assert [pair["name"] for pair in found["pairs"]] == ["b", "a", "c"]
    assert [pair["sure"] for pair in found["pairs"]] == [True, True, False]
    assert abs(found["pairs"][0]["off_pixels"] - np.hypot(9, 6)) < 1
    assert found["pairs"][1]["off_pixels"] == 0
    table = emma("check", *folders, code=1)
    assert "cannot tell" in table
    assert "Failed d" in table


def test_a_rig_is_calibrated_once_and_used(emma, folders, street, tmp_path, model):
    for name in "ac":
        write_image(folders[0] / f"{name}.png", street[1])
    (folders[0] / "d.png").unlink()
    rig = tmp_path / "rig.json"
    said = emma("calibrate", *folders, "-o", rig, "--model", "translation")
    assert "3 pairs" in said
    assert "No partner" in said
    assert "exists" in emma("calibrate", *folders, "-o", rig, code=2)
    one = [tmp_path / "one" / side for side in ("ir", "vi")]
    for folder, image in zip(one, (street[1], street[0]), strict=True):
        folder.mkdir(parents=True)
        write_image(folder / "a.png", image)
    said = emma("calibrate", *one, "-o", tmp_path / "one.json")
    assert "from one pair alone: nothing tells how exact it is" in said
    assert "0.0 pixels" not in said
    facts = json.loads(rig.read_text())
    assert facts["pairs"] == 3
    assert facts["visible"] == {"height": 120, "width": 160}
    # an image of nothing is aligned by the rig too
    write_image(folders[0] / "c.png", np.full(SIZE, 7, np.uint8))
    words = ["fuse", *folders, "-o", tmp_path / "out", "--model", model, "--align", rig]
    assert "Fused 3 of 3" in emma(*words)
    record = read_record(tmp_path / "out/c.png")["infrared"]["alignment"]
    assert record["by"] == "rig.json"
    rig.write_text("{}")
    assert "not a calibration" in emma(*words, "--overwrite", code=2)


@pytest.mark.slow
def test_a_rig_is_calibrated_by_a_board(emma, tmp_path, model):
    for name, infrared, visible in drawn_pairs():
        write_image(tmp_path / "ir" / f"{name}.png", infrared)
        write_image(tmp_path / "vi" / f"{name}.png", visible)
    write_image(tmp_path / "ir/empty.png", infrared * 0)
    write_image(tmp_path / "vi/empty.png", visible)
    folders, rig = (tmp_path / "ir", tmp_path / "vi"), tmp_path / "rig.json"
    words = ["calibrate", *folders, "-o", rig, "--board", "7x5", "--square", "0.5"]
    said = emma(*words)
    assert "No board found in empty (infrared)" in said
    assert "6 boards" in said
    assert "right at a distance of 8" in said
    assert "The infrared lens: no distortion. The visible lens: k1." in said
    assert read_image(tmp_path / "rig.png").ndim == 3
    assert json.loads(rig.read_text())["lenses"]["visible"]["distortion"][0] < -0.2
    assert "rig.json exists" in emma(*words, code=2)
    pair = folders[0] / "b1.png", folders[1] / "b1.png"
    emma("fuse", *pair, "-o", tmp_path / "f.png", "--model", model, "--align", rig)
    record = read_record(tmp_path / "f.png")["infrared"]["alignment"]
    assert record["lenses"]["visible"]["distortion"][0] < -0.2
    assert "not a checkerboard" in emma(*words[:-4], "--board", "11", code=2)
    assert "add --board" in emma(*words[:-4], "--square", "2", code=2)
    assert "above 0" in emma(*words[:-1], "0", code=2)
    rig.unlink()
    assert "rig.png exists" in emma(*words, code=2)
    assert "9x9 inner corners" in emma(*words[:-4], "--overwrite", "--board", "9x9", code=2)


def test_fusing_aligns_and_leaves_the_visible_alone_outside(emma, folders, street, tmp_path, model):
    pair = folders[0] / "b.png", folders[1] / "b.png"
    words = ["fuse", *pair, "-o", tmp_path / "f.png", "--model", model]
    emma(*words, "--align", "auto", "--colour", "visible")
    fused = read_image(tmp_path / "f.png").astype(int)
    visible = street[2].astype(int)
    assert np.abs(fused - visible)[-4:].max() <= 1
    assert np.abs(fused - visible)[20:-20, 20:-20].mean() > 10
    record = read_record(tmp_path / "f.png")["infrared"]["alignment"]
    assert record["model"] == "translation"
    assert record["confidence"] > 0.3
    said = emma(*words, "--align", "best", "--overwrite", code=2)
    assert "There is no alignment 'best'" in said
    write_image(pair[0], street[1][:60])
    assert "--align auto" in emma(*words, "--overwrite", code=2)


def test_arrays_are_aligned_and_fused(street, model, monkeypatch):
    monkeypatch.setattr(Fuser, "fuse_luminance", lambda self, pair, *_: pair.infrared)
    _, moved, visible = street
    fused = fuse(moved, visible, model, colour="visible", align="auto")
    assert np.array_equal(fused, Fuser.from_pretrained(model)(moved, visible, align="auto"))
    assert np.abs(fused.astype(int) - visible)[-4:].max() <= 1
    with pytest.raises(UserError, match="There is no alignment 'best'"):
        fuse(moved, visible, model, align="best")
    with pytest.raises(UserError, match="--align auto"):
        fuse(moved[:60], visible, model)


def test_check_says_what_scans_are(emma, tmp_path):
    scan = tmp_path / "mr.nii.gz"
    scan.write_bytes(encode_nifti(scan, np.zeros((4, 4, 4), np.uint8), np.eye(4)))
    said = emma("check", scan, scan, code=2)
    assert "mr.nii.gz is a scan." in said
    assert "emma info" in said


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux")
def test_names_that_are_no_text_are_printed(street, tmp_path):
    """Standard output refuses what it cannot encode, in most of the world's settings."""
    for side, image in zip(("ir", "vis"), street[::2], strict=True):
        write_image(tmp_path / side / "x.png", image)
        os.rename(tmp_path / side / "x.png", os.fsencode(tmp_path / side) + b"/\xff.png")
    done = subprocess.run(
        [sys.executable, "-m", "emma_fusion", "check", tmp_path / "ir", tmp_path / "vis"],
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert b"\\udcff" in done.stdout
