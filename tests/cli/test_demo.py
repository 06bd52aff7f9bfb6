"""emma demo, with a network that was never trained."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from emma_fusion import demo as scene
from emma_fusion.cli import main
from emma_fusion.cli.demo import SceneName
from emma_fusion.images.raster import read_image
from emma_fusion.networks import UFuser
from emma_fusion.networks.weights import save_weights

NAMES = {"infrared.png", "visible.png", "fused.png", "sheet.png"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_weights(UFuser(), path)
    return path


@pytest.fixture(autouse=True)
def _small_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing and fusing the full size is no other code, only slower."""
    full = scene.render_scene
    monkeypatch.setattr(scene, "render_scene", lambda *size, **rest: full(96, 128, **rest))


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as exit_:
        main(["demo", *map(str, arguments)])
    return exit_.value.code


def test_four_images_are_written_and_named(model: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "deep" / "demo"
    assert run("-o", folder, "--model", model) == 0
    assert {path.name for path in folder.iterdir()} == NAMES
    infrared, visible, fused = (
        read_image(folder / f"{name}.png") for name in ("infrared", "visible", "fused")
    )
    drawn = scene.render_scene(480, 640, seed=0)
    assert (infrared == drawn[0]).all()
    assert (visible == drawn[1]).all()
    assert fused.shape == visible.shape
    assert fused.dtype == visible.dtype
    sheet = read_image(folder / "sheet.png")
    assert sheet.shape[1] > 3 * visible.shape[1]
    said = capsys.readouterr().out
    assert all(str(folder / name) in said for name in NAMES)

    assert run("-o", folder, "--model", model) == 2
    assert "--overwrite" in capsys.readouterr().err
    before = (folder / "infrared.png").read_bytes()
    assert run("-o", folder, "--model", model, "--overwrite", "--seed", 1) == 0
    assert (folder / "infrared.png").read_bytes() != before


def test_nothing_is_left_behind_without_weights(tmp_path: Path, capsys) -> None:
    assert run("-o", tmp_path / "demo", "--model", tmp_path / "absent.safetensors") == 2
    assert not (tmp_path / "demo").exists()
    assert "absent.safetensors" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path, capsys) -> None:
    (tmp_path / "demo").write_text("mine")
    assert run("-o", tmp_path / "demo") == 2
    assert (tmp_path / "demo").read_text() == "mine"
    assert "is a file" in capsys.readouterr().err


def test_all_scenes_have_a_folder_each(model: Path, tmp_path: Path, capsys) -> None:
    assert run("-o", tmp_path / "demo", "--scene", "all", "--model", model) == 0
    assert {path.name for path in (tmp_path / "demo").iterdir()} == set(scene.SCENES)
    said = capsys.readouterr().out
    for name, drawn in scene.SCENES.items():
        written = {path.stem for path in (tmp_path / "demo" / name).iterdir()}
        assert written == {*drawn.names, "fused", "sheet"}
        assert all(look in said for look in drawn.look)


def test_the_brain_is_fused_in_the_colours_of_pet(model: Path, tmp_path: Path) -> None:
    assert run("-o", tmp_path / "demo", "--scene", "brain", "--model", model) == 0
    pet, mri, fused = (read_image(tmp_path / "demo" / f"{n}.png") for n in ("pet", "mri", "fused"))
    assert pet.shape == fused.shape == (96, 128, 3)
    assert mri.shape == (96, 128)
    redness = pet[..., 0].astype(int) - pet[..., 2]
    hot = np.unravel_index(np.argmax(redness), mri.shape)
    assert int(fused[hot][0]) > int(fused[hot][2]) + 50


def test_the_names_on_the_command_line_are_those_of_the_scenes() -> None:
    assert get_args(SceneName) == (*scene.SCENES, "all")


def test_an_unknown_scene_is_refused(tmp_path: Path, capsys) -> None:
    assert run("-o", tmp_path / "demo", "--scene", "moon") == 2
    assert "street" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
