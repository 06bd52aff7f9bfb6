"""Alignment in videos: a rig's ramps once, drift followed slowly, cuts noticed."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from emma_fusion.align import Aligner
from emma_fusion.align.geometry import apply, corners, shift
from emma_fusion.align.registration import Alignment
from emma_fusion.align.rig import Rig
from emma_fusion.demo import render_scene
from emma_fusion.errors import UserError
from emma_fusion.pair import Pair
from emma_fusion.values import blending
from emma_fusion.values.blending import Cover, blend
from emma_fusion.video.cuts import CutDetector
from emma_fusion.video.following import FollowedAlignment
from emma_fusion.video.steady import SteadyFuse

SIZE = (48, 64)
IMAGE = np.random.default_rng(0).integers(0, 255, SIZE).astype(np.uint8)
FOUND = "visible_to_infrared"


def frames(count, rate=10):
    return [Fraction(n, rate) for n in range(count)]


# --- a rig's blending


def test_a_rig_computes_its_ramps_once_for_a_video(tmp_path, monkeypatch):
    rig = Rig(shift(6, 3), "translation", SIZE, SIZE, pairs=5, residual=0.1)
    (tmp_path / "rig.json").write_bytes(rig.to_json())
    rises = []
    monkeypatch.setattr(
        cv2, "distanceTransform", lambda *a, real=cv2.distanceTransform: rises.append(1) or real(*a)
    )
    aligner = Aligner(str(tmp_path / "rig.json"))
    visible = np.full(SIZE, 100, np.uint8)
    for number in range(5):
        aligned = aligner(np.roll(IMAGE, number, 0), visible)
        pair = Pair.from_arrays(aligned.image, visible, cover=aligned.cover)
        fused = (pair.infrared + pair.visible) / 2
        expected = blend(pair.visible, fused, np.array(aligned.cover))
        rises.pop() if number else None  # that of the line above, which keeps nothing
        assert (pair.compose(fused) == np.rint(expected * 255)).all()
    assert len(rises) == 3  # the first frame's: the edge, and the ramp of both calls


def test_a_cover_is_an_array_that_keeps_no_ramps_of_another():
    share = np.ones(SIZE, np.float32)
    share[:, :20] = 0
    cover = Cover.of(share)
    ramps = cover.ramps
    assert cover.ramps is ramps
    other = np.minimum(cover, np.float32(0.5))
    flat = np.full(SIZE, 0.5, np.float32)
    assert np.allclose(blend(flat, flat + 0.2, other), blend(flat, flat + 0.2, np.array(other)))
    with pytest.raises(ValueError, match="read-only"):
        cover[0, 0] = 1


def test_blending_is_what_its_formula_says():
    """Against the formula written down plainly."""
    rng = np.random.default_rng(1)
    share = blending.rise(np.float32(np.mgrid[:48, :64][1] > 12), 6)
    outside, inside = rng.random((2, *SIZE), np.float32)
    covered, difference = np.float32(share > 0), inside - outside
    mean = cv2.GaussianBlur(difference * covered, (0, 0), 0.05 * 64)
    mean /= np.maximum(cv2.GaussianBlur(covered, (0, 0), 0.05 * 64), 1e-3)
    slow = 1 - blending.rise(covered, 0.15 * 64)
    expected = np.clip(outside + share * (difference - mean * slow), 0, 1)
    assert np.abs(blend(outside, inside, share) - expected).max() < 1e-6


# --- cuts


def scene(seed=0):
    """A scene of soft blobs, (120, 160) uint8."""
    noise = np.random.default_rng(seed).random((120, 160))
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 9), None, 10, 240, 32).astype(np.uint8)


def unit(image):
    return image.astype(np.float32) / 255


def test_a_cut_is_noticed_and_motion_and_light_are_none():
    a, b = unit(scene(0)), unit(scene(1))
    detect, rng = CutDetector(), np.random.default_rng(0)
    seen = []
    for number in range(30):
        frame = np.roll(a if number < 15 else b, 2 * number, axis=1)  # a pan
        frame = frame * (0.6 if 5 <= number < 10 else 1)  # an exposure that changes
        noisy = frame + rng.normal(0, 4 / 255, frame.shape)
        noisy = np.clip(noisy, 0, 1).astype(np.float32)
        seen.append(detect(noisy, 1 - noisy))
    assert [number for number, cut in enumerate(seen) if cut] == [15]


def test_noise_alone_is_no_cut():
    detect, rng = CutDetector(), np.random.default_rng(0)
    dark = (np.abs(rng.normal(0, 5 / 255, SIZE)).astype(np.float32) for _ in range(20))
    assert not any(detect(frame, frame) for frame in dark)
    grey, plane = CutDetector(), np.full(SIZE, 0.5, np.float32)
    assert not any(grey(plane, plane) for _ in range(3))
    assert grey(0 * plane, 0 * plane)


def test_what_only_one_camera_sees_move_is_no_cut():
    detect, still = CutDetector(), unit(scene(0))
    mixed = still / 2 + unit(scene(1)) / 2  # smoke over half of it
    assert not detect(still, still)
    assert not detect(mixed, still)
    assert detect(unit(scene(2)), unit(scene(3)))


def test_nothing_is_held_over_a_cut():
    """Two scenes with one mean and spread, fused to different ones."""
    a = unit(scene(0))
    b = np.ascontiguousarray(a[::-1, ::-1])
    fuse = SteadyFuse(lambda pair: pair.visible * (0.5 if pair.visible[0, 0] == b[0, 0] else 1))
    for number, time in enumerate(frames(20)):
        plane = a if number < 10 else b
        fused = fuse(Pair(plane, plane), time)
        assert np.abs(fused - (a if number < 10 else b / 2)).max() < 1e-4
    assert fuse.cuts == [1]


# --- drift


def finder(truth, time, confidence=1.0):
    """A registration that knows the truth: a shift to the right at a time."""

    def find(infrared, visible, wanted):
        return Alignment(shift(truth(time[0]), 0), "translation", confidence, 0.0)

    return find


def follow(truth, times, image=IMAGE):
    now = [0.0]
    aligner = FollowedAlignment("auto", finder(truth, now))
    moved = []
    for time in times:
        now[0] = float(time)
        aligned = aligner(image, image, time=time)
        matrix = aligned.record["alignment"].get(FOUND, np.eye(3))
        moved.append(float(np.array(matrix)[0][2]))
    return np.array(moved), aligner


def test_a_still_rig_does_not_move_for_a_registration_that_jitters():
    rng = np.random.default_rng(0)
    moved, aligner = follow(lambda t: 5 + rng.normal(0, 0.15), frames(600))
    assert np.ptp(moved) == 0
    assert moved[0] == pytest.approx(5, abs=0.4)
    assert aligner.looks == 15  # every four seconds of 60


def test_drift_is_followed_slowly():
    moved, _ = follow(lambda t: 2 + 0.05 * t, frames(1200))  # 6 pixels in two minutes
    assert moved[-1] == pytest.approx(2 + 0.05 * 120, abs=1.2)  # behind by some seconds
    assert np.abs(np.diff(moved)).max() < 0.2
    assert (np.diff(moved) >= -1e-6).all()


def test_one_wrong_registration_of_five_changes_nothing():
    moved, _ = follow(lambda t: 40 if 20 <= t < 24 else 3, frames(600))
    assert (moved == moved[0]).all()


def test_what_is_not_trusted_is_left_out():
    first = FollowedAlignment("auto", finder(lambda t: 3, [0], confidence=0.1))
    with pytest.raises(UserError, match="could not be aligned"):
        first(IMAGE, IMAGE, time=Fraction(0))
    sure = [1.0]

    def find(infrared, visible, wanted):
        return Alignment(shift(3, 0), "translation", sure[0], 0.0)

    aligner = FollowedAlignment("auto", find)
    aligner(IMAGE, IMAGE, time=Fraction(0))
    sure[0] = 0.1
    for time in frames(200)[1:]:
        aligned = aligner(IMAGE, IMAGE, time=time)
    assert aligner.unsure == aligner.looks - 1 == 4
    assert np.array(aligned.record["alignment"][FOUND])[0, 2] == pytest.approx(3)


def test_after_a_cut_the_new_alignment_holds_at_once():
    before, after = scene(0), scene(1)
    now = [0.0]
    aligner = FollowedAlignment("auto", finder(lambda t: 2 if t < 5 else 9, now))
    moved = []
    for time in frames(100):
        now[0] = float(time)
        image = before if time < 5 else after
        record = aligner(image, image, time=time).record["alignment"]
        moved.append(float(np.array(record[FOUND])[0, 2]))
    assert moved[49] == pytest.approx(2, abs=1e-4)
    assert moved[50] == pytest.approx(9, abs=1e-4)


def test_a_real_registration_finds_and_follows():
    infrared, visible = (image[::2, ::2] for image in render_scene(seed=0))
    size = infrared.shape[:2]
    aligner = FollowedAlignment("translation")
    for number, time in enumerate([Fraction(4 * n) for n in range(2)]):
        by = 6 + 6 * number
        moved = cv2.warpAffine(infrared, np.float32([[1, 0, by], [0, 1, 0]]), size[::-1])
        aligned = aligner(moved, visible, time=time)
        if number == 0:
            found = np.array(aligned.record["alignment"][FOUND])
            away = apply(found, corners(size)) - corners(size)
            assert away[:, 0] == pytest.approx(6, abs=1)
    found = np.array(aligned.record["alignment"][FOUND])
    assert 7 < found[0, 2] < 11.5
    assert aligned.image.shape[:2] == visible.shape[:2]
