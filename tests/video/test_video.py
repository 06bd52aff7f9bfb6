"""Videos in and out: times, turns, damage, brightness, cameras."""

import json
import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.images.raster import write_image
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import from_unit
from emma_fusion.values.contrast import stretch
from emma_fusion.video.folder import FrameFolder
from emma_fusion.video.frames import Frame
from emma_fusion.video.layout import lay_out
from emma_fusion.video.live import Camera, watch
from emma_fusion.video.pairing import pair_frames
from emma_fusion.video.pipeline import ahead
from emma_fusion.video.reading import VideoFile, upright
from emma_fusion.video.steady import Held, SteadyFuse, SteadyRange
from emma_fusion.video.writing import (
    VideoWriter,
    find_encoder,
    read_video_record,
)
from videos import damage, image, write_video

IMAGES = [image(number) for number in range(12)]


@pytest.fixture
def video(tmp_path):
    write_video(tmp_path / "video.mp4", IMAGES)
    return tmp_path / "video.mp4"


def close(a, b, tolerance=6.0):
    return a.shape == b.shape and np.abs(a.astype(float) - b).mean() < tolerance


# --- reading


def test_frames_come_with_their_times(video):
    opened = VideoFile(video)
    assert (opened.rate, opened.count, opened.start, opened.aspect) == (25, 12, 0, 1)
    for _ in range(2):  # each iteration begins anew
        frames = list(opened)
        assert [frame.time for frame in frames] == [Fraction(n, 25) for n in range(12)]
        assert all(close(f.image, p) for f, p in zip(frames, IMAGES, strict=True))
        assert not any(frame.bridged for frame in frames)


def test_uneven_times_are_kept(tmp_path):
    times = [0, "0.04", "0.2", "0.21", "1.5"]
    write_video(tmp_path / "video.mp4", IMAGES[:5], times=times)
    assert [f.time for f in VideoFile(tmp_path / "video.mp4")] == [Fraction(t) for t in times]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotation_tags_are_honoured(tmp_path, turn):
    write_video(tmp_path / "video.mp4", IMAGES[:3], turn=turn)
    opened = VideoFile(tmp_path / "video.mp4")
    # PyAV counts against the clock, as NumPy does
    for frame, original in zip(opened, IMAGES[:3], strict=True):
        assert close(frame.image, np.rot90(original, turn // 90))


def test_every_display_matrix_of_quarter_turns_and_mirrors():
    pixels = np.arange(6).reshape(2, 3)
    one = 1 << 16

    def matrix(a, b, c, d):
        return np.array([[a, b, 0], [c, d, 0], [0, 0, 1 << 30]], np.int32)

    assert (upright(pixels, matrix(one, 0, 0, one)) == pixels).all()
    assert (upright(pixels, matrix(-one, 0, 0, one)) == pixels[:, ::-1]).all()
    assert (upright(pixels, matrix(one, 0, 0, -one)) == pixels[::-1]).all()
    assert (upright(pixels, matrix(0, one, -one, 0)) == np.rot90(pixels, -1)).all()
    assert (upright(pixels, matrix(0, one, one, 0)) == pixels.T).all()
    assert (upright(pixels, matrix(one, one, -one, one)) == pixels).all()  # 45 degrees: as it is


def test_deep_grey_video_keeps_its_counts(tmp_path):
    counts = [np.full((64, 96), 7000 + 300 * n, np.uint16) for n in range(3)]
    video = tmp_path / "counts.mkv"
    write_video(video, counts, codec="ffv1", pix_fmt="gray16le", options={})
    deep = [frame.image for frame in VideoFile(video, deep=True)]
    assert deep[0].dtype == np.uint16
    assert all((a == b).all() for a, b in zip(deep, counts, strict=True))
    shallow = next(iter(VideoFile(video))).image
    assert shallow.dtype == np.uint8
    assert shallow.shape == (64, 96)


def test_damaged_frames_are_bridged(video):
    # every fourth frame is a key frame; without B-frames the file's order is the video's
    write_video(video, IMAGES, options={"crf": "10", "g": "4", "bf": "0"})
    damage(video, [5])
    frames = list(VideoFile(video))
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in range(12)]
    assert [n for n, frame in enumerate(frames) if frame.bridged] == [5]
    assert (frames[5].image == frames[4].image).all()
    assert close(frames[4].image, IMAGES[4])
    assert close(frames[8].image, IMAGES[8])  # the next key frame


def test_a_damaged_beginning_has_the_first_good_image(video):
    write_video(video, IMAGES, options={"crf": "10", "g": "1", "bf": "0"})
    damage(video, [0, 1])
    frames = list(VideoFile(video))
    assert [frame.bridged for frame in frames] == [True, True] + [False] * 10
    assert frames[0].time == 0
    assert (frames[0].image == frames[2].image).all()


def test_a_damaged_end_and_frames_that_depend_on_each_other(video):
    damage(video, [11])  # with B-frames
    frames = list(VideoFile(video))
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in range(12)]
    assert sum(frame.bridged for frame in frames) >= 1


