import numpy as np
import pytest
import torch

from emma_fusion.cli import main
from emma_fusion.fuser import Fuser
from emma_fusion.networks import UFuser
from emma_fusion.networks.authors import to_authors


@pytest.fixture
def checkpoint(tmp_path):
    """A file in the authors' form, its tensors random, and the network it holds."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UFuser()
    torch.save(to_authors(network), tmp_path / "EMMA.pth")
    return tmp_path / "EMMA.pth", network


def code_of(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def test_an_imported_checkpoint_fuses_as_the_network_it_holds(checkpoint, tmp_path):
    file, network = checkpoint
    output = tmp_path / "theirs.safetensors"
    assert code_of("import-checkpoint", file, "-o", output) == 0
    rng = np.random.default_rng(0)
    infrared, visible = rng.random((2, 32, 40), np.float32)
    expected = Fuser(network)(infrared, visible)
    assert np.array_equal(Fuser.from_pretrained(output)(infrared, visible), expected)


def test_bad_input_leaves_nothing_behind(checkpoint, tmp_path, capsys):
    file, network = checkpoint
    output = tmp_path / "out.safetensors"
    assert code_of("import-checkpoint", tmp_path / "none.pth", "-o", output) == 2
    assert "no checkpoint" in capsys.readouterr().err
    file.write_bytes(file.read_bytes()[:1000])
    assert code_of("import-checkpoint", file, "-o", output) == 2
    said = capsys.readouterr().err
    assert "cannot be read" in said
    assert "weights_only" not in said  # PyTorch's advice to run the file's code is not passed on
    for state, complaint in [
        ({1: torch.zeros(3)}, "does not hold a flat state dict"),
        (to_authors(network) | {"last.0.bias": torch.full((1,), torch.nan)}, "NaN or infinite"),
    ]:
        torch.save(state, file)
        assert code_of("import-checkpoint", file, "-o", output) == 2
        assert complaint in capsys.readouterr().err
    torch.save(to_authors(network), file)
    assert code_of("import-checkpoint", file, "-o", file / "out.safetensors") == 2
    assert "EMMA.pth" in capsys.readouterr().err
    assert code_of("import-checkpoint", file, "-o", tmp_path / "out.pth") == 2
    assert ".safetensors" in capsys.readouterr().err
    output.write_text("mine")
    assert code_of("import-checkpoint", file, "-o", output) == 2
    assert "exists: write to another file" in capsys.readouterr().err
    assert output.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"EMMA.pth", "out.safetensors"}
