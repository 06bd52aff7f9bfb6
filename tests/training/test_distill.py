import csv
import shutil

import cv2
import numpy as np
import pytest
import torch

from emma_fusion.errors import UserError
from emma_fusion.fuser import Fuser
from emma_fusion.networks import FastFuser
from emma_fusion.networks.weights import load_fuser, read_facts, save_weights
from emma_fusion.training.config import Folders
from emma_fusion.training.distill import METRICS, DistillationConfig, distill, load_config
from emma_fusion.training.images import read_images

from .conftest import smooth_image


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Four made pairs of two sizes, and a folder for weights."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for kind in ("ir", "vi"):
        (folder / kind).mkdir()
        for name in "abcd":
            image = smooth_image(rng, 96)
            image = image[:72] if name == "a" else image
            cv2.imwrite(str(folder / kind / f"{name}.png"), image)
    return folder


def settings(folders, **learning):
    """A configuration that learns from a made teacher in a moment."""
    teacher = folders / "teacher.safetensors"
    if not teacher.exists():
        with torch.random.fork_rng():
            torch.manual_seed(5)
            network = FastFuser((8, 8), 2)
        with torch.no_grad():
            network.weights.weight[:4] = 4 * network.weights.weight[:1]  # no pattern of 2×2 pixels
        save_weights(network, teacher, {"name": "the teacher's own facts"})
    return DistillationConfig.model_validate(
        {
            "pairs": [
                {
                    "infrared": str(folders / "ir"),
                    "visible": str(folders / "vi"),
                    "held_out": ["c"],
                }
            ],
            "teacher": str(teacher),
            "network": {"channels": [8, 8, 8], "filters": 2},
            "learning": {"steps": 12, "warm_up": 2, "ema": 0.5} | learning,
            "run": {"device": "cpu", "threads": 1, "checkpoint_every": 4, "preview_every": 6},
        }
    )


def test_images_are_whole_and_fused_once(folders):
    fused = []

    def fuse(infrared, visible):
        fused.append(infrared.shape)
        return (infrared + visible) / 2

    sets = [
        Folders(infrared=folders / "ir", visible=folders / "vi", validation=0.2, scales=[1, 0.9]),
        Folders(infrared=folders / "ir", visible=folders / "vi", held_out=["a"], most=2),
    ]
    found = read_images(sets, fuse, smallest=70)
    # d is kept out of the first set, at both sizes; a is too small at the second size.
    assert found.counts == [3, 2]
    assert len(fused) == len(found.images) + len(found.validation) == 5 + 2 + 2 + 1
    assert [stem for stem, *_ in found.validation] == ["d", "d", "a"]
    assert found.images[0].shape == (3, 72, 96)
    for infrared, visible, average in found.images:
        assert torch.allclose(average, (infrared + visible) / 2, atol=1e-3)
    with pytest.raises(UserError, match="larger"):
        read_images(sets, fuse, smallest=200)


def test_drawn_images_are_turned_alike_and_fit_the_network(folders):
    sets = [Folders(infrared=folders / "ir", visible=folders / "vi")]
    found = read_images(sets, lambda infrared, visible: (infrared + visible) / 2, 64)
    drawn = found.draw(20, 80, 16, torch.Generator().manual_seed(0))
    assert {planes.shape[-2:] for planes in drawn} == {(64, 80), (80, 64), (80, 80)}
    for infrared, visible, average in drawn:
        assert infrared.shape[:2] == (1, 1)
        assert torch.allclose(average, (infrared + visible) / 2, atol=1e-3)
    again = found.draw(20, 80, 16, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(drawn, again, strict=True))


def test_it_learns_what_the_teacher_does(folders, tmp_path):
    differences = []
    for steps in (1, 60):
        weights = distill(settings(folders, steps=steps, lr=5e-3), tmp_path / str(steps))
        differences.append(read_facts(weights)["validation"]["difference"])
    assert differences[1] < differences[0] / 2


