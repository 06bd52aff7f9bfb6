"""emma ablate, from variants to a report; killed, resumed, and given what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import yaml
from safetensors.torch import load_file

from emma_fusion.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Two made pairs, large enough for every metric."""
    folder = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(0)
    for kind in ("ir", "vi"):
        (folder / kind).mkdir()
        for name in "ab":
            image = cv2.GaussianBlur(random.random((72, 80)), (0, 0), 2)
            image = np.rint(255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
            cv2.imwrite(str(folder / kind / f"{name}.png"), image)
    return folder


@pytest.fixture(scope="module")
def settings(pairs):
    sources = {"infrared": str(pairs / "ir"), "visible": str(pairs / "vi")}
    return {
        "seeds": [5],
        "training": {
            "pairs": [sources | {"methods": ["average"]}],
            "patches": {"size": 32, "stride": 16},
            "sensing": {"width": 2, "batch": 2, "steps": 1},
            "start": {"batch": 1, "steps": 1},
            "fusion": {"batch": 1, "steps": 2, "mixed": 1, "shifts": 0, "rotations": 0},
            "run": {"checkpoint_every": 1},
        },
        "variants": {"full": {}, "no-sensing": {"fusion.sense": False}},
        "judged": sources | {"equivariance": 1},
        "claims": [
            {"claim": "Sensing is necessary", "better": "full", "than": ["no-sensing"]},
            {
                "claim": "Sensing makes it equivariant",
                "better": "full",
                "than": ["no-sensing"],
                "measures": ["equivariance"],
            },
        ],
    }


def command(config, output, *options):
    return [sys.executable, "-m", "emma_fusion", "ablate", config, "-o", output, *options]


def start(*arguments):
    return subprocess.Popen(
        [str(a) for a in command(*arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def whole(settings, tmp_path_factory):
    """An ablation that was killed after its first variant, and resumed: folder, what it said."""
    folder = tmp_path_factory.mktemp("ablation")
    config, output = folder / "small.yaml", folder / "out"
    config.write_text(yaml.safe_dump(settings))
    process = start(config, output, "--device", "cpu")
    first = output / "runs" / "full" / "seed-5" / "fuser.safetensors"
    deadline = time.monotonic() + 300
    while not first.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (output / "report.md").exists()
    kept = first.stat().st_mtime_ns
    process = start(config, output, "--device", "cpu", "--resume")
    said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert first.stat().st_mtime_ns == kept, "a finished run was made again"
    return config, output, said


def test_killed_and_resumed_it_writes_the_report(whole):
    _, output, (out, err) = whole
    assert "4 training runs, " in err
    assert " minutes left" in err
    # One seed says nothing of how much training varies.
    assert "Sensing is necessary: cannot be decided at this budget" in out
    names = {path.name for path in output.iterdir()}
    assert {"report.md", "report.json", "means.csv", "scores.csv", "sheet.png"} <= names
    report = json.loads((output / "report.json").read_text())
    assert set(report["variants"]) == {"full", "no-sensing"}
    assert {"EN", "Nabf", "pattern", "equivariance"} <= set(report["variants"]["full"])
    assert len(report["variants"]["full"]["EN"]["seeds"]) == 1
    assert report["configuration"]["seeds"] == [5]
    assert "fingerprint" in report["facts"]["Training data of stage 2"]
    sheet = cv2.imread(str(output / "sheet.png"))
    assert sheet.shape[1] > 4 * 80
    assert not list(output.rglob("checkpoint.pt"))


def test_variants_of_a_seed_begin_alike_and_end_apart(whole):
    _, output, _ = whole
    full, less = (
        load_file(output / "runs" / variant / "seed-5" / "fuser.safetensors")
        for variant in ("full", "no-sensing")
    )
    assert any(not (full[key] == less[key]).all() for key in full)
    sensing = "sensing_visible.safetensors"
    a, b = (
        load_file(output / "runs" / variant / "seed-5" / sensing)
        for variant in ("full", "no-sensing")
    )
    assert all((a[key] == b[key]).all() for key in a)


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return ended.value.code, " ".join(said.split())


def test_bad_input_is_one_sentence_and_code_2(capsys, whole, settings, tmp_path):
    config, output, _ = whole
    assert run(capsys, "ablate", config, "-o", output) == (
        2,
        f"emma: {output} is not empty: continue the run with --resume, or use a new folder.",
    )
    code, said = run(capsys, "ablate", config, "-o", tmp_path / "new", "--resume")
    assert (code, "no ablation to resume" in said) == (2, True)
    code, said = run(capsys, "ablate", tmp_path / "no.yaml", "-o", tmp_path / "new")
    assert (code, "cannot be read" in said) == (2, True)
    other = tmp_path / "other.yaml"
    changed = settings | {"variants": {"full": {"fusion.alpha": 3}, "no-sensing": {}}}
    other.write_text(yaml.safe_dump(changed))
    code, said = run(capsys, "ablate", other, "-o", output, "--resume")
    assert (code, "begun with other settings" in said) == (2, True)


def test_a_missing_extra_is_named(capsys, monkeypatch, whole):
    config, output, _ = whole
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    code, said = run(capsys, "ablate", config, "-o", output, "--resume")
    assert (code, "emma-fusion[train]" in said) == (2, True)
