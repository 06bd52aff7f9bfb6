"""Thermal cameras through the command line."""

import numpy as np
import pytest

from emma_fusion.cli import main
from emma_fusion.fuser import Fuser
from emma_fusion.images.raster import encode_pages, read_image, read_pages, write_image
from emma_fusion.images.record import read_record

RNG = np.random.default_rng(0)


@pytest.fixture
def emma(capfd, model, monkeypatch):
    """Run `emma fuse` with a network that says what the infrared says."""
    monkeypatch.setattr(Fuser, "fuse_luminance", lambda self, pair, *_: pair.infrared)

    def run(*arguments, code=0):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["fuse", *map(str, arguments), "--model", str(model)])
        said = capfd.readouterr().err
        assert (end.value.code or 0) == code, said
        return said

    return run


@pytest.fixture
def folders(tmp_path):
    """Three counts of one camera, the scene warmer from image to image."""
    for number in range(3):
        counts = RNG.integers(7000 + 500 * number, 8000 + 500 * number, (20, 24), np.uint16)
        write_image(tmp_path / f"ir/{number}.png", counts)
        write_image(tmp_path / f"vi/{number}.png", np.zeros((20, 24), np.uint8))
    return tmp_path / "ir", tmp_path / "vi"


def test_one_range_over_a_folder_makes_images_comparable(emma, folders, tmp_path):
    said = emma(
        *folders, "-o", tmp_path / "out", "--infrared-range", "folder:0:100", "--unit", "cK"
    )
    assert "range over the folder" in said
    counts = np.stack([read_image(folders[0] / f"{n}.png") for n in range(3)]).astype(float)
    low, high = counts.min(), counts.max()
    for number in range(3):
        record = read_record(tmp_path / f"out/{number}.png")["infrared"]
        assert record["rule"] == "folder:0:100"
        assert record["range"] == [low, high]
        assert record["unit"] == "cK"
        expected = np.rint((counts[number] - low) / (high - low) * 255)
        assert np.abs(read_image(tmp_path / f"out/{number}.png") - expected).max() <= 1
    # a run that goes on has the range of the whole folder, not of what is left
    (tmp_path / "out/2.png").unlink()
    emma(*folders, "-o", tmp_path / "out", "--infrared-range", "folder:0:100")
    assert read_record(tmp_path / "out/2.png")["infrared"]["range"] == [low, high]


def test_ranges_of_their_own_are_said_once(emma, folders, tmp_path):
    """By themselves the scenes look alike, though each is warmer than the one before."""
    said = emma(*folders, "-o", tmp_path / "out")
    assert said.count("so their brightness does not compare: --infrared-range folder") == 1
    ranges = [read_record(tmp_path / f"out/{n}.png")["infrared"]["range"] for n in range(3)]
    assert f"{ranges[0][0]:g} to {ranges[0][1]:g} and {ranges[1][0]:g}" in said
    assert len({tuple(r) for r in ranges}) == 3
    for rule in ("folder", "7000:9000", "full"):
        said = emma(*folders, "-o", tmp_path / rule[:3], "--infrared-range", rule)
        assert "does not compare" not in said


@pytest.mark.parametrize("side", ["infrared", "visible"])
def test_a_range_that_misses_all_values_is_said(emma, folders, tmp_path, side):
    """As degrees Celsius are given for a file that holds counts."""
    place = folders[side == "visible"]
    counts = RNG.integers(29420, 30181, (20, 24), np.uint16)
    counts[0, :2] = 29420, 30180
    write_image(place / "0.png", counts)
    two = [folder / "0.png" for folder in folders]
    said = emma(*two, "-o", tmp_path / "a.png", f"--{side}-range", "15:40")
    assert "0.png has no value between 15 and 40: its values run from 29420 to 30180" in said
    assert f"--{side}-range takes values in the file's own units" in said
    assert read_record(tmp_path / "a.png")["notes"]
    for rule in ("30000:40000", "29420:29430", "100:30000"):
        said = emma(*two, "-o", tmp_path / "a.png", "--overwrite", f"--{side}-range", rule)
        assert "has no value" not in said


