"""Live: files played as cameras, what is left out, and how late the rest is."""

import threading
from fractions import Fraction

import numpy as np

from emma_fusion.video.capture import Replay, open_capture
from emma_fusion.video.frames import Frame
from emma_fusion.video.live import Camera, Timing, describe, watch
from videos import image, write_video

IMAGES = [image(number) for number in range(6)]


class Clock:
    """A clock that goes on only when somebody waits or works."""

    def __init__(self):
        self.now, self.waits = 100.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


def test_a_file_is_played_in_its_own_time(tmp_path):
    times = [3600 + Fraction(t) for t in ("0", "0.1", "0.2", "0.5", "0.6", "0.7")]
    write_video(tmp_path / "video.mkv", IMAGES, times=times)
    clock = Clock()
    camera = Replay(tmp_path / "video.mkv", clock, clock.sleep)
    came = []
    while (got := camera.read())[0]:
        came.append(round(clock.now - 100, 3))
        assert np.abs(got[1][..., ::-1].astype(float) - IMAGES[len(came) - 1]).mean() < 6
    assert came == [0, 0.1, 0.2, 0.5, 0.6, 0.7]
    assert camera.read() == (False, None)


def test_a_camera_that_is_late_does_not_wait(tmp_path):
    write_video(tmp_path / "video.mp4", IMAGES, rate=10)
    clock = Clock()
    camera = Replay(tmp_path / "video.mp4", clock, clock.sleep)
    camera.read()
    clock.now += 0.25  # somebody else had the processor
    assert camera.read()[0]
    assert camera.read()[0]
    assert clock.waits == []
    camera.read()
    assert np.allclose(clock.waits, [0.05])


def test_a_file_is_opened_as_a_camera(tmp_path):
    write_video(tmp_path / "video.mp4", IMAGES)
    assert isinstance(open_capture(str(tmp_path / "video.mp4")), Replay)


class Stepped:
    """A camera that gives its next image when it is told to."""

    def __init__(self, count):
        self.left, self.gate = count, threading.Semaphore(0)

    def isOpened(self):
        return True

    def read(self):
        self.gate.acquire()
        self.left -= 1
        return (True, IMAGES[0]) if self.left >= 0 else (False, None)

    def release(self):
        pass


def come(camera, fake, count):
    """Let a camera give some images, and wait until it has them."""
    before = camera.came
    for _ in range(count):
        fake.gate.release()
    with camera._changed:
        assert camera._changed.wait_for(lambda: camera.came == before + count, 20)


def test_what_is_left_out_is_counted():
    fakes = {"slow": Stepped(3), "fast": Stepped(9)}
    slow, fast = (Camera(name, fakes.__getitem__) for name in fakes)
    for camera in (slow, fast):
        camera.start()
    come(slow, fakes["slow"], 2)  # one of them is never used
    come(fast, fakes["fast"], 3)  # two of them are not
    timing = Timing()
    pairs = watch(slow, fast, threading.Event(), timing)
    _, first = next(pairs)
    timing.finished(first)
    come(fast, fakes["fast"], 4)  # while that one was fused
    _, second = next(pairs)
    timing.finished(second)
    assert (slow.came, slow.used, fast.came, fast.used) == (2, 1, 7, 2)
    assert first.time == 0 < second.time
    said = describe(slow, fast, timing)
    assert "Left out 1 of 2 infrared and 5 of 7 visible frames" in said
    for fake in fakes.values():
        fake.gate.release(10)
    pairs.close()
    for camera in (slow, fast):
        camera.close()


def test_latency_is_from_the_arrival_of_the_visible_frame(monkeypatch):
    monkeypatch.setattr("emma_fusion.video.live.time.monotonic", lambda: 12.5)
    timing = Timing(begin=Fraction(10))
    timing.finished(Frame(Fraction(2), None))
    assert timing.latencies == [0.5]


def test_two_files_at_different_rates_go_through_the_same_code(tmp_path):
    write_video(tmp_path / "ir.mp4", IMAGES[:3], rate=5)
    write_video(tmp_path / "vis.mp4", IMAGES, rate=10)
    slow, fast = (Camera(str(tmp_path / name)) for name in ("ir.mp4", "vis.mp4"))
    seen = [visible for _, visible in watch(slow, fast, threading.Event())]
    for camera in (slow, fast):
        camera.close()
    assert 1 <= len(seen) == fast.used <= fast.came <= 6
    times = [frame.time for frame in seen]
    assert times == sorted(set(times))


def test_a_camera_that_was_never_read_is_closed():
    fake = Stepped(1)
    camera = Camera("0", lambda name: fake)
    camera.close()
    assert camera.newest(None, 0) is None
