import csv
import os
import shutil
import signal
import time

import cv2
import numpy as np
import pytest
import torch
import yaml

from emma_fusion import models
from emma_fusion.errors import UserError
from emma_fusion.networks import UFuser
from emma_fusion.networks.weights import read_facts
from emma_fusion.training.checkpoint import load_checkpoint
from emma_fusion.training.config import TrainingConfig, load_config
from emma_fusion.training.run import train

from .conftest import finish, start, weights, write


@pytest.fixture(scope="module")
def whole(pairs, tmp_path_factory):
    """An uninterrupted run, by the command line, and the configuration it was given."""
    from .conftest import TINY

    sets = [
        {
            "infrared": str(pairs / "ir"),
            "visible": str(pairs / "vi"),
            "additive": {},
            "validation": 0.2,
        }
    ]
    folder = tmp_path_factory.mktemp("whole")
    config = write(TINY | {"pairs": sets}, folder / "tiny.yaml")
    finish(start("--preset", "paper", "--config", config, "-o", folder / "run"))
    return folder / "run", config


def test_a_run_leaves_weights_configuration_logs_and_previews(whole):
    folder, config = whole
    names = {path.name for path in folder.iterdir()}
    assert {
        "fuser.safetensors",
        "sensing_infrared.safetensors",
        "sensing_visible.safetensors",
        "config.yaml",
        "checkpoint.pt",
        "tensorboard",
        "previews",
    } <= names
    assert list((folder / "tensorboard").iterdir())
    saved = TrainingConfig.model_validate(yaml.safe_load((folder / "config.yaml").read_text()))
    asked = yaml.safe_load(config.read_text())
    assert saved.fusion.mixed == asked["fusion"]["mixed"]
    assert saved.fusion.alpha == 0.1
    facts = read_facts(folder / "fuser.safetensors")
    assert facts["pairs"] == [4]
    assert facts["configuration"]["sensing"]["width"] == 4
    with (folder / "fusion.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["step"] == "6"
    assert {"loss", "infrared", "visible", "equivariance", "texture", "teacher"} <= set(rows[-1])
    assert "pattern_largest" in (folder / "fusion-validation.csv").read_text()


def test_teachers_are_levelled_by_the_weights_that_a_run_begins_with(whole, pairs, tiny, tmp_path):
    tiny |= {"init": str(whole[0])}
    tiny["pairs"][0]["teachers"] = [str(pairs / "fused")]
    tiny["sensing"]["steps"] = tiny["fusion"]["steps"] = 0
    tiny["start"] |= {"steps": 4, "level": True}
    config = TrainingConfig.model_validate(tiny)
    train(config, tmp_path / "run")
    tiny["start"]["level"] = False
    train(TrainingConfig.model_validate(tiny), tmp_path / "plain")
    facts = [read_facts(tmp_path / name / models.FUSER) for name in ("run", "plain")]
    assert facts[0]["data"] != facts[1]["data"]
    # Gone on with, the images are levelled by the same weights, not by those of the checkpoint.
    (tmp_path / "run" / models.FUSER).unlink()
    train(config, tmp_path / "run", resume=True)
    assert read_facts(tmp_path / "run" / models.FUSER)["data"] == facts[0]["data"]


@pytest.mark.slow
@pytest.mark.parametrize("moment", [("sensing", 2), ("fusion", 2)])
def test_killed_and_resumed_gives_the_same_bits(whole, tmp_path, moment):
    folder, config = whole
    run = tmp_path / "run"
    process = start("--preset", "paper", "--config", config, "-o", run)
    deadline = time.monotonic() + 200
    while process.poll() is None and time.monotonic() < deadline:
        if (run / "checkpoint.pt").exists():
            state = load_checkpoint(run)
            if (state["stage"], state["step"]) >= moment and state["stage"] == moment[0]:
                break
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (run / "fuser.safetensors").exists(), "the run was over before it was killed"
    finish(start("-o", run, "--resume"))
    expected, got = weights(folder), weights(run)
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[key], got[key]) for key in expected)


