"""Drawn images of a checkerboard before two cameras whose lenses and places are known."""

import cv2
import numpy as np

from emma_fusion.align.lens import Lens

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


def drawn_pairs():
    """A name, the infrared and the visible image of each place."""
    return [
        (
            f"b{number}",
            draw(STRAIGHT, INFRARED, place, APART, 200, 90),  # its dark squares are warm
            draw(BENT, VISIBLE, place, np.zeros(3), 30, 220),
        )
        for number, place in enumerate(PLACES)
    ]