def test_a_run_leaves_weights_logs_and_its_facts(folders, tmp_path):
    config = settings(folders)
    weights = distill(config, tmp_path / "run")
    facts = read_facts(weights)
    assert load_config(tmp_path / "run" / "config.yaml") == config
    assert facts["configuration"]["learning"]["steps"] == 12
    assert facts["pairs"] == [3]
    assert facts["teacher"] == {"name": "the teacher's own facts"}
    assert set(facts["validation"]["student"]) == set(facts["validation"]["teacher"]) == {*METRICS}
    with (tmp_path / "run" / "distillation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["step"] == "12"
    assert {"loss", "value", "gradient"} <= set(rows[-1])
    assert len(list((tmp_path / "run" / "previews").iterdir())) == 2
    image = cv2.imread(str(folders / "ir" / "a.png"), cv2.IMREAD_GRAYSCALE)
    assert Fuser.from_pretrained(tmp_path / "run")(image, image).shape == image.shape
    with pytest.raises(UserError, match="already holds a run"):
        distill(config, tmp_path / "run")


def test_stopped_and_resumed_gives_the_same_bits(folders, tmp_path, monkeypatch):
    from emma_fusion.training import loop

    config = settings(folders)
    whole = load_fuser(distill(config, tmp_path / "whole")).state_dict()
    save, saved = loop.save_checkpoint, []

    def stop_after_two(folder, state):
        save(folder, state)
        saved.append(state["step"])
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_checkpoint", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        distill(config, tmp_path / "stopped")
    again = load_fuser(distill(config, tmp_path / "stopped", resume=True)).state_dict()
    assert saved == [4, 8, 12]
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_checkpoint_of_another_teacher_is_refused(folders, tmp_path):
    config = settings(folders)
    distill(config, tmp_path / "run")
    other = tmp_path / "other.safetensors"
    save_weights(FastFuser((8, 8), 2), other)
    with pytest.raises(UserError, match="not those that the run"):
        distill(config.model_copy(update={"teacher": str(other)}), tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({}, "nothing to learn from"),
        ({"pairs": [{"infrared": "no", "visible": "no"}]}, "does not exist"),
        ({"pairs": [{"infrared": "ir", "visible": "vi"}], "teacher": "nobody"}, "no model"),
        ({"learning.batch": 3, "run.devices": 2}, "cannot be shared"),
        ({"network.channels": [8]}, "network.channels"),
        ({"learning.rate": 1}, "learning.rate"),
    ],
)
def test_what_cannot_be_learned_is_one_sentence(
    folders, tmp_path, monkeypatch, overrides, sentence
):
    monkeypatch.chdir(folders)
    with pytest.raises(UserError, match=sentence):
        distill(load_config(None, overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_emma_train_does_not_go_on_from_a_fast_fuser(folders, tmp_path):
    from emma_fusion.training import config as room
    from emma_fusion.training.run import train

    settings(folders)
    pairs = [{"infrared": folders / "ir", "visible": folders / "vi"}]
    tune = room.load_config("tune", None, {"pairs": pairs, "init": "base"})
    tune = tune.model_copy(update={"init": str(folders / "teacher.safetensors")})
    tune.sensing.init = "base"
    with pytest.raises(UserError, match="fast fuser"):
        train(tune, tmp_path / "run")


def test_bad_pairs_are_named_together_or_left_out(folders, tmp_path):
    shutil.copytree(folders, tmp_path / "damaged")
    for stem in "ab":
        (tmp_path / "damaged" / "vi" / f"{stem}.png").write_bytes(b"")
    sets = [Folders(infrared=tmp_path / "damaged" / "ir", visible=tmp_path / "damaged" / "vi")]
    fused = []

    def fuse(infrared, visible):
        fused.append(visible)
        return visible

    with pytest.raises(UserError, match=r"^2 of 4 pairs cannot be used[^\n]*\na: .*\nb: "):
        read_images(sets, fuse, 16)
    assert not fused
    images = read_images(sets, fuse, 16, skip_bad=True)
    assert images.counts == [2]
    assert [what[:2] for what in images.bad] == ["a:", "b:"]
