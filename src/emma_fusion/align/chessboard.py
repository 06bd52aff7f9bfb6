"""A checkerboard in an image, and the lens that several of them tell of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.align.geometry import Matrix, Size, middle
from emma_fusion.align.lens import Lens
from emma_fusion.values.arrays import FloatArray

Board = tuple[int, int]  # inner corners along the two sides

# The longer side on which a board is looked for: larger images are slow, smaller ones too coarse.
_LARGEST, _SMALLEST = 1600, 320
_FIND = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY

# Around a found corner, this share of the way to the next is looked at to place it closely.
_AROUND = 0.3

# How far a corner may lie from the middle between its neighbours, twice, as a share of a step.
_UNEVEN = 0.4

# What a lens may have, the simplest first, as what OpenCV is to hold still.
_STILL = cv2.CALIB_FIX_ASPECT_RATIO | cv2.CALIB_USE_INTRINSIC_GUESS
_PLAIN = cv2.CALIB_FIX_PRINCIPAL_POINT | cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_K3
_LENSES = {
    "no distortion": _PLAIN | cv2.CALIB_FIX_K1 | cv2.CALIB_FIX_K2,
    "k1": _PLAIN | cv2.CALIB_FIX_K2,
    "k1, k2": _PLAIN,
    "k1, k2 and the centre": cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_K3,
}
# A richer lens must lower the error on boards left out by this share, and in most of them.
_GAIN, _MOST = 0.1, 0.8


def find_corners(plane: FloatArray, board: Board) -> Matrix | None:
    """Find the inner corners of a checkerboard, whether its dark squares look dark or bright.

    Args:
        plane: (H, W) float32 in [0, 1].
        board: how many inner corners there are along its two sides.

    Returns:
        (N, 2), (x, y) of each, row by row; None where it is not found whole.
    """
    longer = max(plane.shape)
    factor = _LARGEST / longer if longer > _LARGEST else max(1, -(-_SMALLEST // longer))
    size = [round(side * factor) for side in plane.shape]
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(plane, size[::-1], interpolation=how) if factor != 1 else plane
    grey = np.clip(np.rint(255 * scaled), 0, 255).astype(np.uint8)
    for image in (grey, 255 - grey):
        found, corners = cv2.findChessboardCornersSB(image, board, flags=_FIND)
        # Judged before they are placed: false corners could come to lie evenly, a square aside.
        if found and _is_even(np.asarray(corners, np.float64), board):
            # from the centres of the scaled image's pixels to those of the image's
            ratio = np.array([plane.shape[1] / size[1], plane.shape[0] / size[0]])
            places: Matrix = (_placed(grey, corners, board) + 0.5) * ratio - 0.5
            return places
    return None


def _placed(grey: npt.NDArray[np.uint8], corners: npt.NDArray[Any], board: Board) -> Matrix:
    """Corners where the gradients around them say.

    In a blurred thermal image, those that `findChessboardCornersSB` returns are a quarter of a
    pixel from a flat board's, and these a tenth.
    """
    columns, rows = board
    grid = corners.reshape(rows, columns, 2)
    step = min(np.linalg.norm(np.diff(grid, axis=axis), axis=2).min() for axis in (0, 1))
    half = max(2, round(_AROUND * float(step)))
    rule = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-3)
    begun = corners.astype(np.float32).reshape(-1, 1, 2)
    placed = cv2.cornerSubPix(grey, begun, (half, half), (-1, -1), rule)
    return np.asarray(placed, np.float64).reshape(-1, 2)


def _is_even(corners: Matrix, board: Board) -> bool:
    """Whether every corner lies about halfway between its neighbours.

    Of a board that the image cuts off, OpenCV now and then finds corners that are not there.
    """
    columns, rows = board
    grid = corners.reshape(rows, columns, 2)
    for lines in (grid, grid.transpose(1, 0, 2)):
        step = np.linalg.norm(np.diff(lines, axis=1), axis=2)
        bend = np.linalg.norm(np.diff(lines, 2, axis=1), axis=2)
        if (bend > _UNEVEN * np.minimum(step[:, 1:], step[:, :-1])).any():
            return False
    return True


def same_order(corners: Matrix, other: Matrix) -> Matrix:
    """Corners counted from the same end as another camera's, which is not upside down to it."""
    return corners[::-1] if (corners[-1] - corners[0]) @ (other[-1] - other[0]) < 0 else corners


def grid_of(board: Board) -> Matrix:
    """The corners on the board itself, (N, 3), in squares."""
    columns, rows = board
    grid = np.zeros((rows * columns, 3))
    grid[:, :2] = np.mgrid[:columns, :rows].T.reshape(-1, 2)
    return grid


def pose_of(lens: Lens, corners: Matrix, board: Board) -> Matrix:
    """The corners in space before a camera, (N, 3), in squares."""
    grid = grid_of(board)
    _, turn, place = cv2.solvePnP(grid, corners, lens.matrix, lens.coefficients)
    in_space: Matrix = grid @ cv2.Rodrigues(turn)[0].T + place.ravel()
    return in_space


def project(lens: Lens, in_space: npt.NDArray[Any]) -> Matrix:
    """Where a camera sees points, (N, 2)."""
    still = np.zeros(3)
    seen = cv2.projectPoints(in_space, still, still, lens.matrix, lens.coefficients)[0]
    return np.asarray(seen, np.float64).reshape(-1, 2)


def fit_lens(boards: Sequence[Matrix], board: Board, size: Size, kind: str) -> Lens:
    """The lens of one kind under which the boards' corners lie best.

    Args:
        boards: (N, 2) corners of each image.
        board: see `find_corners`.
        size: of the images.
        kind: one of those that `choose_lens` compares.
    """
    # 1.2 times the width is a lens of 45 degrees; it settles from far off.
    start = Lens(1.2 * max(size), middle(size))
    grid = grid_of(board).astype(np.float32)
    _, matrix, distortion, _, _ = cv2.calibrateCamera(
        [grid] * len(boards),
        [corners.astype(np.float32) for corners in boards],
        size[::-1],
        start.matrix,
        np.zeros(5),
        flags=_STILL | _LENSES[kind],
    )
    k1, k2, p1, p2, k3 = (float(value) for value in distortion.ravel()[:5])
    centre = float(matrix[0, 2]), float(matrix[1, 2])
    return Lens(float(matrix[0, 0]), centre, (k1, k2, p1, p2, k3))


def choose_lens(boards: Sequence[Matrix], board: Board, size: Size) -> tuple[Lens, str]:
    """The simplest lens that no richer one is proven against on boards left out.

    For each board, the lens is fitted to the others, and the board's corners are compared with
    where its best pose puts them.

    Returns:
        The lens fitted to all, and its kind in words.
    """
    kinds = list(_LENSES)
    chosen = kinds[0]
    best = _left_out(boards, board, size, chosen)
    for kind in kinds[1:]:
        errors = _left_out(boards, board, size, kind)
        better = (errors < best).mean() >= _MOST
        if better and errors.mean() < (1 - _GAIN) * best.mean():
            chosen, best = kind, errors
    return fit_lens(boards, board, size, chosen), chosen


def _left_out(boards: Sequence[Matrix], board: Board, size: Size, kind: str) -> Matrix:
    """The mean error of each board in pixels under the lens of the others."""
    errors = []
    for index, corners in enumerate(boards):
        lens = fit_lens([*boards[:index], *boards[index + 1 :]], board, size, kind)
        seen = project(lens, pose_of(lens, corners, board))
        errors.append(np.linalg.norm(seen - corners, axis=1).mean())
    return np.array(errors)
