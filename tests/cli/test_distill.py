import sys

import cv2
import numpy as np
import pytest

from emma_fusion.cli import main
from emma_fusion.networks import FastFuser
from emma_fusion.networks.weights import load_fuser, save_weights

QUICK = ["learning.steps=1", "learning.batch=1", "network.channels=[4, 4]", "network.filters=1"]


def run(capsys, *arguments):
    """The exit code of the command line and what it said on stderr."""
    with pytest.raises(SystemExit) as ended:
        main(["distill", *map(str, arguments)])
    return ended.value.code, capsys.readouterr().err


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with one made pair and a teacher."""
    ramp = np.tile(np.linspace(0, 255, 72).astype(np.uint8), (64, 1))
    for name in ("IR", "VI"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), ramp if name == "IR" else ramp[:, ::-1])
    save_weights(FastFuser((4, 4), 1), tmp_path / "teacher.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_distills_and_keeps_to_the_settings_it_began_with(place, capsys):
    quick = [word for setting in QUICK for word in ("--set", setting)]
    options = ["IR", "VI", "--teacher-model", "teacher.safetensors", "--device", "cpu", *quick]
    code, said = run(capsys, *options, "-o", "RUN")
    assert not code, said
    assert "--model RUN" in said
    network = load_fuser("RUN")
    assert isinstance(network, FastFuser)
    assert network.channels == (4, 4)
    code, said = run(capsys, *options, "--seed", 5, "-o", "RUN", "--resume")
    assert code == 2
    assert "began with" in said


def test_match_learns_from_pairs_whose_names_differ(place, capsys):
    (place / "IR" / "a.png").rename(place / "IR" / "IR_1.png")
    (place / "VI" / "a.png").rename(place / "VI" / "DC_2.png")
    quick = [word for setting in QUICK for word in ("--set", setting)]
    options = ["IR", "VI", "--teacher-model", "teacher.safetensors", "--device", "cpu", *quick]
    code, said = run(capsys, *options, "-o", "RUN", "--match", "IR_{n}=DC_{n+1}")
    assert not code, said
    assert "IR_1.png with DC_2.png" in said
    assert "match: IR_{n}=DC_{n+1}" in (place / "RUN" / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["IR", "VI"], "-o runs/mine"),
        (["IR", "-o", "RUN"], "two folders"),
        (["-o", "RUN"], "nothing to learn from"),
        (["IR", "VI", "-o", "RUN", "--set", "learning.steps"], "not of the form NAME=VALUE"),
        (["IR", "VI", "-o", "RUN", "--teacher-model", "nobody"], "no model 'nobody'"),
        (["-o", "RUN", "--resume"], "no run to resume"),
    ],
)
def test_mistakes_are_one_sentence(place, capsys, arguments, sentence):
    code, said = run(capsys, *arguments)
    assert code == 2
    assert sentence in said
    assert "Traceback" not in said
    assert not (place / "RUN").exists()


def test_a_missing_extra_is_named(place, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("emma_fusion.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    code, said = run(capsys, "IR", "VI", "-o", "RUN")
    assert code == 2
    assert "emma-fusion[train]" in said
