"""emma bench on videos: unpacking, pairing of a fused video, BiSWE and MS2R."""

import csv
from fractions import Fraction

import numpy as np
import pytest

from emma_fusion.bench.videos import unpack
from emma_fusion.cli import main
from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.metrics.temporal import bidirectional_warping_error, motion_smoothness
from emma_fusion.video.reading import VideoFile
from emma_fusion.video.writing import VideoWriter
from videos import image, write_video

VISIBLE = [image(number, (32, 48)) for number in range(5)]
INFRARED = [image(number, (32, 48), seed=1) for number in range(5)]


@pytest.fixture
def emma(tmp_path, capsys, monkeypatch):
    """Run emma bench where the videos are: stdout, and what went to stderr."""
    monkeypatch.chdir(tmp_path)
    write_video("ir.mp4", INFRARED)
    write_video("vis.mp4", VISIBLE)

    def run(*arguments, code=0):
        with pytest.raises(SystemExit) as stop:
            main(["bench", *arguments, "-o", "out", "--metrics", "EN", "--processes", "1"])
        said = capsys.readouterr()
        assert (stop.value.code or 0) == code, said.err
        return said.out + said.err

    return run


def rows(path):
    with open(path, newline="") as file:
        return {row["method"]: row for row in csv.DictReader(file)}


def test_videos_have_temporal_scores(emma, tmp_path):
    write_video("fused.mp4", VISIBLE[1:], times=["0.04", "0.08", "0.12", "0.16"])
    said = emma("average", "whole=vis.mp4", "short=fused.mp4", "-d", "street=ir.mp4,vis.mp4")
    assert "As videos" in said
    assert "short: 1 of 5 images have no score" in said
    assert "short: without all frames" in said
    found = rows("out/temporal.csv")
    assert set(found) == {"average", "whole"}
    folder = tmp_path / "out/frames"
    names = [f"{n:06}.png" for n in range(1, 6)]
    assert sorted(p.name for p in (folder / "street/infrared").iterdir()) == names
    assert sorted(p.name for p in (folder / "short").glob("*.png")) == names[1:]  # by its times
    # the values are those of the metrics themselves on these frames
    planes = [
        [read_image(folder / place / name).astype(float) @ (0.299, 0.587, 0.114) for name in names]
        for place in ("whole", "street/infrared", "street/visible")
    ]
    frames = [[np.rint(plane).astype(np.uint8) for plane in video] for video in planes]
    values = bidirectional_warping_error(*frames), motion_smoothness(*frames)
    assert float(found["whole"]["BiSWE"]) == pytest.approx(values[0], abs=0.05)
    assert float(found["whole"]["MS2R"]) == pytest.approx(values[1], abs=0.05)
    for file in ("tables.md", "report.html"):
        text = (tmp_path / "out" / file).read_text("utf-8")
        assert "BiSWE" in text
        assert f"{float(found['average']['BiSWE']):.3f}" in text
    stamp = (folder / "street/infrared/000001.png").stat().st_mtime_ns
    emma("average", "-d", "street=ir.mp4,vis.mp4")  # nothing is unpacked twice
    assert (folder / "street/infrared/000001.png").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("begins", [0, 3600])
