"""Cells: finished ones are kept, stopped ones go on as if they had not been stopped."""

import csv

import pytest
import torch

import labelled as made
import small_comparison as small
from emma_fusion.downstream.comparison import compare, read_found
from emma_fusion.downstream.config import Experiment
from emma_fusion.downstream.inputs import Kind, fused_kind, source_kind
from emma_fusion.downstream.layouts import open_dataset
from emma_fusion.errors import UserError


def begun(root, layout="msrs", network="deeplab", **parts):
    experiment = Experiment.model_validate(small.settings(layout, root, network, **parts))
    return experiment, open_dataset(layout, root)


def steps(number, **more):
    return {"batch": 2, "steps": number, "lr": 0.01, **more}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return made.msrs(tmp_path_factory.mktemp("data"))


def test_a_stopped_cell_goes_on_as_if_it_had_not_been_stopped(root, tmp_path):
    run = {"device": "cpu", "threads": 1, "checkpoint_every": 2}
    experiment, dataset = begun(root, seeds=[3], training=steps(6), run=run)
    kinds = [source_kind("stacked", True)]
    whole = compare(experiment, dataset, kinds, tmp_path / "whole")

    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(experiment, dataset, kinds, tmp_path / "stopped", progress=stop)
    state = torch.load(tmp_path / "stopped/cells/stacked/seed-3/checkpoint.pt")
    assert state["step"] == 4
    seen = []
    resumed = compare(
        experiment,
        dataset,
        kinds,
        tmp_path / "stopped",
        progress=lambda done, total: seen.append(done),
    )
    assert seen == [5, 6]
    assert str(resumed[0].values) == str(whole[0].values)  # some are NaN
    assert resumed[0].images == whole[0].images
    logs = [
        list(csv.DictReader((tmp_path / name / "cells/stacked/seed-3/log.csv").open()))
        for name in ("whole", "stopped")
    ]
    assert [row["loss"] for row in logs[0]] == [row["loss"] for row in logs[1]]
    assert not list(tmp_path.rglob("checkpoint.pt"))


def test_finished_cells_are_kept_until_their_images_change(root, tmp_path):
    experiment, dataset = begun(root)
    kinds = [source_kind("visible", True), source_kind("infrared", True)]
    first = []
    compare(experiment, dataset, kinds[:1], tmp_path, lambda cell, *_: first.append(cell))
    assert [(cell.kind, cell.seed) for cell in first] == [("visible", 0), ("visible", 1)]
    told = []
    cells = compare(experiment, dataset, kinds, tmp_path, lambda cell, *_: told.append(cell))
    assert [cell and (cell.kind, cell.seed) for cell in told] == [
        None,
        ("infrared", 0),
        None,
        ("infrared", 1),
    ]
    assert [(cell.kind, cell.seed) for cell in cells] == [
        ("visible", 0),
        ("visible", 1),
        ("infrared", 0),
        ("infrared", 1),
    ]
    again = []
    changed = [Kind("visible", True, stamp="other images"), kinds[1]]
    compare(experiment, dataset, changed, tmp_path, lambda cell, *_: again.append(cell))
    assert [cell and cell.kind for cell in again] == ["visible", None, "visible", None]


def test_another_protocol_is_refused_and_more_seeds_are_not(root, tmp_path):
    experiment, dataset = begun(root, seeds=[0])
    kinds = [source_kind("infrared", True)]
    compare(experiment, dataset, kinds, tmp_path)
    more, _ = begun(root, seeds=[0, 1], run={"device": "cpu", "precision": "bf16"})
    assert len(compare(more, dataset, kinds, tmp_path)) == 2
    other, _ = begun(root, training=steps(3))
    with pytest.raises(UserError, match=r"another protocol \(training differ\)"):
        compare(other, dataset, kinds, tmp_path)


def test_a_network_learns_what_the_infrared_shows_and_the_noise_does_not(root, tmp_path):
    training = steps(40, decay="cosine")
    experiment, dataset = begun(root, network="segformer", seeds=[0], training=training)
    kinds = [source_kind("visible", False), source_kind("infrared", False)]
    visible, infrared = compare(experiment, dataset, kinds, tmp_path)
    assert infrared.values["mIoU"] > visible.values["mIoU"] + 0.2
    found = read_found(infrared, dataset.test[1].stem)
    assert found.shape == made.SIZE


def test_a_loss_that_is_no_number_stops_with_a_sentence(root, tmp_path):
    experiment, dataset = begun(root, training=steps(20, lr=1e30))
    with pytest.raises(UserError, match=r"loss is nan at step 1?0.*lower training\.lr"):
        compare(experiment, dataset, [source_kind("infrared", True)], tmp_path)


def test_detection_goes_the_same_way(tmp_path):
    root = made.m3fd(tmp_path)
    run = {"device": "cpu", "workers": 1, "keep_weights": True}
    parts = {"seeds": [0], "run": run, "images": {"size": [64, 64], "zoom": [1, 1.5]}}
    experiment, dataset = begun(root, "m3fd", "rtdetr", **parts)
    (cell,) = compare(experiment, dataset, [source_kind("visible", True)], tmp_path / "out")
    assert list(cell.values)[:3] == ["mAP@0.5", "mAP@0.5:0.95", "AP People"]
    assert cell.images == {}
    assert len(read_found(cell, dataset.test[1].stem).corners) > 0
    assert (cell.folder / "network" / "model.safetensors").is_file()


class Doubled:
    """A method: half of the infrared."""

    name, stamp, folder, calls = "half", "1", None, 0

    def open(self):
        def fuse(pair):
            self.calls += 1
            return pair.infrared / 2

        return fuse


def test_fused_images_are_made_once_and_anew_for_a_new_method(root, tmp_path):
    dataset, method = open_dataset("msrs", root), Doubled()
    kind = fused_kind(method, dataset, False, tmp_path)
    assert method.calls == 6
    scene = dataset.test[0]
    infrared = source_kind("infrared", False).read(scene, "test")
    assert abs(kind.read(scene, "test").astype(int) - infrared / 2).max() <= 0.5
    assert fused_kind(method, dataset, False, tmp_path).stamp == kind.stamp
    assert method.calls == 6
    method.stamp = "2"
    assert fused_kind(method, dataset, False, tmp_path).stamp != kind.stamp
    assert method.calls == 12


def test_the_channels_of_each_kind(root):
    scene = open_dataset("msrs", root).test[0]
    for name, colour, channels in (
        ("infrared", True, 3),
        ("visible", True, 3),
        ("stacked", True, 4),
        ("infrared", False, 1),
        ("visible", False, 1),
        ("stacked", False, 2),
    ):
        kind = source_kind(name, colour)
        assert kind.read(scene, "test").shape == (*made.SIZE, channels)
        assert kind.channels == channels
    stacked = source_kind("stacked", True).read(scene, "test")
    assert (stacked[..., 3:] == source_kind("infrared", False).read(scene, "test")).all()
    assert (stacked[..., :3] == source_kind("visible", True).read(scene, "test")).all()
