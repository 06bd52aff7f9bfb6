"""Videos through the command line."""

import os
import re
import signal
import subprocess
import sys
import time
from fractions import Fraction
from functools import partial

import av
import cv2
import numpy as np
import pytest

from emma_fusion.align.geometry import shift
from emma_fusion.align.registration import Alignment
from emma_fusion.cli import main
from emma_fusion.demo import render_scene
from emma_fusion.fuser import Fuser
from emma_fusion.images.raster import read_image, write_image
from emma_fusion.images.record import read_record
from emma_fusion.jobs import video
from emma_fusion.video import live
from emma_fusion.video.following import FollowedAlignment
from emma_fusion.video.reading import VideoFile
from emma_fusion.video.writing import read_video_record
from videos import damage, image, write_video

VISIBLE = [image(number) for number in range(12)]
INFRARED = [image(2 * number, seed=1)[..., 0] for number in range(6)]


@pytest.fixture
def emma(capfd, model, monkeypatch):
    """Run `emma fuse` with a network that says what the infrared says."""
    monkeypatch.setattr(Fuser, "fuse_luminance", lambda self, pair, progress=None: pair.infrared)

    def run(*arguments, code=0):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["fuse", *map(str, arguments), "--model", str(model)])
        said = capfd.readouterr()
        assert (end.value.code or 0) == code, said.err
        assert said.out == ""
        return said.err

    return run


@pytest.fixture
def videos(tmp_path):
    """A thermal video of half the visible video's rate."""
    write_video(tmp_path / "ir.mp4", [np.dstack([p] * 3) for p in INFRARED], rate=Fraction(25, 2))
    write_video(tmp_path / "vis.mp4", VISIBLE, sound=True)
    return tmp_path / "ir.mp4", tmp_path / "vis.mp4"


@pytest.fixture
def folders(tmp_path):
    for number in range(1, 7):
        write_image(tmp_path / f"ir/{number:03}.png", INFRARED[number - 1])
        write_image(tmp_path / f"vi/{number:03}.png", VISIBLE[number - 1])
    return tmp_path / "ir", tmp_path / "vi"


def grey(frame):
    return frame.image.astype(float) @ (0.299, 0.587, 0.114)