def test_a_fused_video_that_begins_later_keeps_its_frames_numbers(tmp_path, begins):
    """As `emma fuse` writes it where the infrared video began two frames later."""
    times = [begins + Fraction(n, 25) for n in range(5)]
    write_video(tmp_path / "ir.mkv", INFRARED, times=times)
    write_video(tmp_path / "vis.mkv", VISIBLE, times=times)
    with VideoWriter(tmp_path / "fused.mkv", (32, 48), Fraction(25)) as made:
        for frame in list(VideoFile(tmp_path / "vis.mkv"))[2:]:
            made.write(frame.image, frame.time)
    write_video(tmp_path / "others.mkv", VISIBLE)  # another program's, which begins at 0
    data = [f"a={tmp_path / 'ir.mkv'},{tmp_path / 'vis.mkv'}"]
    unpack(data, [f"ours={tmp_path / 'fused.mkv'}", f"theirs={tmp_path / 'others.mkv'}"], tmp_path)
    names = [f"{n:06}.png" for n in range(1, 6)]
    folder = tmp_path / "frames"
    assert sorted(p.name for p in (folder / "ours").glob("*.png")) == names[2:]
    assert sorted(p.name for p in (folder / "theirs").glob("*.png")) == names
    write_video(tmp_path / "late.mkv", VISIBLE, times=[begins + 100 + n for n in range(5)])
    with pytest.raises(UserError, match="has no frame at the times of"):
        unpack(data, [f"late={tmp_path / 'late.mkv'}"], tmp_path)
    assert np.abs(read_image(folder / "ours/000003.png").astype(float) - VISIBLE[2]).mean() < 6


def test_frames_are_ordered_by_their_whole_names(emma, tmp_path):
    for number, (i, v) in enumerate(zip(INFRARED, VISIBLE, strict=True)):
        stem = f"130503110{2 + (number + 8) // 10}.{(number + 8) % 10}75304"  # past a second
        for side, pixels in (("ir", i), ("vi", v), ("irn", i), ("vin", v)):
            write_image(tmp_path / side / f"{number if 'n' in side else stem}.png", pixels)
    emma("average", "-d", "street=ir,vi", "--video")
    by_time = float(rows("out/temporal.csv")["average"]["BiSWE"])
    emma("average", "-d", "street=irn,vin", "--video")
    assert float(rows("out/temporal.csv")["average"]["BiSWE"]) == by_time


def test_folders_are_videos_where_told(emma, tmp_path):
    for number, (i, v) in enumerate(zip(INFRARED, VISIBLE, strict=True), 7):
        write_image(tmp_path / f"ir/{number}.png", i)  # 10 comes after 9, not after 1
        write_image(tmp_path / f"vi/{number}.png", v)
    assert "As videos" not in emma("average", "-d", "street=ir,vi")
    assert "As videos" in emma("average", "-d", "street=ir,vi", "--video")
    in_order = float(rows("out/temporal.csv")["average"]["BiSWE"])
    for number in range(7, 12):
        for side in ("ir", "vi"):
            (tmp_path / f"{side}/{number}.png").rename(tmp_path / f"{side}/{number:02}.png")
    emma("average", "-d", "street=ir,vi", "--video")
    assert float(rows("out/temporal.csv")["average"]["BiSWE"]) == in_order
    assert "needs 4 frames" in emma("average", "-d", "street=ir,vi", "--video", "--limit", "3")


def test_what_cannot_be_unpacked(emma, tmp_path):
    assert "does not exist" in emma("average", "-d", "street=ir.mp4,none.mp4", code=2)
    with pytest.raises(UserError, match="a video and a folder"):
        unpack(["street=ir.mp4,vi"], [], tmp_path)
    with pytest.raises(UserError, match="needs one dataset"):
        unpack(["street=ir,vi"], ["vis.mp4"], tmp_path)
    with pytest.raises(UserError, match="used for files"):
        unpack(["../x=ir.mp4,vis.mp4"], [], tmp_path)


def test_a_deep_video_comes_with_a_held_range(tmp_path):
    counts = [7000 + 4 * p[..., 0].astype(np.uint16) for p in INFRARED]
    write_video(tmp_path / "ir.mkv", counts, codec="ffv1", pix_fmt="gray16le", options={})
    write_video(tmp_path / "vis.mp4", VISIBLE)
    unpack([f"a={tmp_path / 'ir.mkv'},{tmp_path / 'vis.mp4'}"], [], tmp_path)
    first = read_image(tmp_path / "frames/a/infrared/000001.png")
    assert first.dtype == np.uint8
    assert first.max() - first.min() > 240
