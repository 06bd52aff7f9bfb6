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
    assert "exists" in emma(*pair, "-o", tmp_path / "f.tif", code=2)
    assert ".tif" in emma(*pair, "-o", tmp_path / "f.png", code=2)
    (tmp_path / "v.tif").write_bytes(encode_pages([np.zeros((20, 24), np.uint8)] * 2))
    assert "3 pages" in emma(*pair, "-o", tmp_path / "g.tif", code=2)
    assert not (tmp_path / "g.tif").exists()
