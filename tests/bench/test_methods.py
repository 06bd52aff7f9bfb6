"""Finding methods, and checking what functions of other people return."""

import importlib.metadata
import pickle

import numpy as np
import pytest

from emma_fusion import baselines, models
from emma_fusion.bench import ENTRY_POINTS, open_methods
from emma_fusion.errors import UserError
from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import save_weights
from emma_fusion.pair import Pair

PAIR = Pair(np.full((16, 16), 0.25, np.float32), np.full((16, 16), 0.5, np.float32))


def half(infrared, visible):
    return (infrared + visible) / 2


def run(method):
    return method.open()(PAIR)


def test_baselines_are_one_word_and_travel_to_other_processes():
    methods = open_methods(["baselines"])
    assert [method.name for method in methods] == list(baselines.BASELINES)
    for method in methods:
        assert method.portable
        fuse = pickle.loads(pickle.dumps(method.open()))
        assert fuse(PAIR).shape == (16, 16)


def test_a_name_before_a_method_names_its_row():
    (method,) = open_methods(["mean of both=average"])
    assert method.name == "mean of both"
    assert run(method) == pytest.approx(0.375)


def test_weights_and_the_folder_of_a_run(tmp_path):
    weights = tmp_path / "night" / models.FUSER
    save_weights(UFuser(), weights)
    one, other = open_methods([str(weights), f"other={weights.parent}"], "cpu")
    assert (one.name, other.name) == ("night", "other")
    assert one.stamp == other.stamp
    fused = run(one)
    assert fused.shape == (16, 16)
    assert fused.dtype == np.float32
    save_weights(UFuser(), weights)  # other random weights
    assert open_methods([str(weights)])[0].stamp != one.stamp


def test_a_folder_is_taken_by_dataset_where_it_has_one(tmp_path):
    (tmp_path / "theirs" / "msrs").mkdir(parents=True)
    (method,) = open_methods([f"folder:{tmp_path / 'theirs'}"])
    assert method.name == "theirs"
    assert method.folder_of("msrs") == tmp_path / "theirs" / "msrs"
    assert method.folder_of("tno") == tmp_path / "theirs"


def test_a_function_by_its_module():
    (method,) = open_methods(["numpy:maximum"])
    assert method.name == "maximum"
    assert run(method) == pytest.approx(0.5)


def test_a_function_by_an_entry_point(monkeypatch):
    point = importlib.metadata.EntryPoint("theirs", "numpy:minimum", ENTRY_POINTS)

    def entry_points(group, name):
        return [point] if (group, name) == (ENTRY_POINTS, "theirs") else []

    monkeypatch.setattr("emma_fusion.bench.methods.entry_points", entry_points)
    (method,) = open_methods(["theirs"])
    assert method.name == "theirs"
    assert run(method) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("numpy:equal", "bool"),
        ("numpy:subtract", "-0.25"),
        ("numpy:dot", r"2 to 2|\[0, 1\]"),
        ("numpy:outer", "shape"),
    ],
)
def test_what_a_function_returns_is_checked(target, word):
    (method,) = open_methods([target])
    with pytest.raises(UserError, match=word):
        run(method)


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        (["nobody"], "average"),
        (["folder:nowhere"], "does not exist"),
        (["numpy:nothing"], "could not be imported"),
        (["no_such_module:function"], "could not be imported"),
        (["numpy:pi"], "not a function"),
        (["average", "average"], "other=average"),
        (["a/b=average"], "no method"),
        (["a|b=average"], "letters"),
    ],
)
def test_bad_methods_are_a_sentence(texts, word):
    with pytest.raises(UserError, match=word):
        open_methods(texts)


def test_a_folder_of_images_is_told_from_a_run(folders):
    with pytest.raises(UserError, match="write folder:"):
        open_methods([str(folders / "ir")])
