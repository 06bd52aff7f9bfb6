import importlib.util
import json
import logging
import subprocess
import sys

import pytest
import torch

from emma_fusion.errors import UserError
from emma_fusion.runtimes import cache, choice
from emma_fusion.runtimes.choice import choose, fastest, open_runtime

CPU = torch.device("cpu")
HAS_EXTRA = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "openvino"))


def planes(height, width):
    return torch.rand((2, 1, 1, height, width), generator=torch.Generator().manual_seed(3))


@pytest.fixture
def trials(monkeypatch):
    """Three runtimes, of which openvino is measured the fastest; how often it is measured."""
    measured = []

    def measure(runs, threads):
        measured.append(sorted(runs))
        return "openvino"

    names = {"fp32": ["torch", "onnxruntime", "openvino"], "bf16": ["torch", "openvino"]}
    monkeypatch.setattr(choice, "candidates", lambda network, precision: names[precision])
    monkeypatch.setattr(choice, "fastest", measure)
    monkeypatch.setattr(choice, "version", lambda package: "1")
    monkeypatch.setattr(choice, "_open_exported", lambda *arguments: lambda i, v: i)
    return measured


def test_the_choice_is_measured_once_and_remembered(network, cache_home, trials):
    assert [choose(network, CPU, "fp32", 1) for _ in range(2)] == ["openvino"] * 2
    assert trials == [["onnxruntime", "openvino", "torch"]]
    choose(network, CPU, "bf16", 1)
    choose(network, CPU, "fp32", 2)
    assert trials[1:] == [["openvino", "torch"], ["onnxruntime", "openvino", "torch"]]


