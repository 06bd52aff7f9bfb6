"""emma sense: what it writes, what it skips, what it says of bad input, and its scores."""

import json

import numpy as np
import pytest
import torch

from emma_fusion import Sensor, models
from emma_fusion.cli import main
from emma_fusion.experiments.sensing import score_sensing
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.images.record import read_record
from emma_fusion.networks.sensing import SensingUNet
from emma_fusion.networks.weights import save_weights

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "small"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_weights(SensingUNet(2), folder / models.SENSING_INFRARED)
        save_weights(SensingUNet(2), folder / models.SENSING_VISIBLE)
    return folder


@pytest.fixture
def emma(capfd, model):
    """Run `emma sense`: (exit code, stdout, stderr)."""

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["sense", *map(str, arguments), "--model", str(model)])
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return (end.value.code or 0, *said)

    return run


@pytest.fixture
def refused(emma):
    """Run `emma sense` with bad input: exit code 2 and one sentence, which is returned."""

    def run(*arguments):
        code, out, err = emma(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("emma: ")
        assert err.count("\n") == 1
        return err

    return run


def image(path, shape=(20, 30), dtype=np.uint8):
    write_image(path, RNG.integers(0, np.iinfo(dtype).max, shape, dtype))
    return path


@pytest.fixture
def folder(tmp_path):
    """Fused images of three kinds, and pairs that two of them were made of."""
    image(tmp_path / "fused" / "a.png")
    image(tmp_path / "fused" / "b.jpg", (21, 30, 3))
    image(tmp_path / "fused" / "c.tif", dtype=np.uint16)
    for side, channels in (("ir", ()), ("vi", (3,))):
        image(tmp_path / side / "a.png", (20, 30, *channels))
        image(tmp_path / side / "b.png", (21, 30, *channels))
        image(tmp_path / side / "d.png")
    return tmp_path


def test_a_file(emma, folder, model):
    code, out, err = emma(folder / "fused" / "b.jpg", "-o", folder / "out")
    assert (code, out) == (0, "")
    assert "Sensed 1 of 1" in err
    expected = Sensor.from_pretrained(model)(read_image(folder / "fused" / "b.jpg"))
    for side, wanted in zip(("infrared", "visible"), expected, strict=True):
        path = folder / "out" / side / "b.png"
        np.testing.assert_array_equal(read_image(path), wanted)
        record = read_record(path)
        assert (record["sensed"], record["of"], record["model"]) == (side, "b.jpg", "small")
    assert not np.array_equal(*expected)


def test_a_folder_goes_on_past_a_bad_file_and_skips_what_is_there(emma, folder):
    (folder / "fused" / "b.jpg").write_bytes(b"\xff\xd8 no more")
    code, _, err = emma(folder / "fused", "-o", folder / "out")
    assert code == 1
    assert "Sensed 2 of 3" in err
    assert "Failed b: " in err
    code, _, err = emma(folder / "fused" / "b.jpg", "-o", folder / "alone")
    assert code == 2
    assert "Failed b: " in err
    assert sorted(p.name for p in (folder / "out" / "visible").iterdir()) == ["a.png", "c.png"]
    assert read_image(folder / "out" / "infrared" / "c.png").dtype == np.uint16
    image(folder / "fused" / "b.jpg")
    marked = folder / "out" / "infrared" / "a.png"
    write_image(marked, np.zeros((5, 5), np.uint8))
    code, _, err = emma(folder / "fused", "-o", folder / "out")
    assert code == 0
    assert "Skipped 2 that exist" in err
    assert read_image(marked).shape == (5, 5)
    assert emma(folder / "fused", "-o", folder / "out", "--overwrite")[0] == 0
    assert read_image(marked).shape == (20, 30)


def test_one_of_the_two_is_not_enough_to_skip(emma, folder):
    emma(folder / "fused", "-o", folder / "out")
    (folder / "out" / "visible" / "a.png").unlink()
    assert "Sensed 1 of 1" in emma(folder / "fused", "-o", folder / "out")[2]


def test_scores_of_what_was_written(emma, folder):
    sources = ("--sources", folder / "ir", folder / "vi")
    code, out, err = emma(folder / "fused", "-o", folder / "out", *sources, "--json")
    assert code == 0
    assert "Not scored, because its two sources are missing" in err
    assert "c.tif" in err
    report = json.loads(out)
    assert report["count"] == 2
    sensed = [read_image(folder / "out" / side / "a.png") for side in ("infrared", "visible")]
    fused, infrared = (read_image(folder / name / "a.png") for name in ("fused", "ir"))
    found = score_sensing(sensed, fused, (infrared, infrared))
    for name, values in report["images"]["a"].items():
        assert values["infrared"] == pytest.approx(found[name]["infrared"], rel=1e-6)
        both = [report["images"][stem][name]["visible"]["SSIM"] for stem in "ab"]
        assert report["mean"][name]["visible"]["SSIM"] == pytest.approx(np.mean(both))
    # What is there already is scored without being made again.
    again = emma(folder / "fused", "-o", folder / "out", *sources, "--json")
    assert json.loads(again[1]) == report
    assert "A_v(f)" in emma(folder / "fused", "-o", folder / "out", *sources)[1]


def test_match_finds_sources_whose_names_differ(emma, refused, folder):
    sources = ("--sources", folder / "ir", folder / "vi")
    before = json.loads(emma(folder / "fused", "-o", folder / "one", *sources, "--json")[1])
    for path in list((folder / "ir").iterdir()):
        path.rename(path.with_name(f"north-{path.name}"))
    options = ("-o", folder / "two", *sources, "--json")
    assert "as in --match" in refused(folder / "fused", *options)
    out = emma(folder / "fused", *options, "--match", "north-*=*")[1]
    assert json.loads(out)["images"] == before["images"]
    said = refused(folder / "fused", "-o", folder / "two", "--match", "north-*=*")
    assert "--match is for folders" in said


def test_sources_of_another_size_are_a_failure_of_that_image(emma, folder):
    for side in ("ir", "vi"):
        image(folder / side / "b.png", (22, 30))
    sources = ("--sources", folder / "ir", folder / "vi")
    code, out, err = emma(folder / "fused", "-o", folder / "out", *sources, "--json")
    assert code == 1
    assert json.loads(out)["count"] == 1
    assert "Failed b: " in err
    assert (folder / "out" / "visible" / "b.png").exists()


def test_bad_input(refused, folder):
    fused, out = folder / "fused", folder / "out"
    assert "does not exist" in refused(folder / "none", "-o", out)
    assert "holds no images" in refused(folder, "-o", out)
    assert "--sources" in refused(fused, "-o", out, "--json")
    assert "is a file" in refused(fused, "-o", fused / "a.png")
    mixed = ("--sources", folder / "ir" / "a.png", folder / "vi")
    assert "files only or folders only" in refused(fused, "-o", out, *mixed)
    assert not out.exists()


def test_no_source_of_any_name(refused, folder):
    image(folder / "other" / "z.png")
    said = refused(
        folder / "other", "-o", folder / "out", "--sources", folder / "ir", folder / "vi"
    )
    assert "matched by file name" in said


def test_an_input_is_never_replaced(refused, folder):
    image(folder / "infrared" / "a.png")
    said = refused(folder / "infrared", "-o", folder, "--overwrite")
    assert "one of the inputs" in said


def test_an_attack_is_measured_beside_a_better_image(emma, model, tmp_path):
    for kind in ("fused", "ir", "vi", "better"):
        for name in "ab":
            image(tmp_path / kind / f"{name}.png", (40, 50))
    sources = ("--sources", tmp_path / "ir", tmp_path / "vi")
    code, out, err = emma(
        tmp_path / "fused",
        "-o",
        tmp_path / "out",
        *sources,
        "--attack",
        "--better",
        tmp_path / "better",
        "--json",
    )
    assert code == 0, err
    found = json.loads(out[out.index('{\n  "loss falls by"') :])["loss falls by"]
    assert list(found) == ["2/255", "4/255", "8/255", "better"]
    assert 0 < found["2/255"] < found["4/255"] < found["8/255"] < 1


def test_an_attack_needs_the_sources(refused, tmp_path):
    fused = image(tmp_path / "f.png")
    assert "--attack needs --sources" in refused(fused, "-o", tmp_path / "out", "--attack")
