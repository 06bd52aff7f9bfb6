"""A rig from drawn images of a checkerboard, whose lenses and places are known."""

import json

import cv2
import numpy as np
import pytest

from boards import (
    APART,
    BENT,
    BOARD,
    INFRARED,
    PLACES,
    STRAIGHT,
    VISIBLE,
    draw,
    drawn_pairs,
    in_space,
)
from emma_fusion.align import Aligner, calibrate_board, load_rig
from emma_fusion.align.chessboard import choose_lens, find_corners, grid_of, project, same_order
from emma_fusion.align.registration import plane_of as stretched
from emma_fusion.errors import UserError


@pytest.fixture(scope="module")
def pairs():
    return drawn_pairs()


@pytest.fixture(scope="module")
def calibrated(pairs):
    return calibrate_board([*pairs, ("empty", pairs[0][1] * 0, pairs[0][2])], BOARD, square=0.5)


def plane_of(image):
    return image.astype(np.float32) / 255


@pytest.mark.slow
def test_corners_are_found_in_either_polarity_and_size(pairs):
    for number, place in enumerate(PLACES[:2]):
        truth = project(STRAIGHT, in_space(grid_of(BOARD), place) + APART)
        plane = plane_of(pairs[number][1])
        enlarged = cv2.resize(plane, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
        for image, scale in ((plane, 1), (1 - plane, 1), (enlarged, 8)):
            found = (same_order(find_corners(image, BOARD), truth) + 0.5) / scale - 0.5
            assert np.linalg.norm(found - truth, axis=1).mean() < 0.15
    assert find_corners(np.zeros((90, 120), np.float32), BOARD) is None


def test_a_board_that_the_image_cuts_off_is_not_found_a_square_aside():
    """OpenCV takes the cut squares for corners now and then."""
    for place in (((2.5, 1.5, 15), (-0.3, 0.3)), ((2.5, -1.5, 17), (-0.4, -0.3))):
        image = draw(STRAIGHT, INFRARED, place, APART, 200, 90)
        found = find_corners(stretched(image), BOARD)
        truth = project(STRAIGHT, in_space(grid_of(BOARD), place) + APART)
        assert found is None or np.abs(same_order(found, truth) - truth).max() < 0.5


def test_a_lens_bends_what_it_straightens():
    y, x = np.mgrid[0:359:9j, 0:479:9j].reshape(2, -1)
    points = np.stack([x, y], -1)
    straight = BENT.straighten(points)
    assert np.abs(straight - points).max() > 5
    assert np.abs(BENT.bend(straight) - points).max() < 1e-3
    assert np.array_equal(STRAIGHT.bend(points), points)


def test_no_more_of_a_lens_than_boards_left_out_prove():
    rng = np.random.default_rng(0)

    def seen(lens, size):
        boards = [project(lens, in_space(grid_of(BOARD), place)) for place in PLACES]
        return [one + rng.normal(0, 0.05, one.shape) for one in boards], BOARD, size

    lens, kind = choose_lens(*seen(BENT, VISIBLE))
    assert kind.startswith("k1")
    assert abs(lens.distortion[0] + 0.28) < 0.08
    assert abs(lens.focal / BENT.focal - 1) < 0.03
    lens, kind = choose_lens(*seen(STRAIGHT, INFRARED))
    assert kind == "no distortion"
    assert lens.distortion == (0, 0, 0, 0, 0)


def test_a_board_tells_of_the_rig(calibrated):
    assert calibrated.not_found == ("empty (infrared)",)
    assert len(calibrated.boards) == 6
    assert all(one.used for one in calibrated.boards)
    assert calibrated.error < 0.2
    assert calibrated.lenses[1].startswith("k1")
    assert 7.5 < calibrated.distance < 8.75  # 15 to 17.5 squares of 0.5
    # what stands at the rig's distance falls where it should, in all of the image
    y, x = np.mgrid[20:340:5j, 20:460:5j].reshape(2, -1)
    points = np.stack([x, y], -1)
    rays = (BENT.straighten(points) - BENT.centre) / BENT.focal
    space = np.column_stack([rays, np.ones(len(rays))]) * calibrated.distance / 0.5
    truth = project(STRAIGHT, space + APART)
    inside = (truth > 0).all(axis=1) & (truth < (239, 179)).all(axis=1)
    assert np.linalg.norm(calibrated.rig.seen(points) - truth, axis=1)[inside].mean() < 0.5
    # twice as far, and infinitely far, half and all of the parallax is gone
    at_once = STRAIGHT.focal * np.hypot(0.4, 0.1) / (calibrated.distance / 0.5)
    assert abs(calibrated.parallax["infinity"] - at_once) < 1.0
    # a board at another distance is off by that under the one transform
    assert max(one.plain for one in calibrated.boards) > 2 * calibrated.error
    assert calibrated.residuals.ndim == 3
    assert len(np.unique(calibrated.residuals.reshape(-1, 3), axis=0)) > 6


def test_the_rigs_file_holds_the_lenses_and_undistorts(calibrated, pairs, tmp_path):
    path = tmp_path / "rig.json"
    path.write_bytes(calibrated.rig.to_json())
    again = load_rig(path)
    assert again.lenses == calibrated.rig.lenses
    assert again.notes["distance"] == calibrated.distance
    # the drawn board nearest to the rig's own distance comes onto the visible one's corners
    _, infrared, visible = pairs[1]
    aligner = Aligner(str(path))
    aligned = aligner(infrared, visible)
    assert aligned.image.shape == visible.shape
    assert aligner(infrared, visible).cover is aligned.cover  # of a rig, once for all
    there = find_corners(plane_of(aligned.image), BOARD)
    here = same_order(find_corners(plane_of(visible), BOARD), there)
    assert np.linalg.norm(there - here, axis=1).mean() < 2.5
    facts = json.loads(path.read_text())
    assert facts["format"] == 2
    del facts["lenses"]["visible"]["focal_pixels"]
    path.write_text(json.dumps(facts))
    with pytest.raises(UserError, match="damaged"):
        load_rig(path)


def test_a_board_that_moved_between_exposures_is_named(pairs):
    moved = [
        (name, np.roll(infrared, 3, axis=1) if name == "b1" else infrared, visible)
        for name, infrared, visible in pairs
    ]
    found = calibrate_board(moved, BOARD)
    assert [one.name for one in found.boards if not one.used] == ["b1"]
    assert found.error < 0.25


def test_too_few_boards(pairs):
    nothing = np.zeros(INFRARED, np.uint8)
    few = [*pairs[:2], ("c", nothing, pairs[0][2])]
    with pytest.raises(UserError, match=r"7x5 inner corners .* in 2 of the pairs.*c \(infrared\)"):
        calibrate_board(few, BOARD)
    with pytest.raises(UserError, match="b2 has other sizes"):
        calibrate_board([*pairs[:2], ("b2", nothing[:90], pairs[0][2])], BOARD)
    with pytest.raises(UserError, match=r"in 0 of the pairs.*Count the corners"):
        calibrate_board([], BOARD)
