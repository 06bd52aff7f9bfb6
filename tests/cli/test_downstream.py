"""emma downstream, from made folders to a report; resumed, and given what is wrong."""

import json

import pytest
import yaml

import labelled as made
import small_comparison as small
from emma_fusion.cli import main
from emma_fusion.images.raster import read_image


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main(["downstream", *map(str, words)])
    return ended.value.code or 0


def write(path, settings):
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("downstream")
    root = made.cwfid(folder)
    config = write(folder / "c.yaml", small.settings("cwfid", root, "deeplab"))
    return folder, config


def test_segment_makes_a_report_with_images_and_goes_on(whole, capfd):
    folder, config = whole
    out = folder / "out"
    assert run("segment", "-c", config, "-o", out, "-k", "visible", "-s", 0) == 0
    assert run("segment", "-c", config, "-o", out) == 0
    said = capfd.readouterr().err
    assert "8 of 8, average, seed 1: mIoU" in said
    assert "1 of 8" not in said  # it was there
    text = (out / "report.md").read_text()
    for part in ("| visible |", "| stacked |", "| average |", "IoU weed", "average − infrared"):
        assert part in text
    assert "near-infrared image alone" in text
    everything = json.loads((out / "report.json").read_text())
    assert len(everything["cells"]) == 8
    assert everything["configuration"]["training"]["steps"] == 2
    assert len((out / "values.csv").read_text().splitlines()) == 1 + 8 * 4
    assert read_image(out / "sheet.png").shape[1] > 4 * 64
    assert len(list((out / "fused/average").rglob("*.png"))) == 6


def test_detect_makes_a_report(tmp_path, capfd):
    root = made.m3fd(tmp_path, "yolo")
    settings = small.settings("m3fd", root, "yolos", seeds=[0], kinds=["visible", "stacked"])
    config = write(tmp_path / "c.yaml", settings)
    assert run("detect", "-c", config, "-o", tmp_path / "out") == 0
    text = (tmp_path / "out/report.md").read_text()
    assert "mAP@0.5 (95% interval)" in text
    assert "AP People" in text
    assert (tmp_path / "out/sheet.png").is_file()


def test_check_says_what_is_there_and_what_is_missing(tmp_path, capfd):
    root = made.cwfid(tmp_path)
    assert run("check", "cwfid", "--root", root) == 1
    captured = capfd.readouterr()
    assert "3 scenes to train and 3 to test on" in captured.out
    assert "published are 39 and 21" in captured.err
    assert run("check", "m3fd", "--root", root) == 2
    assert "emma: M3FD is not complete" in capfd.readouterr().err
    assert run("check", "kitti", "--root", root) == 2


def test_the_whole_cwfid_is_complete(data, capfd):
    assert run("check", "cwfid", "--root", data) == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"network": {"name": "yolos"}}, "use emma downstream detect"),
        ({"kinds": ["visible", "no-such-method"]}, "no-such-method"),
        ({"kinds": ["visible", "visible"]}, "a kind stands twice"),
        ({"data": {"layout": "m3fd", "root": "."}}, "not complete"),
        ({"trainings": {}}, "trainings"),
        ({"images": {"size": [48, 64], "zoom": [2, 1]}}, "LOW, HIGH"),
        ({"network": {"name": "rtdetr"}, "images": {"size": [48, 64]}}, "multiples of 32"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(change, told, whole, tmp_path, capfd):
    folder, _ = whole
    settings = small.settings("cwfid", folder, "deeplab") | change
    assert run("segment", "-c", write(tmp_path / "c.yaml", settings), "-o", tmp_path / "o") == 2
    said = capfd.readouterr().err
    assert "emma: " in said
    assert told in said
    assert "Traceback" not in said


def test_a_damaged_label_is_named(tmp_path, capfd):
    root = made.cwfid(tmp_path)
    label = root / "cwfid/label/001.png"
    label.write_bytes(label.read_bytes()[:40])
    config = write(tmp_path / "c.yaml", small.settings("cwfid", root, "deeplab"))
    assert run("segment", "-c", config, "-o", tmp_path / "o") == 2
    assert str(label) in capfd.readouterr().err


def test_the_shipped_configurations_are_valid():
    from pathlib import Path

    from emma_fusion.downstream.config import NETWORKS, load_experiment

    folder = Path(__file__).resolve().parents[2] / "configs"
    tasks = []
    for name in ("cwfid", "msrs", "m3fd"):
        network = yaml.safe_load((folder / f"{name}.yaml").read_text())["network"]["name"]
        tasks.append(load_experiment(folder / f"{name}.yaml", NETWORKS[network]).task)
    assert tasks == ["segment", "segment", "detect"]
