"""A rig from drawn images of a checkerboard, whose lenses and places are known."""

import json

import cv2
import numpy as np
import pytest

from emma_fusion.align import Aligner, calibrate_board, load_rig
from emma_fusion.align.chessboard import choose_lens, find_corners, grid_of, project, same_order
from emma_fusion.align.lens import Lens
from emma_fusion.align.registration import plane_of as stretched
from emma_fusion.errors import UserError

BOARD = (7, 5)
INFRARED, VISIBLE = (180, 240), (360, 480)
BENT = Lens(560.0, (239.5, 179.5), (-0.28, 0.0, 0.0, 0.0, 0.0))
STRAIGHT = Lens(290.0, (119.5, 89.5))
APART = np.array([0.4, 0.1, 0.0])  # from the visible camera to the infrared one, in squares
# where a board's middle is and how it is tilted
PLACES = [
    ((0, 0, 14), (0.1, 0.1)),
    ((-2.5, -1.5, 16), (0.3, -0.3)),
    ((1.5, 1.0, 15), (-0.3, 0.3)),
    ((-2.5, 1.5, 18), (0.3, 0.4)),
    ((1.5, -1.5, 17), (-0.4, -0.3)),
    ((0, 0.5, 20), (0.4, 0.0)),
]


def in_space(points, place):
    """Points on the board where it stands."""
    (x, y, z), (a, b) = place
    turn = cv2.Rodrigues(np.array([a, b, 0.05]))[0]
    middle = np.array([(BOARD[0] - 1) / 2, (BOARD[1] - 1) / 2, 0])
    return (points - middle) @ turn.T + (x, y, z)


def draw(lens, size, place, offset, dark, bright):
    """A checkerboard as a camera sees it: every pixel's ray meets the board's plane."""
    fine = 3
    y, x = (np.mgrid[: size[0] * fine, : size[1] * fine] + 0.5) / fine - 0.5
    straight = lens.straighten(np.stack([x.ravel(), y.ravel()], -1))
    rays = np.column_stack([(straight - lens.centre) / lens.focal, np.ones(x.size)])
    corner, right, down = in_space(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), place) + offset
    solved = np.linalg.solve(
        np.stack([right - corner, down - corner, corner], -1)[None], rays[..., None]
    )[..., 0]
    u, v = solved[:, 0] / solved[:, 2], solved[:, 1] / solved[:, 2]
    on = (u > -1) & (u < BOARD[0]) & (v > -1) & (v < BOARD[1])
    squares = (np.floor(u) + np.floor(v)) % 2 == 0
    grey = np.where(on, np.where(squares, dark, bright), (dark + 2 * bright) / 3)
    grey = grey.reshape(size[0], fine, size[1], fine).mean(axis=(1, 3))
    return np.rint(cv2.GaussianBlur(grey, (0, 0), 0.6)).astype(np.uint8)


@pytest.fixture(scope="module")
def pairs():
    return [
        (
            f"b{number}",
            draw(STRAIGHT, INFRARED, place, APART, 200, 90),  # its dark squares are warm
            draw(BENT, VISIBLE, place, np.zeros(3), 30, 220),
        )
        for number, place in enumerate(PLACES)
    ]


@pytest.fixture(scope="module")
def calibrated(pairs):
    return calibrate_board([*pairs, ("empty", pairs[0][1] * 0, pairs[0][2])], BOARD, square=0.5)


def plane_of(image):
    return image.astype(np.float32) / 255


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
    with pytest.raises(UserError, match=r"7x5 inner corners .* in 2 pairs.*c \(infrared\)"):
        calibrate_board(few, BOARD)
    with pytest.raises(UserError, match="b2 has other sizes"):
        calibrate_board([*pairs[:2], ("b2", nothing[:90], pairs[0][2])], BOARD)
    with pytest.raises(UserError, match="in 0 pairs"):
        calibrate_board([], BOARD)