def test_one_visible_range_over_a_folder(emma, tmp_path):
    """Of a camera of 12 bits in 16, whose dark image would be taken for one of 10 bits."""
    images = [RNG.integers(0, top, (20, 24), np.uint16) for top in (1000, 4000)]
    for number, image in enumerate(images):
        write_image(tmp_path / f"ir/{number}.png", np.zeros((20, 24), np.uint8))
        write_image(tmp_path / f"vi/{number}.png", image)
    two = tmp_path / "ir", tmp_path / "vi"
    emma(*two, "-o", tmp_path / "own")
    assert read_record(tmp_path / "own/0.png")["visible"]["range"] == [0, 1023]
    said = emma(*two, "-o", tmp_path / "out", "--visible-range", "folder")
    assert "all of them are read by the same rule: --visible-range '12 bits'" in said
    for number in range(2):
        record = read_record(tmp_path / f"out/{number}.png")["visible"]
        assert (record["range"], record["rule"]) == ([0, 4095], "12 bits, folder")
    # of 8 bit, or of both, each image has its own
    write_image(tmp_path / "vi/1.png", (images[1] // 16).astype(np.uint8))
    emma(*two, "-o", tmp_path / "mixed", "--visible-range", "folder")
    ranges = [read_record(tmp_path / f"mixed/{n}.png")["visible"]["range"] for n in (0, 1)]
    assert ranges == [[0, 1023], [0, 255]]
    said = emma(
        *(place / "0.png" for place in two), "-o", tmp_path / "f.png", "--visible-range", "folder",
        code=2,
    )  # fmt: skip
    assert "is for two folders" in said


def test_a_broken_image_does_not_stop_the_range(emma, folders, tmp_path):
    (folders[0] / "1.png").write_bytes(b"broken")
    said = emma(*folders, "-o", tmp_path / "out", "--infrared-range", "folder", code=1)
    assert "Fused 2 of 3" in said
    two = folders[0] / "0.png", folders[1] / "0.png"
    refused = emma(*two, "-o", tmp_path / "f.png", "--infrared-range", "folder", code=2)
    assert "two folders" in refused
    assert "not understood" in emma(
        *folders, "-o", tmp_path / "x", "--infrared-range", "folder:9:1", code=2
    )


def test_dead_pixels_are_mended_when_asked(emma, tmp_path):
    counts = RNG.integers(8000, 8010, (20, 24), np.uint16)
    counts[4, 5] = 0
    write_image(tmp_path / "i.png", counts)
    write_image(tmp_path / "v.png", np.zeros((20, 24), np.uint8))
    pair = tmp_path / "i.png", tmp_path / "v.png"
    options = ["--infrared-range", "7900:8100"]
    emma(*pair, "-o", tmp_path / "a.png", *options)
    emma(*pair, "-o", tmp_path / "b.png", *options, "--mend", "dead-pixels")
    assert read_image(tmp_path / "a.png")[4, 5] == 0
    assert 120 < read_image(tmp_path / "b.png")[4, 5] < 145
    assert read_record(tmp_path / "b.png")["infrared"]["dead_pixels"] == 1
    assert "mended" not in read_record(tmp_path / "a.png")["infrared"]


def test_pages_are_fused_with_one_range(emma, tmp_path):
    counts = [RNG.integers(7000 + 300 * n, 7400 + 300 * n, (20, 24), np.uint16) for n in range(3)]
    (tmp_path / "i.tif").write_bytes(encode_pages(counts))
    (tmp_path / "v.tif").write_bytes(encode_pages([np.zeros((20, 24), np.uint8)] * 3))
    pair = tmp_path / "i.tif", tmp_path / "v.tif"
    emma(*pair, "-o", tmp_path / "f.tif", "--infrared-range", "percentile:0:100")
    low, high = np.min(counts), np.max(counts)
    fused = np.stack(read_pages(tmp_path / "f.tif")).astype(float)
    expected = np.rint((np.stack(counts).astype(float) - low) / (high - low) * 255)
    assert np.abs(fused - expected).max() <= 1
    record = read_record(tmp_path / "f.tif")
    assert (record["pages"], record["infrared"]["rule"]) == (3, "pages:0:100")
    emma(*[tmp_path / "v.tif"] * 2, "-o", tmp_path / "grey.tif")
    assert read_record(tmp_path / "grey.tif")["contrast"] == "none"  # pages are to compare
    assert "exists" in emma(*pair, "-o", tmp_path / "f.tif", code=2)
    assert ".tif" in emma(*pair, "-o", tmp_path / "f.png", code=2)
    (tmp_path / "v.tif").write_bytes(encode_pages([np.zeros((20, 24), np.uint8)] * 2))
    assert "3 pages" in emma(*pair, "-o", tmp_path / "g.tif", code=2)
    assert not (tmp_path / "g.tif").exists()
