"""Rigs set by hand."""

import cv2
import numpy as np
import pytest

from emma_fusion.align import load_rig, refine, rig_from_motion, rig_from_points, rig_of
from emma_fusion.align.geometry import (
    apply,
    corner_distance,
    identity_of,
    middle,
    shift,
    turned,
)
from emma_fusion.demo import render_scene
from emma_fusion.errors import UserError

INFRARED, VISIBLE = (120, 160), (240, 320)
TRUTH = identity_of(VISIBLE, INFRARED) @ shift(7, -4) @ turned(12, 1.1, middle(VISIBLE))
POINTS = np.array([[30, 40], [290, 50], [160, 210], [60, 180], [250, 190], [150, 60], [200, 120]])


def test_three_points_are_a_similarity():
    rig = rig_from_points(apply(TRUTH, POINTS[:3]), POINTS[:3], INFRARED, VISIBLE)
    assert rig.model == "similarity"
    assert corner_distance(rig.matrix, TRUTH, VISIBLE) < 1e-6
    assert rig.residual < 1e-6


def test_points_prove_what_they_are_fitted_by():
    noise = np.random.default_rng(1).normal(0, 0.7, POINTS.shape)
    rig = rig_from_points(apply(TRUTH, POINTS) + noise, POINTS, INFRARED, VISIBLE)
    assert rig.model == "similarity"  # noise proves nothing
    assert 0.3 < rig.residual < 2
    tilted = TRUTH @ np.array([[1, 0.1, 0], [0, 1.05, 0], [4e-4, -3e-4, 1]])
    rig = rig_from_points(apply(tilted, POINTS) + noise / 10, POINTS, INFRARED, VISIBLE)
    assert rig.model == "homography"
    assert corner_distance(rig.matrix, tilted, VISIBLE) < 1


@pytest.mark.parametrize(
    ("there", "here", "message"),
    [
        (POINTS[:2], POINTS[:2], "2 point pairs"),
        (POINTS[:3], POINTS[:4], r"shapes \(3, 2\)"),
        ([[0, 0], [9, 9], [20, 20]], POINTS[:3], "infrared image lie on a line"),
        (POINTS[:3], [[5, 5]] * 3, "visible image lie on a line"),
    ],
)
def test_points_that_do_not_tell(there, here, message):
    with pytest.raises(UserError, match=message):
        rig_from_points(there, here, INFRARED, VISIBLE)


def test_a_motion_moves_the_infrared_image():
    rig = rig_from_motion(10, -6, 5, 1.2, INFRARED, VISIBLE)
    centre = np.array([middle(VISIBLE)])
    # what is in the infrared's middle is seen 10 to the right and 6 up
    assert np.allclose(apply(rig.matrix, centre + np.array([10, -6]))[0], middle(INFRARED))
    # the infrared's right is seen turned down, and further out than it was
    right = apply(np.linalg.inv(rig.matrix), np.array([[159.5, 59.5]]))[0] - (
        centre[0] + np.array([10, -6])
    )
    assert np.allclose(right, 160 * 1.2 * np.array([np.cos(np.pi / 36), np.sin(np.pi / 36)]))
    with pytest.raises(UserError, match="not a motion"):
        rig_from_motion(0, 0, 0, 0, INFRARED, VISIBLE)


def test_auto_refines_from_there(tmp_path):
    infrared, visible = render_scene(180, 240)
    size = visible.shape[:2]
    truth = shift(30, 20) @ turned(14, 1.05, middle(size))
    moved = cv2.warpPerspective(infrared, np.linalg.inv(truth), size[::-1])
    moved = np.where(moved == 0, 90, moved)  # no black frame, nothing to search by
    points = np.array([[60.0, 60], [180, 70], [120, 130]])
    clicked = apply(np.linalg.inv(truth), points) + np.array([[2, -1], [-1, 2], [1, 1]])
    rough = rig_from_points(clicked, points, size, size)
    found = refine(moved, visible, rough)
    assert found.trusted
    before, after = (
        corner_distance(one, np.linalg.inv(truth), size) for one in (rough.matrix, found.matrix)
    )
    assert after < 1.5 < before
    path = tmp_path / "rig.json"
    path.write_bytes(rig_of(found, size, size).to_json())
    assert np.allclose(load_rig(path).matrix, found.matrix)
    with pytest.raises(UserError, match="calibration is for"):
        refine(moved[:100], visible, rough)
