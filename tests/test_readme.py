"""Every command and every line of Python that README.md and docs/ show is one that works."""

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

from emma_fusion.cli import app, main
from emma_fusion.media.rasters import read_picture, write_picture
from emma_fusion.networks import UFuser
from emma_fusion.networks.authors import to_authors
from films import write_film

HERE = Path(__file__).resolve().parents[1]
README = HERE / "README.md"
PAGES = [README, *sorted((HERE / "docs").glob("*.md")), *sorted(HERE.glob("src/**/README.md"))]
# Training as README shows it takes hours; with these it takes a second.
SHORT = [
    *("patches.size=32", "patches.stride=32", "sensing.width=4"),
    *("sensing.steps=1", "start.steps=1", "fusion.steps=1"),
    *("sensing.batch=1", "start.batch=1", "fusion.batch=1"),
]


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(page, program):
    """The command lines of a page that call a program, as lists of words."""
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    found = (shlex.split(line, comments=True) for line in lines)
    without_settings = ([w for w in words if not re.match(r"[A-Z_]+=", w)] for words in found)
    return [words[1:] for words in without_settings if words[:1] == [program]]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder in which the files are that README's commands name."""
    rng = np.random.default_rng(0)
    visible = rng.integers(0, 255, (48, 64, 3), np.uint8)
    for folder in ("INFRARED", "VISIBLE", "PET", "MRI", "IR", "VI"):
        picture = visible if folder in ("VISIBLE", "PET", "VI") else visible[..., 0]
        write_picture(tmp_path / folder / "001.png", picture)
    write_picture(tmp_path / "ir.png", visible[..., 0])
    write_picture(tmp_path / "vis.jpg", visible)
    for name in ("thermal", "visible"):
        write_film(tmp_path / f"{name}.mp4", [visible] * 2)
    torch.save(to_authors(UFuser()), tmp_path / "EMMA.pth")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_picture_comes_first_and_is_there():
    found = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert read_picture(HERE / found[0]).shape[1] > 1000
    assert README.read_text(encoding="utf-8").splitlines()[2].startswith("![")


def test_the_python_runs(place):
    visible = read_picture(place / "vis.jpg")
    names = {"infrared": read_picture(place / "ir.png"), "visible": visible}
    assert blocks(README, "python")
    for code in blocks(README, "python"):
        exec(compile(code, README.name, "exec"), names)
    assert names["fused"].shape == visible.shape
    assert names["fused"].dtype == np.uint8


def test_the_commands_run(place, capfd):
    assert len(commands(README, "emma")) > 6
    for words in commands(README, "emma"):
        if words[0] == "train":
            words += [word for setting in SHORT for word in ("--set", setting)]
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code, (words, capfd.readouterr().err)
    made = {path.name for path in place.iterdir()}
    assert {"fused.png", "FUSED", "fused", "theirs.safetensors"} <= made
    assert (place / "runs" / "mine" / "fuser.safetensors").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_exist_with_their_options(page):
    group = typer.main.get_command(app)
    context = group.make_context("emma", [], resilient_parsing=True)
    for words in commands(page, "emma"):
        name, verb, rest = group.resolve_command(context, words)
        verb.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_else_the_commands_name_is_there(page):
    made = re.findall(r"^([a-z-]+):", (HERE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for target in commands(page, "make"):
        assert target[0] in made
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in re.findall(r"\.\[([a-z,]+)\]", "\n".join(blocks(page, "sh"))):
        assert set(extra.split(",")) <= set(project["optional-dependencies"])
    scripts = re.findall(r"\bpython (\S+\.py)\b", page.read_text(encoding="utf-8"))
    assert all((HERE / script).is_file() for script in scripts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert "://" in link or (page.parent / link).exists(), link
