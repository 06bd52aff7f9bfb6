import json

import numpy as np
import pytest

from emma_fusion.cli import main
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.values.colour import luminance
from videos import image, write_video


def emma(capsys, *arguments):
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return end.value.code or 0, said.out, said.err


@pytest.fixture
def two(tmp_path):
    i, v = tmp_path / "i.png", tmp_path / "v.png"
    write_image(i, np.tile(np.linspace(0, 255, 24).astype(np.uint8), (16, 1)))
    write_image(v, np.full((16, 24), 90, np.uint8))
    return i, v


def test_info_for_people_and_programs(two, capsys):
    code, out, err = emma(capsys, "info", *two)
    assert (code, err) == (0, "")
    assert "24x16" in out
    code, out, _ = emma(capsys, "info", *two, "--json")
    facts = json.loads(out)
    assert (facts["width"], facts["height"]) == (24, 16)
    assert facts["fused"] == {"dtype": "uint8", "colour": "none", "alpha": False}


def test_info_of_two_sizes(two, capsys, tmp_path):
    write_image(tmp_path / "other.png", np.zeros((9, 9), np.uint8))
    code, out, err = emma(capsys, "info", two[0], tmp_path / "other.png")
    assert (code, out) == (2, "")
    assert "of one size" in err


def test_info_of_videos(capsys, tmp_path):
    videos = tmp_path / "ir.mkv", tmp_path / "vis.mp4"
    counts = [np.full((32, 48), 7000, np.uint16)] * 4
    write_video(videos[0], counts, rate=10, codec="ffv1", pix_fmt="gray16le", options={})
    write_video(videos[1], [image(number, (32, 48)) for number in range(5)])
    code, out, _ = emma(capsys, "info", *videos)
    assert code == 0
    assert "48x32 pixels, uint16, 10.0 frames a second" in out
    facts = json.loads(emma(capsys, "info", *videos, "--json")[1])
    assert facts["visible"] | {"name": ""} == {
        "name": "",
        "width": 48,
        "height": 32,
        "dtype": "uint8",
        "rate": 25.0,
        "frames": 5,
        "seconds": 0.2,
    }
    write_video(videos[1], [image(0)])
    code, _, err = emma(capsys, "info", *videos)
    assert code == 2
    assert "of one size" in err


def test_models(capsys):
    assert "base" in emma(capsys, "models")[1]
    listed = json.loads(emma(capsys, "models", "--json")[1])
    base = next(entry for entry in listed if entry["name"] == "base")
    assert base["bytes"] > 1e6
    assert base["card"].strip() == emma(capsys, "models", "base")[1].strip()
    code, _, err = emma(capsys, "models", "nothing")
    assert code == 2
    assert "base" in err


def test_palette_gives_colour_and_keeps_the_luminance(two, capsys, tmp_path):
    plain, coloured = tmp_path / "plain.png", tmp_path / "coloured.png"
    assert emma(capsys, "fuse", *two, "-o", plain)[0] == 0
    assert emma(capsys, "fuse", *two, "-o", coloured, "--palette", "inferno")[0] == 0
    grey, rgb = read_image(plain), read_image(coloured)
    assert rgb.shape == (16, 24, 3)
    assert np.ptp(rgb.astype(int), axis=2).max() > 40
    assert np.abs(luminance(rgb.astype(np.float32)) - grey).max() <= 2


def test_palette_is_refused_with_the_paper_protocol(two, capsys, tmp_path):
    options = ["--palette", "inferno", "--protocol", "paper"]
    code, _, err = emma(capsys, "fuse", *two, "-o", tmp_path / "f.png", *options)
    assert code == 2
    assert "--palette" in err


def test_help_has_examples_and_exit_codes(capsys):
    out = emma(capsys, "--help")[1]
    assert "emma fuse ir.png vis.jpg -o fused.png" in out
    assert "Exit codes" in out
