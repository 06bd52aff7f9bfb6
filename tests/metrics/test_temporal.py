import cv2
import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.metrics.temporal import bidirectional_warping_error, motion_smoothness


def levels(*values):
    return [np.full((16, 20), value, np.uint8) for value in values]


def still(start, end):
    return np.zeros((*start.shape, 2), np.float32)


def by_level(start, end):
    """A made-up motion: as many pixels as the level rises."""
    change = end.astype(np.float32) - start
    return np.stack([change, change], axis=2)


def moving(step, frames=5):
    texture = np.random.default_rng(0).uniform(0, 255, (96, 160))
    texture = cv2.GaussianBlur(texture, (0, 0), 3)
    texture = np.uint8(np.interp(texture, (texture.min(), texture.max()), (0, 255)))
    return [texture[16:80, 40 + step * t : 120 + step * t].copy() for t in range(frames)]


def test_biswe_of_flicker_by_hand():
    # |20 - 10| + |20 - 40| = 30 and |40 - 20| + |40 - 45| = 25
    flicker = levels(10, 20, 40, 45)
    assert bidirectional_warping_error(flicker, *2 * [levels(0, 0, 0, 0)], flow=still) == 27.5


def test_biswe_leaves_out_pixels_whose_sources_disagree():
    def half(start, end):
        flow = still(start, end)
        flow[:, :10] = 2  # there and back are 4 pixels apart
        return flow if start[0, 0] < 100 else still(start, end)

    fused = levels(110, 120, 140)
    for frame in fused:
        frame[:, :9] = 100
    fused[1][:, :8] = 255  # would add much, and lies where the infrared flow contradicts itself
    error = bidirectional_warping_error(fused, levels(1, 2, 3), levels(0, 0, 0), flow=half)
    assert error == pytest.approx(30)


def test_biswe_follows_motion():
    video = moving(2)
    followed = bidirectional_warping_error(video, video, video)
    not_followed = bidirectional_warping_error(video, video, video, flow=still)
    assert followed < not_followed / 5


def test_ms2r_by_hand():
    # flows 1, 3, 5: second difference 0; flows 1, 7, 19: 6; flows 0: 0
    f, i, v = levels(0, 1, 4, 9), levels(0, 1, 8, 27), levels(3, 3, 3, 3)
    assert motion_smoothness(f, i, v, flow=by_level) == 3


def test_ms2r_of_itself_is_zero_and_of_a_jerk_is_not():
    video = moving(1)
    assert motion_smoothness(video, video, video) == 0
    jerk = [video[0], video[1], video[4], video[3], video[4]]
    assert motion_smoothness(jerk, video, video) > 1


@pytest.mark.parametrize(
    ("videos", "said"),
    [
        ((levels(1, 2), levels(1, 2), levels(1, 2)), "at least 3"),
        ((levels(1, 2, 3), levels(1, 2), levels(1, 2, 3)), "3, 2, 3 frames"),
        ((levels(1, 2, 3), levels(1, 2, 3), [np.zeros((9, 9), np.uint8)] * 3), "one size"),
    ],
)
def test_what_is_refused(videos, said):
    with pytest.raises(UserError, match=said):
        bidirectional_warping_error(*videos)
