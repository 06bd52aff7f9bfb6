"""From variants to runs: what is shared, what is refused."""

import shutil
from pathlib import Path

import pytest
import yaml

from emma_fusion.errors import UserError
from emma_fusion.experiments.ablation import (
    check_files,
    judged_stems,
    load_ablation,
    places,
    plan,
    run_folder,
    train_all,
)
from emma_fusion.training.config import Robust, load_config

from ..training.conftest import pairs, tiny  # noqa: F401


@pytest.fixture
def settings(tiny, pairs):  # noqa: F811
    tiny["pairs"][0]["validation"] = 0
    classical = [tiny["pairs"][0] | {"methods": ["average"]}]
    return {
        "seeds": [0, 1],
        "training": tiny,
        "variants": {
            "full": {},
            "no-sensing": {"fusion.sense": False},
            "alpha-1": {"fusion.alpha": 1},
            "convolution": {"network.branches": "convolution"},
            "classical": {"pairs": classical},
        },
        "judged": {"infrared": str(pairs / "ir"), "visible": str(pairs / "vi")},
    }


def load(settings, tmp_path):
    file = tmp_path / "ablation.yaml"
    file.write_text(yaml.safe_dump(settings))
    return load_ablation(file)


def test_sensing_and_start_are_trained_once_for_all_that_share_them(settings, tmp_path):
    tasks = plan(load(settings, tmp_path), tmp_path / "out")
    assert len({task.folder for task in tasks}) == len(tasks)
    kinds = [task.name.split()[0] for task in tasks if task.folder.parent.name == "shared"]
    assert sorted(kinds) == ["sensing"] * 4 + ["start"] * 6  # 2 data or 3 beginnings, 2 seeds
    by_folder = {task.folder: task for task in tasks}
    begins = {}
    for variant in settings["variants"]:
        task = by_folder[run_folder(tmp_path / "out", variant, 0)]
        config = task.config
        assert (config.sensing.steps, config.start.steps, config.fusion.steps) == (0, 0, 6)
        assert Path(config.init) == task.needs
        begins[variant] = task.needs
    assert begins["full"] == begins["no-sensing"] == begins["alpha-1"]
    assert len(set(begins.values())) == 3
    start, plain = by_folder[begins["convolution"]], by_folder[begins["full"]]
    assert start.needs == plain.needs == Path(start.config.sensing.init)
    assert start.config.network.branches == "convolution"
    assert (start.config.sensing.steps, start.config.start.steps) == (0, 4)
    assert start.config.fusion.steps == 0
    sensing = by_folder[start.needs]
    assert sensing.needs is None
    assert (sensing.config.sensing.steps, sensing.config.start.steps) == (6, 0)
    assert sensing.config.fusion.steps == 0


def test_every_run_comes_after_the_one_that_it_needs(settings, tmp_path):
    tasks = plan(load(settings, tmp_path), tmp_path / "out")
    seen = set()
    for task in tasks:
        assert task.needs is None or task.needs in seen
        seen.add(task.folder)


def test_keys_tell_settings_apart_and_not_places(settings, tmp_path):
    ablation = load(settings, tmp_path)
    one, two = plan(ablation, tmp_path / "one"), plan(ablation, tmp_path / "two")
    assert [task.key for task in one] == [task.key for task in two]
    assert len({task.key for task in one}) == len(one)
    settings["training"]["sensing"]["lr"] *= 2
    other = plan(load(settings, tmp_path), tmp_path / "one")
    assert not {task.key for task in one} & {task.key for task in other}


def test_a_setting_that_is_as_by_default_keeps_the_keys(settings, tmp_path):
    """So that results stay those of their configuration when a version adds a setting."""

    def keys():
        return {task.name: task.key for task in plan(load(settings, tmp_path), tmp_path / "out")}

    before = keys()
    settings["training"]["fusion"]["direct"] = 0.0
    settings["training"]["sensing"]["robust"] = Robust().model_dump()
    assert keys() == before
    settings["training"]["fusion"]["direct"] = 0.5
    changed = {name for name, key in keys().items() if before.get(name) != key}
    assert changed == {name for name in before if not name.startswith(("sensing", "start"))}