@pytest.mark.slow
def test_two_processes_train_as_one(whole, tmp_path):
    folder, config = whole
    run = tmp_path / "run"
    two = ("--preset", "paper", "--config", config, "-o", run, "--devices", 2)
    finish(start(*two))
    expected, got = weights(folder), weights(run)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        untrained = UFuser().state_dict()
    for key in expected:
        part, _, name = key.partition(".")
        # The sensing networks are stored in half precision, which rounds by up to 2^-11.
        rounding = 0 if part == "fuser" else 2**-10 * expected[key].abs().max()
        assert (expected[key].float() - got[key].float()).abs().max() <= 1e-4 + rounding, key
        if part == "fuser" and name.endswith("join.weight"):
            # Where a gradient is next to nothing, Adam makes a step of its rounding: single
            # weights may differ by a step, but all in all they must have moved together.
            moved = (expected[key] - untrained[name]).abs().mean()
            assert (expected[key] - got[key]).abs().mean() < 0.05 * moved, key


def test_frozen_networks_keep_every_byte(whole, tiny, tmp_path, monkeypatch):
    from emma_fusion.training import run as module

    seen = {}

    def spy(config, fabric, patches, fuser, infrared_net, visible_net):
        seen["nets"] = (infrared_net, visible_net)
        seen["before"] = [bytes_of(net) for net in seen["nets"]]
        seen["fuser"] = bytes_of(fuser)
        return real(config, fabric, patches, fuser, infrared_net, visible_net)

    def bytes_of(net):
        return {k: v.numpy().tobytes() for k, v in net.state_dict().items()}

    real = module.fusion_stage
    tiny["init"] = str(whole[0])
    tiny["sensing"]["steps"] = 0
    tiny["start"]["steps"] = 0
    monkeypatch.setattr(module, "fusion_stage", spy)
    train(TrainingConfig.model_validate(tiny), tmp_path / "run")
    after = [bytes_of(net) for net in seen["nets"]]
    assert after == seen["before"]
    for net in seen["nets"]:
        assert not net.training
        assert all(p.grad is None and not p.requires_grad for p in net.parameters())
    trained = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["fuser"]
    assert {k: v.numpy().tobytes() for k, v in trained.items()} != seen["fuser"]


def test_tuning_needs_no_teacher_and_keeps_the_sensing_networks(whole, tiny, tmp_path):
    folder, _ = whole
    tiny["pairs"][0]["methods"] = []
    tiny["pairs"][0].pop("additive")
    tiny |= {"init": str(folder)}
    for stage in ("sensing", "start"):
        tiny[stage]["steps"] = 0
    tiny["fusion"] |= {"anchor": 0.0, "tone": 0.0, "steps": 2}
    train(TrainingConfig.model_validate(tiny), tmp_path / "run")
    before, after = weights(folder), weights(tmp_path / "run")
    changed = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"fuser"}


def test_a_run_is_not_overwritten_nor_resumed_on_other_images(whole, tiny, tmp_path):
    folder, _config = whole
    values = TrainingConfig.model_validate(tiny)
    with pytest.raises(UserError, match="already holds a run"):
        train(values, folder)
    with pytest.raises(UserError, match="no checkpoint"):
        train(values, tmp_path / "nothing", resume=True)
    tiny["pairs"][0]["validation"] = 0.4
    with pytest.raises(UserError, match="not those that the run"):
        train(TrainingConfig.model_validate(tiny), folder, resume=True)


def test_teaching_folders_are_used(pairs, tiny, tmp_path):
    tiny["pairs"][0]["teachers"] = [str(pairs / "fused")]
    for stage in ("sensing", "start", "fusion"):
        tiny[stage]["steps"] = 1
    assert train(TrainingConfig.model_validate(tiny), tmp_path / "run").is_file()


@pytest.mark.slow
def test_networks_learn(tiny, tmp_path):
    """The start brings the error to the teacher down by more than half.

    To the average: how bright the additive teacher is depends on more than a patch shows.
    """
    tiny["pairs"][0] |= {"methods": ["average"], "additive": None}
    tiny["sensing"]["steps"] = 0
    tiny["fusion"]["steps"] = 0
    tiny["start"] |= {"steps": 60, "batch": 4, "lr": 2e-3}
    train(TrainingConfig.model_validate(tiny), tmp_path / "run")
    with (tmp_path / "run" / "start.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert np.mean(losses[-3:]) < 0.5 * losses[0]


def test_the_seed_decides_and_nothing_global_does(tiny, tmp_path):
    for stage in ("sensing", "start", "fusion"):
        tiny[stage]["steps"] = 1
    values = TrainingConfig.model_validate(tiny)
    torch.manual_seed(1)
    train(values, tmp_path / "one")
    torch.manual_seed(2)
    before = torch.get_rng_state()
    train(values, tmp_path / "two")
    assert torch.equal(before, torch.get_rng_state())
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fusion": {"alpha": float("inf")}}, "fusion.alpha"),
        ({"run": {"seed": -1}}, "run.seed"),
        ({"sensing": {"steps": 0}}, "A_i and A_v would be random"),
    ],
)
def test_settings_that_cannot_train_are_refused(tiny, tmp_path, change, sentence):
    for section, values in change.items():
        tiny[section] |= values
    with pytest.raises(UserError, match=sentence):
        load_config(file=write(tiny, tmp_path / "config.yaml"))


