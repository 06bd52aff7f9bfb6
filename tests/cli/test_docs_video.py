"""Every command of the pages on videos, as it stands there."""

import re
import shlex
from pathlib import Path

import pytest

from emma_fusion.cli import main
from emma_fusion.images.raster import write_image
from emma_fusion.video.reading import VideoFile
from videos import image, write_video

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, SCORES = DOCS / "video.md", DOCS / "video-scores.md"


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_pages_are_right(tmp_path, monkeypatch, capfd, model):
    monkeypatch.chdir(tmp_path)
    frames = [image(number, (32, 48)) for number in range(5)]
    write_video("thermal.mp4", frames)
    write_video("visible.mp4", frames, sound=True)
    for number, pixels in enumerate(frames):
        write_image(tmp_path / f"THERMAL/{number}.png", pixels)
        write_image(tmp_path / f"VISIBLE/{number}.png", pixels)
    code = "".join(blocks(PAGE, "sh") + blocks(SCORES, "sh"))
    lines = [shlex.split(line, comments=True) for line in code.splitlines()]
    commands = [words[1:] for words in lines if words[:1] == ["emma"]]
    assert len(commands) == 11
    for words in commands:
        if "--live" in words:  # the cameras are not here
            continue
        if words[0] == "bench":  # the model by its file, and the scores that are quick
            words = [str(model) if word == "base" else word for word in words]
            words += ["--metrics", "EN", "--processes", "1"]
        else:
            words = [*words, "--model", str(model)]
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code, (words, capfd.readouterr().err)
    assert VideoFile("folders.mp4").rate == 30
    assert len(list(Path("FRAMES").glob("*.png"))) == 5
    names = {}
    for code in blocks(PAGE, "python"):
        exec(compile(code, PAGE.name, "exec"), names)
    assert names["record"]["model"] == "small.safetensors"
    assert "BiSWE" in Path("SCORES2/tables.md").read_text(encoding="utf-8")