def test_a_file_cut_short_gives_what_is_there(tmp_path):
    video = tmp_path / "video.mkv"
    write_video(video, IMAGES)
    data = video.read_bytes()
    video.write_bytes(data[: len(data) * 2 // 3])
    assert 3 <= len(list(VideoFile(video))) < 12


def test_what_is_no_video(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        VideoFile(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UserError, match="cannot be opened"):
        VideoFile(tmp_path / "text.mp4")
    write_video(tmp_path / "video.mp4", IMAGES[:3], options={"g": "1", "bf": "0"})
    damage(tmp_path / "video.mp4", [0, 1, 2])
    with pytest.raises(UserError, match="no frame that can be read"):
        VideoFile(tmp_path / "video.mp4")


def test_a_folder_is_a_video_by_the_numbers_of_its_frames(tmp_path):
    for number in (2, 10, 1, 4):
        write_image(tmp_path / f"shot{number}.png", IMAGES[number])
    folder = FrameFolder(tmp_path, Fraction(10))
    assert (folder.count, folder.start, folder.rate) == (4, Fraction(1, 10), 10)
    assert [float(frame.time) for frame in folder] == [0.1, 0.2, 0.4, 1.0]
    (tmp_path / "shot1.png").write_bytes(b"broken")
    (tmp_path / "shot4.png").write_bytes(b"broken")
    frames = list(folder)
    assert [frame.bridged for frame in frames] == [True, False, True, False]
    assert (frames[0].image == IMAGES[2]).all()
    assert (frames[2].image == IMAGES[2]).all()
    write_image(tmp_path / "shot04.png", IMAGES[4])
    with pytest.raises(UserError, match="same number"):
        FrameFolder(tmp_path, Fraction(10))


# --- pairing


def test_a_slow_infrared_video_is_paired_by_time():
    slow = [Frame(Fraction(n, 9), None) for n in range(9)]
    fast = [Frame(Fraction(n, 25), None) for n in range(25)]
    for infrared, visible in pair_frames(slow, fast, Fraction(0), Fraction(1, 9)):
        nearest = min(abs(other.time - visible.time) for other in slow)
        assert abs(infrared.time - visible.time) == nearest


def test_a_shift_and_gaps():
    infrared = [Frame(Fraction(n), None) for n in (0, 1, 9, 10)]
    visible = [Frame(Fraction(n), None) for n in range(100, 115)]
    pairs = list(pair_frames(infrared, visible, Fraction(102), Fraction(1)))
    partners = [i and int(i.time) for i, _ in pairs]
    # a gap goes to the nearer side (the earlier of two); beyond one second of the ends is nobody
    assert partners == [None, 0, 0, 1, 1, 1, 1, 1, 9, 9, 9, 9, 10, 10, None]
    assert next(pair_frames([], visible[:1], Fraction(0), Fraction(1)))[0] is None


# --- brightness


def still():
    y, x = np.mgrid[:64, :96].astype(np.float32)
    return np.float32(0.3) + np.float32(0.2) * np.sin(x / 7) * np.cos(y / 5)


def noisy(count, sigma, seed=0):
    """Pairs of a still scene, each with its own noise."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        planes = [still() + rng.normal(0, sigma / 255, (64, 96)).astype(np.float32) for _ in "iv"]
        yield Fraction(number, 25), Pair(*planes)


def flickering(pair):
    """A method that answers noise with the brightness and contrast of the whole image."""
    extra = float(pair.infrared[:6, :6].mean() - still()[:6, :6].mean())
    return np.clip(pair.visible * (1 + extra) + extra, 0, 1)


def spread(values):
    return max(values) - min(values)


@pytest.mark.parametrize("sigma", [3, 6])
def test_the_brightness_of_a_still_noisy_scene_is_steady(sigma):
    fuse = SteadyFuse(flickering)
    raw, steady, contrast = [], [], []
    for time, pair in noisy(60, sigma):
        raw.append(float(flickering(pair).mean()) * 255)
        fused = fuse(pair, time)
        steady.append(float(fused.mean()) * 255)
        contrast.append(float(fused.std()) * 255)
    assert spread(raw) > 1  # so there is something to take out
    assert spread(steady) < 0.5 * spread(raw)
    assert np.std(np.diff(steady)) < 0.1 * np.std(np.diff(raw))
    assert spread(contrast) < 0.5


@pytest.mark.parametrize("sigma", [2, 5, 10])
def test_noise_that_a_network_answers_little_moves_the_mean_by_less_than_half_a_grey_level(sigma):
    def fuse_little(pair):
        return pair.visible + 0.15 * (flickering(pair) - pair.visible)

    fuse = SteadyFuse(fuse_little)
    means = [float(fuse(pair, time).mean()) * 255 for time, pair in noisy(60, sigma)]
    assert spread(means) < 0.5


def test_a_real_change_is_followed():
    fuse = SteadyFuse(lambda pair: pair.visible)
    for time, pair in noisy(20, 2):
        fuse(pair, time)
    lit = still() + np.float32(0.2)  # a light goes on: at once
    assert np.abs(fuse(Pair(still(), lit), Fraction(20, 25)) - lit).mean() * 255 < 0.5
    for number in range(50):  # dusk: slowly, two grey levels a second
        time = Fraction(21 + number, 25)
        plane = lit - np.float32(2 / 255 * number / 25)
        fused = fuse(Pair(still(), plane), time)
        assert abs(float(fused.mean() - plane.mean())) * 255 < 1
    other = np.flip(lit, 0) * np.float32(0.5)  # another scene, of the same mean
    other += lit.mean() - other.mean()
    assert np.abs(fuse(Pair(still(), other), Fraction(80, 25)) - other).mean() * 255 < 0.5


def test_held_numbers_do_not_lag_behind_for_ever():
    held = Held()
    held([0.0], Fraction(0), 1.0)
    values = [float(held([0.3], Fraction(n, 25), 1.0)[0]) for n in range(1, 60)]
    assert values[0] < 0.1
    assert values[-1] == pytest.approx(0.3, abs=0.03)
    assert (np.diff(values) >= 0).all()


def test_a_thermal_range_is_held():
    rng = np.random.default_rng(0)
    counts = 8000 + 500 * still()
    steady, raw = SteadyRange("auto"), []
    lows = []
    for number in range(30):
        frame = np.rint(counts + rng.normal(0, 3, counts.shape)).astype(np.uint16)
        rule = steady(frame, Fraction(number, 25))
        lows.append(float(rule.split(":")[0]))
        raw.append(float(np.percentile(frame, 0.1)))
    assert spread(lows) < 0.5 * spread(raw)
    # something hot comes in: the range is there at once
    frame[:20, :20] = 12000
    assert float(steady(frame, Fraction(31, 25)).split(":")[1]) > 11500
    assert SteadyRange("7000:9000")(frame, Fraction(0)) == "7000:9000"
    assert SteadyRange("auto")(frame.astype(np.uint8), Fraction(0)) == "full"


def test_the_stretch_is_held_too():
    fuse = SteadyFuse(lambda pair: pair.visible, stretch=True)
    fused = [fuse(pair, time) for time, pair in noisy(30, 2)]
    assert fused[-1].max() - fused[-1].min() > 0.95
    own = [stretch(pair.visible) for _, pair in noisy(30, 2)]
    means = [[float(plane.mean()) * 255 for plane in planes] for planes in (fused, own)]
    assert spread(means[0]) < 0.5 * spread(means[1])


# --- layouts


def test_layouts():
    infrared = np.zeros((40, 60), np.uint8)
    visible = np.full((40, 60, 3), (200, 10, 10), np.uint8)
    pair = Pair.from_arrays(infrared, visible)
    fused = pair.compose(pair.visible)
    assert lay_out(fused, pair, "fused") is fused
    row = lay_out(fused, pair, "side-by-side")
    assert row.shape == (40, 180, 3)
    assert (row[:, :60] == 0).all()
    assert (row[:, 60:120] == visible).all()
    assert (row[:, 120:] == fused).all()
    inset = lay_out(fused, pair, "picture-in-picture")
    changed = (inset != fused).any(axis=2)
    assert 0.08 < changed.mean() < 0.14
    assert not changed[:20].any()
    assert (inset[30, 45] == 0).all()
    for tiny in (1, 2, 5):
        small = Pair.from_arrays(infrared[:tiny, :tiny], visible[:tiny, :tiny])
        shape = lay_out(small.compose(small.visible), small, "picture-in-picture").shape
        assert shape == (tiny, tiny, 3)
    grey = Pair.from_arrays(infrared, visible[..., 0])
    assert lay_out(from_unit(grey.visible, np.uint8), grey, "side-by-side").shape == (40, 180, 3)


# --- writing


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_a_video_is_written_and_read_again(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    record = {"software": "emma-fusion 0", "name": "Straße"}
    rate = Fraction(30000, 1001)
    with VideoWriter(path, (64, 96), rate, time_base=Fraction(1, 30000), record=record) as writer:
        for number, pixels in enumerate(IMAGES):
            writer.write(pixels, number / rate)
        assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert read_video_record(path) == record
    opened = VideoFile(path)
    frames = list(opened)
    assert float(opened.rate) == pytest.approx(29.97, abs=0.01)
    assert len(frames) == 12
    for number, frame in enumerate(frames):
        assert float(frame.time) == pytest.approx(number / float(rate), abs=0.001)
        assert close(frame.image, IMAGES[number])


@pytest.mark.parametrize("height", [64, 722])
def test_colours_survive(tmp_path, height):
    """The matrix that is written is the one that is said, below and above the change to BT.709."""
    path = tmp_path / "out.mp4"
    red = np.full((height, 96, 3), (200, 30, 60), np.uint8)
    with VideoWriter(path, red.shape[:2], Fraction(25)) as writer:
        writer.write(red, Fraction(0))
    assert np.abs(next(iter(VideoFile(path))).image.astype(int) - red).max() <= 4
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (int(context.colorspace), int(context.color_range)) == (6 if height < 600 else 1, 1)


def test_odd_sides_become_even(tmp_path):
    path = tmp_path / "out.mp4"
    odd = np.ascontiguousarray(IMAGES[0][:63, :95])
    with VideoWriter(path, (63, 95), Fraction(25)) as writer:
        writer.write(odd, Fraction(0))
    assert "96x64 pixels for 95x63" in writer.notes[0]
    got = next(iter(VideoFile(path))).image
    assert got.shape == (64, 96, 3)
    assert close(got[:63, :95], odd)
    assert close(got[63:, :95], odd[62:], 12)


def test_nothing_is_left_of_a_video_that_failed(tmp_path):
    def fail():
        with VideoWriter(tmp_path / "out.mp4", (64, 96), Fraction(25)) as writer:
            writer.write(IMAGES[0], Fraction(0))
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_formats_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match="mp4"):
        find_encoder(tmp_path / "out.wmv")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        VideoWriter(tmp_path / "file" / "out.mp4", (64, 96), Fraction(25))


def test_audio_is_copied(tmp_path):
    source = tmp_path / "source.mp4"
    write_video(source, IMAGES, sound=True)
    path = tmp_path / "out.mp4"
    with VideoWriter(path, (64, 96), Fraction(25), audio=source) as writer:
        for number, pixels in enumerate(IMAGES):
            writer.write(pixels, Fraction(number, 25))
    with av.open(str(source)) as a, av.open(str(path)) as b:
        sent = [bytes(packet) for packet in a.demux(audio=0) if packet.size]
        came = [bytes(packet) for packet in b.demux(audio=0) if packet.size]
    assert len(came) >= len(sent) - 1  # what begins after the last image is left out
    assert came == sent[: len(came)]
    with VideoWriter(tmp_path / "out.webm", (64, 96), Fraction(25), audio=source) as writer:
        writer.write(IMAGES[0], Fraction(0))
    assert "aac" in writer.notes[0]


def test_a_comment_that_is_no_record(video):
    assert read_video_record(video) is None
    assert json.dumps(read_video_record(video)) == "null"


# --- steps at the same time


def test_steps_run_ahead_and_pass_errors_on():
    seen = []

    def numbers():
        for number in range(100):
            seen.append(number)
            yield number
            if number == 50:
                raise UserError("at fifty")

    got = []
    with pytest.raises(UserError, match="at fifty"):
        got.extend(ahead(numbers()))
    assert got == list(range(51))
    seen.clear()
    others = set(threading.enumerate())
    steps = ahead(ahead(numbers(), 1), 1)
    assert next(steps) == 0
    threads = set(threading.enumerate()) - others
    assert len(threads) == 2
    steps.close()
    assert not any(thread.is_alive() for thread in threads)
    assert len(seen) < 10


# --- cameras


class FakeCamera:
    """Gives an image each time it is allowed to, and then none."""

    def __init__(self, images, opened=True):
        self.images, self.opened = list(images), opened
        self.gate = threading.Semaphore(1)

    def isOpened(self):
        return self.opened

    def read(self):
        self.gate.acquire()
        return (True, self.images.pop(0)) if self.images else (False, None)

    def release(self):
        self.opened = False


def test_two_cameras():
    bgr = [p[..., ::-1] for p in IMAGES[:4]]
    fakes = {"0": FakeCamera([p[..., 0] for p in IMAGES[:4]]), "rtsp://a//b": FakeCamera(bgr)}
    cameras = [Camera(name, fakes.__getitem__) for name in fakes]
    seen = []
    for infrared, visible in watch(*cameras, threading.Event()):
        seen.append((infrared, visible))
        for fake in fakes.values():
            fake.gate.release()
    for camera in cameras:
        camera.close()
    assert len(seen) in (3, 4)  # the last one only if both were still there
    assert all((v.image == p).all() for (_, v), p in zip(seen, IMAGES, strict=False))
    times = [v.time for _, v in seen]
    assert times[0] == 0
    assert times == sorted(set(times))
    assert not any(fake.opened for fake in fakes.values())


def test_what_opencv_opens_is_a_camera(video):
    camera = Camera(str(video))
    frame = camera.newest(None, patience=20)
    camera.close()
    assert min(np.abs(frame.image.astype(float) - p).mean() for p in IMAGES) < 6


def test_a_camera_that_is_not_there():
    with pytest.raises(UserError, match="'7' cannot be opened"):
        Camera("7", lambda name: FakeCamera([], opened=False))