def test_nothing_is_written_where_pairs_or_weights_are_missing(tiny, tmp_path):
    for change in (
        {"init": str(tmp_path / "nowhere")},
        {"pairs": [{**tiny["pairs"][0], "infrared": "nowhere"}]},
    ):
        with pytest.raises(UserError, match="nowhere"):
            train(TrainingConfig.model_validate(tiny | change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_pairs_without_a_teacher_and_stages_without_pairs_are_named(tiny, tmp_path):
    pairs = tiny["pairs"][0]
    for change, sentence in (
        ({"methods": [], "additive": None}, "no teacher"),
        ({"stages": ["start"]}, "stage sensing"),
    ):
        tiny["pairs"] = [pairs | change]
        with pytest.raises(UserError, match=sentence):
            train(TrainingConfig.model_validate(tiny), tmp_path / sentence)


def test_weights_without_a_checkpoint_are_not_overwritten(whole, tiny, tmp_path):
    folder, _ = whole
    (tmp_path / "fuser.safetensors").write_bytes((folder / "fuser.safetensors").read_bytes())
    with pytest.raises(UserError, match="already holds a run"):
        train(TrainingConfig.model_validate(tiny), tmp_path)


def test_a_loss_that_is_no_number_stops_the_run_and_writes_no_weights(tiny, tmp_path):
    tiny["sensing"] |= {"steps": 20, "lr": 1e30}
    with pytest.raises(UserError, match="loss is"):
        train(TrainingConfig.model_validate(tiny), tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.safetensors"))


def test_foreign_checkpoints_are_one_sentence(tiny, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tiny))
    for content in ({"step": 1}, [1, 2]):
        torch.save(content, tmp_path / "checkpoint.pt")
        with pytest.raises(UserError, match="is not a checkpoint of a training run"):
            train(TrainingConfig.model_validate(tiny), tmp_path, resume=True)
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    with pytest.raises(UserError, match="damaged"):
        train(TrainingConfig.model_validate(tiny), tmp_path, resume=True)


@pytest.fixture
def damaged(pairs, tmp_path):
    """The five pairs, of which b has no infrared image worth the name and d is of two sizes."""
    folder = tmp_path / "damaged"
    shutil.copytree(pairs, folder)
    (folder / "ir" / "b.png").write_bytes(b"no image")
    cv2.imwrite(str(folder / "vi" / "d.png"), np.zeros((40, 64), np.uint8))
    return folder


def test_all_bad_pairs_are_named_before_the_training(damaged, tiny, tmp_path):
    tiny["pairs"] = [{"infrared": str(damaged / "ir"), "visible": str(damaged / "vi")}]
    with pytest.raises(UserError) as error:
        train(TrainingConfig.model_validate(tiny), tmp_path / "run")
    said = str(error.value)
    assert said.startswith("2 of 5 pairs cannot be used")
    assert "--skip-bad" in said
    assert "\nb: The file" in said
    assert "\nd: d.png is 64x64 pixels and d.png is 64x40" in said
    assert not (tmp_path / "run" / "fuser.safetensors").exists()


def test_bad_pairs_are_left_out_if_that_is_asked(damaged, tiny, tmp_path):
    tiny["pairs"] = [{"infrared": str(damaged / "ir"), "visible": str(damaged / "vi")}]
    tiny["run"]["skip_bad"] = True
    weights = train(TrainingConfig.model_validate(tiny), tmp_path / "run")
    assert read_facts(weights)["pairs"] == [3]
    for stem in "ace":
        (damaged / "ir" / f"{stem}.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"^5 of 5 pairs cannot be used. Mend or remove them\.\n"):
        train(TrainingConfig.model_validate(tiny), tmp_path / "other")