def test_two_videos_into_one(emma, videos, tmp_path):
    out = tmp_path / "made" / "fused.mp4"
    said = emma(*videos, "-o", out)
    assert "Fused 12 frames" in said
    assert "frames a second" in said
    fused = VideoFile(out)
    assert (fused.rate, fused.time_base) == (25, VideoFile(videos[1]).time_base)
    frames = list(fused)
    assert [frame.time for frame in frames] == [frame.time for frame in VideoFile(videos[1])]
    for number, frame in enumerate(frames):
        assert np.abs(grey(frame) - INFRARED[number // 2]).mean() < 6  # paired by time
    # the colour is the visible's: its green stands out of its blue as before
    chroma = np.mean([f.image[..., 1].astype(float) - f.image[..., 2] for f in frames])
    assert chroma == pytest.approx(
        np.mean([p[..., 1].astype(float) - p[..., 2] for p in VISIBLE]), abs=4
    )
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    record = read_video_record(out)
    assert record["model"] == "small.safetensors"
    assert record["software"].startswith("emma-fusion")
    assert (record["infrared"]["name"], record["visible"]["name"]) == ("ir.mp4", "vis.mp4")
    assert [path.name for path in out.parent.iterdir()] == ["fused.mp4"]


def test_nothing_is_replaced_without_being_told(emma, videos, tmp_path):
    out = tmp_path / "fused.mp4"
    out.write_text("precious")
    assert "--overwrite" in emma(*videos, "-o", out, code=2)
    assert out.read_text() == "precious"
    assert "one of the inputs" in emma(*videos, "-o", videos[1], "--overwrite", code=2)
    emma(*videos, "-o", out, "--overwrite", "--frames", 2)
    assert len(list(VideoFile(out))) == 2


@pytest.mark.parametrize(
    ("layout", "width"), [("fused", 96), ("side-by-side", 288), ("picture-in-picture", 96)]
)
def test_layouts(emma, videos, tmp_path, layout, width):
    out = tmp_path / "fused.mkv"
    emma(*videos, "-o", out, "--layout", layout, "--frames", 3)
    frames = list(VideoFile(out))
    assert len(frames) == 3
    assert frames[0].image.shape == (64, width, 3)
    assert read_video_record(out)["layout"] == layout


def test_turned_videos_come_out_upright(emma, videos, tmp_path):
    for path in videos:
        write_video(path, VISIBLE, turn=90)
    emma(*videos, "-o", tmp_path / "out.mp4", "--frames", 2)
    frame = next(iter(VideoFile(tmp_path / "out.mp4")))
    assert frame.image.shape == (96, 64, 3)
    assert np.abs(frame.image.astype(float) - np.rot90(VISIBLE[0])).mean() < 6


def test_a_palette(emma, videos, tmp_path):
    emma(*videos, "-o", tmp_path / "out.mp4", "--palette", "inferno", "--frames", 2)
    frame = next(iter(VideoFile(tmp_path / "out.mp4")))
    assert np.abs(grey(frame) - INFRARED[0]).mean() < 6
    red, blue = frame.image[8:24, 8:20, 0].astype(int), frame.image[8:24, 8:20, 2]
    assert (red - blue).mean() > 60  # warm where it is warm


def test_a_video_becomes_a_folder_of_frames(emma, videos, tmp_path):
    emma(*videos, "-o", tmp_path / "frames", "--contrast", "stretch")
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == [f"{n:06}.png" for n in range(1, 13)]
    assert read_record(tmp_path / "frames/000003.png")["contrast"] == "stretch"
    assert "holds images" in emma(*videos, "-o", tmp_path / "frames", code=2)
    said = emma(*videos, "-o", tmp_path / "frames", "--overwrite", "--frames", 4)
    assert read_record(tmp_path / "frames/000003.png")["contrast"] == "none"
    assert "8 other images" in said


def test_folders_are_videos_where_told(emma, folders, tmp_path):
    emma(*folders, "-o", tmp_path / "a.mp4", "--rate", "10")
    fused = VideoFile(tmp_path / "a.mp4")
    assert (fused.rate, len(list(fused))) == (10, 6)
    emma(*folders, "-o", tmp_path / "b", "--video")
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == [
        f"{n:03}.png" for n in range(1, 7)
    ]
    fused = read_image(tmp_path / "b/002.png").astype(float) @ (0.299, 0.587, 0.114)
    assert np.abs(fused - INFRARED[1]).mean() < 2
    emma(*folders, "-o", tmp_path / "c")  # and without: images, one by one
    assert "layout" in read_record(tmp_path / "b/002.png")
    assert "layout" not in read_record(tmp_path / "c/002.png")


def test_a_missing_frame_of_a_folder_does_not_shift_the_others(emma, folders, tmp_path):
    (folders[0] / "003.png").unlink()
    emma(*folders, "-o", tmp_path / "out", "--video")
    fused = read_image(tmp_path / "out/005.png").astype(float) @ (0.299, 0.587, 0.114)
    assert np.abs(fused - INFRARED[4]).mean() < 2


def test_a_video_that_was_cut_short_is_told(emma, tmp_path):
    for name in ("ir", "vis"):
        write_video(tmp_path / f"{name}.mkv", [image(k) for k in range(40)])
    assert "cut short" not in emma(
        tmp_path / "ir.mkv", tmp_path / "vis.mkv", "-o", tmp_path / "whole.mp4"
    )
    data = (tmp_path / "vis.mkv").read_bytes()
    (tmp_path / "vis.mkv").write_bytes(data[: len(data) // 2])
    said = emma(tmp_path / "ir.mkv", tmp_path / "vis.mkv", "-o", tmp_path / "half.mp4")
    count = len(list(VideoFile(tmp_path / "half.mp4")))
    assert 10 < count < 30
    assert f"vis.mkv ends after {count / 25:.2f} s and says that it is 1.60 s long" in said


def test_frames_of_16_bit_have_one_range(emma, tmp_path):
    """A dark frame alone would be taken for 10 bits, and come out four times as bright."""
    levels = (900, 3000, 900)
    for side in ("ir", "vis"):
        (tmp_path / side).mkdir()
    for number, level in enumerate(levels):
        visible = np.full((48, 64), level, np.uint16)
        visible[:8] = 0
        write_image(tmp_path / "ir" / f"{number}.png", np.full((48, 64), 128, np.uint8))
        write_image(tmp_path / "vis" / f"{number}.png", visible)
    said = emma(
        tmp_path / "ir", tmp_path / "vis", "-o", tmp_path / "out.mkv", "--layout", "side-by-side"
    )
    assert "--visible-range '12 bits'" in said
    record = read_video_record(tmp_path / "out.mkv")
    assert record["visible"]["range"] == [0, 4095]
    assert record["visible"]["rule"] == "12 bits, video"
    shown = [frame.image[24, 64:128].mean() for frame in VideoFile(tmp_path / "out.mkv")]
    assert shown == pytest.approx([level / 4095 * 255 for level in levels], abs=3)


def test_a_video_and_a_folder(emma, videos, folders, tmp_path):
    said = emma(folders[0], videos[1], "-o", tmp_path / "out.mp4")
    assert "Left out: 5 visible frames" in said  # six frames at 25 a second, and one for its time
    assert len(list(VideoFile(tmp_path / "out.mp4"))) == 7


def test_an_offset(emma, videos, tmp_path):
    emma(*videos, "-o", tmp_path / "out.mp4", "--offset", "0.16")
    frames = list(VideoFile(tmp_path / "out.mp4"))
    assert frames[0].time == 0  # the file begins with its first frame
    begins = read_video_record(tmp_path / "out.mp4")["begins"]
    assert begins == pytest.approx(0.08)  # within one infrared frame's time
    assert np.abs(grey(frames[2]) - INFRARED[0]).mean() < 6
    assert np.abs(grey(frames[4]) - INFRARED[1]).mean() < 6
    assert "no time in common" in emma(*videos, "-o", tmp_path / "x.mp4", "--offset", "9", code=2)
    assert not (tmp_path / "x.mp4").exists()


def test_damage_is_bridged_and_reported(emma, videos, tmp_path):
    write_video(videos[1], VISIBLE, options={"g": "1", "bf": "0"})
    damage(videos[1], [4, 5])
    said = emma(*videos, "-o", tmp_path / "out.mp4")
    assert "Damaged: 2 visible frames" in said
    assert "0.16, 0.20 s" in said
    assert len(list(VideoFile(tmp_path / "out.mp4"))) == 12


def test_thermal_counts_have_a_range_that_is_held(emma, videos, tmp_path):
    counts = [np.rint(7000 + 5.0 * p).astype(np.uint16) for p in INFRARED]
    write_video(
        tmp_path / "ir.mkv",
        counts,
        rate=Fraction(25, 2),
        codec="ffv1",
        pix_fmt="gray16le",
        options={},
    )
    emma(tmp_path / "ir.mkv", videos[1], "-o", tmp_path / "out.mp4", "--mend", "dead-pixels")
    record = read_video_record(tmp_path / "out.mp4")["infrared"]
    assert record["rule"] == "auto, held"
    assert record["range"][0] > 7000
    assert record["mended"] == "dead-pixels"
    frames = list(VideoFile(tmp_path / "out.mp4"))
    assert grey(frames[0]).max() - grey(frames[0]).min() > 200


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--protocol", "paper"], "for images"),
        (["--infrared-range", "folder"], "for folders"),
        (["--depth", "16"], "8 bit"),
        (["--rate", "10"], "their own rate"),
        (["-o", "out.wmv"], "mp4, m4v"),
        (["-o", "out.png"], "is an image"),
    ],
)
def test_options_that_do_not_fit(emma, videos, tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    output = [] if "-o" in options else ["-o", "out.mp4"]
    assert sentence in emma(*videos, *output, *options, code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ir.mp4", "vis.mp4"]


def test_options_of_videos_for_images_and_a_missing_extra(emma, videos, tmp_path, monkeypatch):
    write_image(tmp_path / "a.png", VISIBLE[0])
    pair = [tmp_path / "a.png"] * 2
    assert "are for videos" in emma(
        *pair, "-o", tmp_path / "b.png", "--layout", "side-by-side", code=2
    )
    assert "is not a video file" in emma(pair[0], videos[1], "-o", tmp_path / "b.mp4", code=2)
    write_video(tmp_path / "small.mp4", [p[:32] for p in VISIBLE])
    said = emma(videos[0], tmp_path / "small.mp4", "-o", tmp_path / "b.mp4", code=2)
    assert "ir.mp4 is 96x64" in said
    assert not (tmp_path / "b.mp4").exists()
    monkeypatch.setattr("emma_fusion.video.frames.find_spec", lambda name: None)
    assert "emma-fusion[video]" in emma(*videos, "-o", tmp_path / "b.mp4", code=2)


def test_the_mean_of_a_still_noisy_scene_is_steady(tmp_path, capfd):
    """The promise itself, with the weights that ship: half a grey level, from end to end."""
    rng = np.random.default_rng(0)
    for name, scene in zip(("ir", "vi"), render_scene(seed=0), strict=True):
        small = cv2.resize(scene, (72, 48), interpolation=cv2.INTER_AREA).astype(float)
        for number in range(8):
            noisy = np.clip(small + rng.normal(0, 6, small.shape), 0, 255).astype(np.uint8)
            write_image(tmp_path / name / f"{number}.png", noisy)
    frames = [tmp_path / "ir", tmp_path / "vi"]
    with pytest.raises(SystemExit) as end:
        main(["fuse", *map(str, frames), "-o", str(tmp_path / "out"), "--video", "--rate", "25"])
    assert not end.value.code
    means = [read_image(tmp_path / f"out/{n}.png").mean() for n in range(8)]
    assert max(means) - min(means) < 0.5
    with pytest.raises(SystemExit):
        main(["fuse", *map(str, frames), "-o", str(tmp_path / "each")])
    each = [read_image(tmp_path / f"each/{n}.png").mean() for n in range(8)]
    assert max(means) - min(means) < 0.4 * (max(each) - min(each))


# --- cameras


class Files:
    """A camera that gives images as fast as they are asked for, and then none."""

    def __init__(self, images):
        self.images = list(images)

    def isOpened(self):
        return bool(self.images)

    def read(self):
        time.sleep(0.01)
        return (True, self.images.pop(0)) if self.images else (False, None)

    def release(self):
        self.images = []


def test_a_live_pair(emma, tmp_path, monkeypatch):
    cameras = {"0": Files(INFRARED * 20), "rtsp://a//b?c=1": Files(VISIBLE * 10), "3": Files([])}
    monkeypatch.setattr(video, "Camera", lambda name: live.Camera(name, cameras.__getitem__))
    said = emma("3", "0", "-o", tmp_path / "a.mp4", "--live", code=2)
    assert "'3' cannot be opened" in said
    emma("0", "rtsp://a//b?c=1", "-o", tmp_path / "a.mp4", "--live", "--frames", 3)
    frames = list(VideoFile(tmp_path / "a.mp4"))
    assert len(frames) == 3
    times = [frame.time for frame in frames]
    assert times[0] == 0
    assert times == sorted(set(times))
    assert "their own clock" in emma(
        "0", "1", "-o", tmp_path / "b.mp4", "--live", "--rate", 5, code=2
    )


def test_ctrl_c_is_the_end_of_a_live_video(emma, tmp_path, monkeypatch):
    cameras = {"0": Files(INFRARED * 100), "1": Files(VISIBLE * 100)}
    monkeypatch.setattr(video, "Camera", lambda name: live.Camera(name, cameras.__getitem__))

    def fuse_then_stop(self, pair, progress=None):
        stops.append(pair)
        if len(stops) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return pair.infrared

    stops = []
    monkeypatch.setattr(Fuser, "fuse_luminance", fuse_then_stop)
    said = emma("0", "1", "-o", tmp_path / "a.mp4", "--live")
    assert "Fused 3 frames" in said
    assert len(list(VideoFile(tmp_path / "a.mp4"))) == 3


def test_a_window_where_there_is_one(emma, videos, tmp_path, monkeypatch):
    shown = []

    def refuse(*arguments):
        raise cv2.error("no windows")

    monkeypatch.setattr(cv2, "namedWindow", refuse)
    assert "Leave out --show" in emma(*videos, "-o", tmp_path / "a.mp4", "--show", code=2)
    assert not (tmp_path / "a.mp4").exists()
    monkeypatch.setattr(cv2, "namedWindow", lambda title: None)
    monkeypatch.setattr(cv2, "imshow", lambda title, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda delay: ord("q") if len(shown) == 5 else -1)
    emma(*videos, "-o", tmp_path / "a.mp4", "--show")
    assert len(shown) == len(list(VideoFile(tmp_path / "a.mp4"))) == 5
    assert shown[0].shape == (64, 96, 3)


# --- Ctrl-C

SLOW = """
import sys, time
from emma_fusion.cli import main
from emma_fusion.fuser import Fuser

def slow(self, pair, progress=None):
    print("frame", file=sys.stderr, flush=True)
    time.sleep(0.05)
    return pair.infrared

Fuser.fuse_luminance = slow
main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupted_video_plays(videos, model, tmp_path):
    write_video(tmp_path / "long.mp4", VISIBLE * 50)
    inputs = [tmp_path / "long.mp4"] * 2
    command = ["fuse", *inputs, "-o", tmp_path / "out.mp4", "--model", model]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *map(str, command)], stderr=subprocess.PIPE, text=True
    )
    for _ in range(8):
        assert process.stderr.readline() == "frame\n"
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert "Traceback" not in said
    count = len(list(VideoFile(tmp_path / "out.mp4")))
    assert 1 <= count < 600
    assert f"Interrupted: {tmp_path / 'out.mp4'} holds the first {count} frames" in said
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupted_folder_keeps_its_frames(emma, videos, tmp_path, monkeypatch):
    def fuse_then_stop(self, pair, progress=None):
        if stops.pop():
            os.kill(os.getpid(), signal.SIGINT)
        return pair.infrared

    stops = [False, False, True, False, False, False, False, False, False]
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Fuser, "fuse_luminance", fuse_then_stop)
    said = emma(tmp_path / "ir.mp4", tmp_path / "vis.mp4", "-o", tmp_path / "out", code=130)
    count = len(list((tmp_path / "out").iterdir()))
    assert f"first {count} frames" in said
    assert count < 12
    assert signal.getsignal(signal.SIGINT) is before


def test_time_stamps_that_begin_at_an_hour(emma, tmp_path):
    times = [3600 + Fraction(n, 25) for n in range(6)]
    write_video(tmp_path / "ir.mkv", [np.dstack([p] * 3) for p in INFRARED], times=times)
    write_video(tmp_path / "vis.mkv", VISIBLE[:6], times=times)
    emma(tmp_path / "ir.mkv", tmp_path / "vis.mkv", "-o", tmp_path / "out.mp4")
    frames = list(VideoFile(tmp_path / "out.mp4"))
    assert [float(frame.time) for frame in frames] == pytest.approx([n / 25 for n in range(6)])


def test_folders_named_by_unix_time(emma, tmp_path):
    for number in range(6):
        stem = f"130503110{2 + (number + 7) // 10}.{(number + 7) % 10}75304"
        write_image(tmp_path / f"ir/{stem}.png", INFRARED[number])
        write_image(tmp_path / f"vi/{stem}.png", VISIBLE[number])
    said = emma(tmp_path / "ir", tmp_path / "vi", "-o", tmp_path / "own.mp4")
    assert "10 frames a second, as their names say" in said
    emma(tmp_path / "ir", tmp_path / "vi", "-o", tmp_path / "asked.mp4", "--rate", "5")
    for name, step in (("own.mp4", 0.1), ("asked.mp4", 0.2)):
        frames = list(VideoFile(tmp_path / name))
        times = [float(frame.time) for frame in frames]
        assert times == pytest.approx([n * step for n in range(6)], abs=0.001)
        for frame, infrared in zip(frames, INFRARED, strict=True):
            assert np.abs(grey(frame) - infrared).mean() < 8


def test_an_alignment_that_is_found_in_the_videos(emma, tmp_path, monkeypatch):
    def find(infrared, visible, wanted):
        return Alignment(shift(4, 0), "translation", 1.0, 4.0)

    monkeypatch.setattr(video, "FollowedAlignment", partial(FollowedAlignment, find=find))
    moved = [np.dstack([np.roll(p, 4, axis=1)] * 3) for p in INFRARED]
    write_video(tmp_path / "ir.mp4", moved)
    write_video(tmp_path / "vis.mp4", VISIBLE[:6])
    emma(tmp_path / "ir.mp4", tmp_path / "vis.mp4", "-o", tmp_path / "out.mp4", "--align", "auto")
    for frame, infrared in zip(VideoFile(tmp_path / "out.mp4"), INFRARED, strict=True):
        inner = slice(8, -12)
        assert np.abs(grey(frame) - infrared)[:, inner].mean() < 8
    record = read_video_record(tmp_path / "out.mp4")["infrared"]["alignment"]
    assert record["followed"]
    assert record["by"] == "auto"
    said = emma("0", "1", "-o", tmp_path / "x.mp4", "--live", "--align", "auto", code=2)
    assert "no time to find an alignment" in said


def test_a_cut_is_reported(emma, tmp_path):
    other = [np.ascontiguousarray(255 - p[::-1, ::-1]) for p in VISIBLE[:3]]
    write_video(tmp_path / "vis.mp4", VISIBLE[:3] + other)
    emma_says = emma(tmp_path / "vis.mp4", tmp_path / "vis.mp4", "-o", tmp_path / "out.mp4")
    assert "Cuts: 1, at 0.12 s" in emma_says


def test_files_played_live(emma, videos, tmp_path):
    said = emma(*videos, "-o", tmp_path / "out.mp4", "--live")
    assert re.search(r"Left out \d of \d+ infrared and \d+ of \d+ visible frames", said)
    assert "from camera to output" in said
    assert len(list(VideoFile(tmp_path / "out.mp4"))) >= 1


def test_a_range_that_misses_the_video_is_said_once(emma, videos, tmp_path):
    said = emma(*videos, "-o", tmp_path / "a.mp4", "--infrared-range", "300:400")
    assert said.count("has no value between 300 and 400") == 1
    assert "has no value" not in emma(*videos, "-o", tmp_path / "b.mp4", "--frames", "3")


def test_options_for_scans_are_refused(emma, videos, tmp_path):
    for option in (("--window", "1:2"), ("--plane", "axial"), ("--register", "rigid")):
        said = emma(*videos, "-o", tmp_path / "a.mp4", *option, code=2)
        assert "--plane, --window and --register are for scans" in said
    assert not (tmp_path / "a.mp4").exists()


def test_frames_of_16_and_of_8_bit_have_no_visible_range_in_common(emma, tmp_path):
    """Scaled as the others are, the one of 8 bit would be black."""
    deep = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)
    for number in range(2):
        write_image(tmp_path / f"ir/{number}.png", np.full((32, 32), 50, np.uint8))
        write_image(tmp_path / f"vi/{number}.png", deep if number == 0 else VISIBLE[0][:32, :32])
    two = tmp_path / "ir", tmp_path / "vi"
    emma(*two, "-o", tmp_path / "out", "--video", "--layout", "side-by-side")
    middle = read_image(tmp_path / "out/1.png")[:, 32:64]
    assert np.abs(middle.astype(int) - VISIBLE[0][:32, :32]).max() <= 1