def test_weights_to_go_on_from_leave_nothing_to_share(settings, tmp_path):
    settings["training"]["init"] = "base"
    del settings["variants"]["convolution"]
    tasks = plan(load(settings, tmp_path), tmp_path / "out")
    assert len(tasks) == 8
    assert all(task.needs is None and task.config.init == "base" for task in tasks)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seeds": []}, "seeds"),
        ({"seeds": [3, 3]}, "A seed occurs twice"),
        ({"seed": 1}, "seed is not a setting; do you mean seeds"),
        ({"reference": "whole"}, "names whole, which is none of its variants: "),
        ({"claims": [{"claim": "x", "better": "full", "than": ["fewer"]}]}, "names fewer"),
        ({"variants": {"full": {}, "a/b": {}}}, "variants"),
        ({"variants": {"full": {}, "odd": {"fusion.alfa": 1}}}, "Variant odd: The training"),
        ({"variants": {"full": {}, "long": {"fusion.steps": 7}}}, "long has another budget than"),
        ({"judged": {"infrared": "nowhere", "visible": "nowhere"}}, "nowhere does not exist"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(settings, tmp_path, change, sentence):
    with pytest.raises(UserError) as error:
        load(settings | change, tmp_path)
    assert sentence in str(error.value)


def test_pairs_whose_names_differ_are_trained_on_and_judged(settings, tmp_path):
    for kind, mark in (("infrared", "north-"), ("visible", "")):
        (tmp_path / kind).mkdir()
        for path in Path(settings["judged"][kind]).iterdir():
            shutil.copy(path, tmp_path / kind / f"{mark}{path.name}")
    folders = {kind: str(tmp_path / kind) for kind in ("infrared", "visible")}
    settings["training"]["pairs"][0] |= folders
    settings["judged"] = dict(folders)
    with pytest.raises(UserError, match="No pairs"):
        load(settings, tmp_path)
    settings["training"]["pairs"][0]["match"] = settings["judged"]["match"] = "north-*=*"
    ablation = load(settings, tmp_path)
    assert judged_stems(ablation) == list("abcde")
    first = ablation.configuration("full", 0).pairs[0].matched()[0][0]
    assert first == ("a", tmp_path / "infrared" / "north-a.png", tmp_path / "visible" / "a.png")


def test_only_what_the_training_keeps_out_is_judged(settings, tmp_path):
    stems = judged_stems(load(settings, tmp_path))
    settings["judged"]["held_out"] = True
    with pytest.raises(UserError, match="keeps none out"):
        load(settings, tmp_path)
    settings["training"]["pairs"][0]["held_out"] = [stems[1]]
    assert judged_stems(load(settings, tmp_path)) == [stems[1]]


def test_budgets_may_differ_where_the_settings_say_so(settings, tmp_path):
    settings["variants"]["long"] = {"fusion.steps": 7}
    settings["equal_budgets"] = False
    assert "long" in load(settings, tmp_path).variants


def test_a_folder_of_teachers_that_is_not_there_is_found_early(settings, tmp_path):
    settings["training"]["pairs"][0]["teachers"] = [str(tmp_path / "none")]
    with pytest.raises(UserError, match="none does not exist"):
        load(settings, tmp_path)


def test_a_run_of_other_settings_is_not_gone_on_with(settings, tmp_path):
    ablation = load(settings, tmp_path)
    (task,) = [t for t in plan(ablation, tmp_path / "out") if t.name == "alpha-1, seed 1"]
    task.folder.mkdir(parents=True)
    saved = task.folder / "config.yaml"
    saved.write_text(yaml.safe_dump(yaml.safe_load(task.config.model_dump_json())))
    assert load_config(file=saved).fusion.alpha == 1
    plan(ablation, tmp_path / "out")
    settings["variants"]["alpha-1"]["fusion.alpha"] = 2
    with pytest.raises(UserError, match="begun with other settings"):
        plan(load(settings, tmp_path), tmp_path / "out")


def test_places_share_the_cores(monkeypatch):
    import torch

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert places(None, "cpu", 8) == [{"OMP_NUM_THREADS": "8"}]
    assert places(3, "cpu", 8) == [{"OMP_NUM_THREADS": "2"}] * 3
    assert places(4, "cpu", 2)[0] == {"OMP_NUM_THREADS": "1"}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [p["CUDA_VISIBLE_DEVICES"] for p in places(None, "auto", 8)] == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert [p["CUDA_VISIBLE_DEVICES"] for p in places(3, "cuda", 8)] == ["5", "7", "5"]
    assert len(places(None, "cpu", 8)) == 1


def test_a_run_that_fails_costs_only_those_that_need_it(settings, tmp_path):
    settings["seeds"] = [0]
    settings["variants"] = {"full": {}, "given": {}}
    for stage in ("sensing", "start", "fusion"):
        settings["training"][stage]["steps"] = 1
    tasks = plan(load(settings, tmp_path), tmp_path / "out")
    sensing = next(task for task in tasks if task.name.startswith("sensing"))
    sensing.config.pairs[0].infrared = tmp_path / "gone"
    said = []
    failures = train_all(
        tasks, [{"OMP_NUM_THREADS": "1"}], "cpu", lambda task, why, _: said.append((task.name, why))
    )
    assert set(failures) == {task.name for task in tasks}
    assert "gone does not exist" in failures[sensing.name]
    assert "log.txt" in failures[sensing.name]
    assert "has failed" in failures["full, seed 0"]
    assert len(said) == 4


def test_all_bad_pairs_are_named_before_hours_of_training(settings, pairs, tmp_path):  # noqa: F811
    shutil.copytree(pairs, tmp_path / "judged")
    for stem in "bc":
        (tmp_path / "judged" / "vi" / f"{stem}.png").write_bytes(b"")
    judged = {s: tuple(tmp_path / "judged" / k / f"{s}.png" for k in ("ir", "vi")) for s in "abcde"}
    ablation = load(settings, tmp_path)
    with pytest.raises(UserError, match=r"^2 of 10 pairs cannot be used\. Mend or remove them"):
        check_files(ablation, judged)
    good = {stem: judged[stem] for stem in "ade"}
    check_files(ablation, good)
