import importlib.util

import pytest
import torch

from emma_fusion.cli import main
from emma_fusion.errors import UserError
from emma_fusion.networks.fast import FastFuser
from emma_fusion.networks.weights import save_weights
from emma_fusion.runtimes import export as exporting
from emma_fusion.runtimes.export import export
from emma_fusion.runtimes.exported import open_onnxruntime, open_openvino
from emma_fusion.runtimes.extras import need

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime", "openvino")),
    reason="the extra runtimes is not installed",
)
FACTS = {"model": "tiny", "software": "emma-fusion 0", "licence": "none"}


def planes(height, width):
    return torch.rand((2, 1, 1, height, width), generator=torch.Generator().manual_seed(3))


def apart(network, run, size):
    with torch.inference_mode():
        return (run(*planes(*size)) - network(*planes(*size))).abs().max().item()


@pytest.fixture(scope="module")
def onnx_file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    assert export(network, path, "onnx", FACTS) < 1e-4
    return path


@pytest.fixture(scope="module")
def openvino_file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("openvino") / "tiny.xml"
    assert export(network, path, "openvino", FACTS) < 1e-4
    return path


@pytest.mark.parametrize("size", [(16, 16), (24, 40), (104, 64)])
def test_onnx_at_other_sizes(network, onnx_file, size):
    assert apart(network, open_onnxruntime(onnx_file, "fp32", 1), size) < 1e-4


@pytest.mark.parametrize("size", [(16, 16), (24, 40), (104, 64)])
def test_openvino_at_other_sizes(network, openvino_file, size):
    assert apart(network, open_openvino(openvino_file, "fp32", 1), size) < 1e-4
    assert apart(network, open_openvino(openvino_file, "bf16", 1), size) < 0.03


def test_onnx_is_one_file_that_says_what_it_is(onnx_file):
    import onnx

    assert [path.name for path in onnx_file.parent.iterdir()] == ["tiny.onnx"]
    model = onnx.load(onnx_file, load_external_data=False)
    assert {prop.key: prop.value for prop in model.metadata_props}.items() >= FACTS.items()


def test_openvino_says_what_it_is(openvino_file):
    import openvino

    model = openvino.Core().read_model(openvino_file)
    assert {key: str(model.get_rt_info(["emma", key]).value) for key in FACTS} == FACTS
    assert {path.name for path in openvino_file.parent.iterdir()} == {"tiny.xml", "tiny.bin"}


@pytest.mark.parametrize(("kind", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml")])
def test_a_fast_network_is_exported_too(tmp_path, kind, suffix):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = FastFuser((8, 8)).eval()
    assert export(network, tmp_path / f"fast{suffix}", kind, FACTS) < 1e-4


def test_damaged_files_are_one_sentence(onnx_file, openvino_file, tmp_path):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(onnx_file.read_bytes()[:2000])
    for opener in (open_onnxruntime, open_openvino):
        with pytest.raises(UserError, match=r"damaged\.onnx cannot be opened.*export it anew"):
            opener(damaged, "fp32", 1)
    alone = tmp_path / "alone.xml"
    alone.write_bytes(openvino_file.read_bytes())
    with pytest.raises(UserError, match="cannot be opened"):
        open_openvino(alone, "fp32", 1)
    with pytest.raises(UserError, match="There is no exported model"):
        open_onnxruntime(tmp_path / "none.onnx", "fp32", 1)


def test_what_differs_is_not_written(network, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "compare", lambda network, run: float("nan"))
    with pytest.raises(UserError, match="nothing was written"):
        export(network, tmp_path / "tiny.onnx", "onnx", FACTS)
    assert list(tmp_path.iterdir()) == []


def test_the_command_refuses_before_it_works(network, tmp_path, capsys):
    weights = tmp_path / "tiny.safetensors"
    save_weights(network, weights)
    (tmp_path / "there.onnx").write_text("mine")
    for target, said in (("there.onnx", "--overwrite"), ("wrong.bin", r"must end in .onnx")):
        with pytest.raises(SystemExit) as ended:
            main(["export", "onnx", "--model", str(weights), "-o", str(tmp_path / target)])
        assert ended.value.code == 2
        assert said in capsys.readouterr().err
    assert (tmp_path / "there.onnx").read_text() == "mine"


def test_without_the_extra_one_sentence_names_it():
    with pytest.raises(UserError, match="install the extra `runtimes`"):
        need("no_such_engine")
