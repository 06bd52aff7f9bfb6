import shutil
import sys

import cv2
import numpy as np
import pytest

from emma_fusion.cli import main


def run(capsys, *arguments):
    """The exit code of the command line and what it said on stderr."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code, capsys.readouterr().err


@pytest.fixture
def folders(tmp_path):
    """Two folders with one made pair that is large enough for a patch of 32."""
    ramp = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (40, 1))
    for name in ("ir", "vi"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), ramp if name == "ir" else ramp[:, ::-1])
    return tmp_path / "ir", tmp_path / "vi"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["IR", "VI"], "-o runs/mine"),
        (["IR", "-o", "RUN"], "two folders"),
        (["-o", "RUN"], "nothing to train on"),
        (["IR", "NOWHERE", "-o", "RUN"], "does not exist"),
        (["IR", "VI", "-o", "RUN", "--preset", "best"], "no preset 'best'"),
        (["IR", "VI", "-o", "RUN", "--set", "fusion.alpha"], "not of the form NAME=VALUE"),
        (["IR", "VI", "-o", "RUN", "--set", "fusion.alpha=high"], "fusion.alpha"),
        (["IR", "VI", "-o", "RUN", "--set", "fusion.alpha=[1"], "not valid YAML"),
        (["-o", "RUN", "--teacher", "VI"], "is for two folders"),
        (["IR", "VI", "-o", "RUN", "--set", "fusion.alfa=1"], "fusion.alfa"),
        (["IR", "VI", "-o", "RUN", "--init", "nothing"], "no model 'nothing'"),
        (["IR", "VI", "-o", "RUN", "--teacher", "NOWHERE"], "does not exist"),
        (["IR", "VI", "-o", "RUN"], "No patch of 128"),
        (["-o", "RUN", "--resume"], "no run to resume"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(capsys, tmp_path, folders, arguments, sentence):
    places = {"IR": folders[0], "VI": folders[1], "RUN": tmp_path / "run"}
    places["NOWHERE"] = tmp_path / "nowhere"
    code, said = run(capsys, "train", *(places.get(a, a) for a in arguments))
    assert code == 2
    assert sentence in " ".join(said.split())
    assert "Traceback" not in said


def test_resume_goes_on_with_the_saved_settings_only(capsys, tmp_path, folders):
    """Giving the same settings again is fine; others are refused, not ignored."""
    steps = ("sensing.steps=0", "start.steps=0", "fusion.steps=1", "fusion.batch=1")
    small = ("patches.size=32", *steps, "init=base", "run.device=cpu")
    run_folder = tmp_path / "run"
    begun = [*folders, "-o", run_folder, *(word for s in small for word in ("--set", s))]
    assert run(capsys, "train", *begun)[0] == 0
    assert run(capsys, "train", "-o", run_folder, "--resume")[0] == 0
    assert run(capsys, "train", *begun, "--resume")[0] == 0
    before = (run_folder / "config.yaml").read_text()
    for other in (["--seed", "7"], ["--preset", "paper"], ["--set", "fusion.alpha=0.3"]):
        code, said = run(capsys, "train", *begun, *other, "--resume")
        assert code == 2
        assert "--resume and -o" in said
    assert (run_folder / "config.yaml").read_text() == before


def test_two_folders_of_many_pairs_keep_one_in_ten_for_previews(capsys, tmp_path, folders):
    for folder in folders:
        for number in range(10):
            shutil.copy(folder / "a.png", folder / f"{number}.png")
    steps = ("sensing.steps=0", "start.steps=0", "fusion.steps=1", "fusion.batch=1")
    small = ("patches.size=32", *steps, "init=base", "run.device=cpu")
    settings = [word for setting in small for word in ("--set", setting)]
    code, said = run(capsys, "train", *folders, "-o", tmp_path / "run", *settings)
    assert code == 0
    assert "10 pairs, " in said
    assert "validation pairs: EN" in said
    assert (tmp_path / "run" / "previews" / "fusion-000001.png").is_file()


def test_pairs_whose_names_differ_are_told(capsys, tmp_path, folders):
    (folders[0] / "a.png").rename(folders[0] / "a_ir.png")
    # a bad setting ends it before it trains
    code, said = run(capsys, "train", *folders, "-o", tmp_path / "run", "--set", "no.such=1")
    assert code == 2
    assert "Paired, though the names differ: a_ir.png with a.png" in said


def test_a_missing_extra_is_named(capsys, monkeypatch, tmp_path, folders):
    for name in [name for name in sys.modules if name.startswith("emma_fusion.training")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    code, said = run(capsys, "train", *folders, "-o", tmp_path / "run")
    assert code == 2
    assert "emma-fusion[train]" in said


def test_match_trains_on_pairs_whose_names_differ(capsys, tmp_path, folders):
    """Of IR_1 and DC_2; the run's settings keep the pattern, so that --resume finds the pair."""
    (folders[0] / "a.png").rename(folders[0] / "IR_1.png")
    (folders[1] / "a.png").rename(folders[1] / "DC_2.png")
    steps = ("sensing.steps=0", "start.steps=0", "fusion.steps=1", "fusion.batch=1")
    small = ("patches.size=32", *steps, "init=base", "run.device=cpu")
    words = [*folders, "-o", tmp_path / "run", *(word for s in small for word in ("--set", s))]
    code, said = run(capsys, "train", *words)
    assert code == 2
    assert "as in --match" in said
    code, said = run(capsys, "train", *words, "--match", "IR_{n}=DC_{n+1}")
    assert code == 0, said
    assert "IR_1.png with DC_2.png" in said
    assert "1 pairs, " in said
    assert "match: IR_{n}=DC_{n+1}" in (tmp_path / "run" / "config.yaml").read_text()
    assert run(capsys, "train", "-o", tmp_path / "run", "--resume")[0] == 0
    code, said = run(capsys, "train", "-o", tmp_path / "other", "--match", "IR_{n}=DC_{n+1}")
    assert code == 2
    assert "--match is for two folders" in said