def test_what_it_does_is_told_to_the_log_and_not_to_stderr(
    network, cache_home, trials, monkeypatch, caplog, capfd
):
    def refuse(network, runtime, precision, threads):
        raise UserError(f"{runtime} is broken here.")

    monkeypatch.setattr(choice, "_open_exported", refuse)
    monkeypatch.setattr(choice, "fastest", lambda runs, threads: "torch")
    with caplog.at_level(logging.INFO, "emma_fusion"):
        assert choose(network, CPU, "fp32", 1) == "torch"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Trying which runtime is the fastest here; once, about a minute."),
        ("WARNING", "The runtime onnxruntime is left out: onnxruntime is broken here."),
        ("WARNING", "The runtime openvino is left out: openvino is broken here."),
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("machine", "capability", "said"),
    [("x86_64", "AVX2", 1), ("AMD64", "DEFAULT", 1), ("x86_64", "AVX512", 0), ("arm64", "SVE", 0)],
)
def test_it_is_said_once_where_bf16_is_emulated(
    network, monkeypatch, caplog, machine, capability, said
):
    monkeypatch.setattr(choice.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    choice._tell_if_emulated.cache_clear()
    for precision in ("fp32", "bf16", "bf16"):
        choice.open_runtime(network, CPU, runtime="torch", precision=precision, threads=1)
    choice._tell_if_emulated.cache_clear()
    assert [r.getMessage() for r in caplog.records] == said * [
        "This processor has no bf16, so PyTorch emulates it: fp32 is faster here."
    ]


def test_the_command_line_prints_it(tmp_path):
    """In a process of its own, whose log is the command line's."""
    program = """
import logging
from emma_fusion.cli.process import set_up_process
set_up_process()
logging.getLogger("emma_fusion.runtimes.choice").info("Trying %s.", "it")
logging.getLogger("emma_fusion.runtimes.choice").debug("unsaid")
logging.getLogger("other").info("unsaid")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "Trying it.\n")


def test_what_has_changed_is_measured_anew(network, cache_home, trials, monkeypatch):
    choose(network, CPU, "fp32", 1)
    monkeypatch.setattr(choice, "version", lambda package: "2")
    choose(network, CPU, "fp32", 1)
    other = type(network)((8, 16))
    choose(other, CPU, "fp32", 1)
    assert len(trials) == 3
    monkeypatch.setattr(cache, "sources_digest", lambda: "changed")
    choose(other, CPU, "fp32", 1)
    assert len(trials) == 4


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', "\x00"])
def test_a_damaged_memory_is_measured_anew(network, cache_home, trials, content):
    choose(network, CPU, "fp32", 1)
    (cache_home / "runtimes.json").write_text(content)
    assert choose(network, CPU, "fp32", 1) == "openvino"
    assert len(trials) == 2
    assert "openvino" in json.loads((cache_home / "runtimes.json").read_text()).values()


def test_a_runtime_that_is_gone_is_not_recalled(network, cache_home, trials, monkeypatch):
    choose(network, CPU, "fp32", 1)
    monkeypatch.setattr(choice, "candidates", lambda network, precision: ["torch"])
    assert choose(network, CPU, "fp32", 1) == "torch"


def test_without_a_cache_folder_it_works_all_the_same(network, tmp_path, trials, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "file"))
    assert cache.writable_folder() is None
    assert choose(network, CPU, "fp32", 1) == "openvino"
    assert (tmp_path / "file").read_text() == "no folder"


def test_the_fastest_is_the_one_of_least_median(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(choice.time, "perf_counter", lambda: clock[0])

    def takes(*seconds):
        left = list(seconds)

        def run(infrared, visible):
            clock[0] += left.pop(0)
            return infrared

        return run

    runs = {
        "a": takes(0, 2, 2, 2, 2, 2),
        "b": takes(9, 1, 1, 1, 9, 9),
        "c": takes(0, 3, 3, 3, 0, 0),
    }
    assert fastest(runs, threads=1) == "b"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"runtime": "tensorrt"}, "must be one of auto, torch, engine, onnxruntime, openvino"),
        ({"runtime": "onnxruntime", "precision": "bf16"}, "ONNX Runtime has no bf16"),
        ({"runtime": "openvino", "precision": "fp16"}, "OpenVINO has no fp16"),
        ({"runtime": "engine", "precision": "fp16"}, "engine has no fp16"),
        ({"runtime": "engine", "device": torch.device("meta")}, "is for the CPU"),
        ({"runtime": "openvino", "device": torch.device("meta")}, "is for the CPU"),
    ],
)
@pytest.mark.skipif(not HAS_EXTRA, reason="the extra runtimes is not installed")
def test_what_does_not_go_together(network, options, said):
    settings = {"device": CPU, "runtime": "torch", "precision": "fp32", "threads": 1} | options
    with pytest.raises(UserError, match=said):
        open_runtime(network, **settings)


@pytest.mark.skipif(not HAS_EXTRA, reason="the extra runtimes is not installed")
def test_the_exported_file_is_kept_and_made_anew_where_damaged(network, cache_home, monkeypatch):
    exports = []

    def counted(*arguments):
        exports.append(arguments[1])
        return original(*arguments)

    original = choice.export
    monkeypatch.setattr(choice, "export", counted)
    expected = network(*planes(24, 32))
    for _ in range(2):
        _, run = open_runtime(network, CPU, runtime="onnxruntime", precision="fp32", threads=1)
        assert (run(*planes(24, 32)) - expected).abs().max() < 1e-4
    assert len(exports) == 1
    exports[0].write_bytes(b"damaged")
    _, run = open_runtime(network, CPU, runtime="onnxruntime", precision="fp32", threads=1)
    assert (run(*planes(24, 32)) - expected).abs().max() < 1e-4
    assert len(exports) == 2


def test_other_sources_are_another_digest(tmp_path, monkeypatch):
    for folder in ("networks", "runtimes"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text("x = 1")
    monkeypatch.setattr(cache, "_PACKAGE", tmp_path)
    digests = []
    for text in ("x = 1", "x = 2", "x = 1"):
        (tmp_path / "runtimes" / "a.py").write_text(text)
        digests.append(cache.sources_digest.__wrapped__())
    assert digests[0] == digests[2] != digests[1]


def test_which_networks_the_engine_is_a_candidate_for(network):
    from emma_fusion.networks.fast import FastFuser

    assert choice.candidates(network, "fp32")[0] == "torch"
    assert "engine" not in choice.candidates(network, "fp16")
    assert "engine" not in choice.candidates(FastFuser((8, 8)), "fp32")
    with pytest.raises(UserError, match="for the U-Fuser only"):
        open_runtime(FastFuser((8, 8)), CPU, runtime="engine", precision="fp32", threads=None)
