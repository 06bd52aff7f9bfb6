"""A rig from images of a checkerboard that both of its cameras see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.align.chessboard import (
    Board,
    choose_lens,
    find_corners,
    fit_lens,
    pose_of,
    project,
    same_order,
)
from emma_fusion.align.geometry import Matrix, Size, apply, middle, size_of
from emma_fusion.align.lens import Lens
from emma_fusion.align.registration import plane_of
from emma_fusion.align.rig import Rig
from emma_fusion.errors import UserError

Image = npt.NDArray[Any]

_FEWEST = 3  # boards
# A board whose error, left out, is this many times the median's is held to have moved between the
# two exposures: no rig agrees with it.
_MOVED = 2.0


@dataclass(frozen=True)
class BoardFit:
    """How one board lies under a rig that was found without it.

    Attributes:
        name: of the pair of images.
        distance: of the board's middle from the visible camera, in the unit of the squares.
        error: mean over its corners, in the infrared's pixels, where its distance is known.
        plain: the same where it is taken to be at the rig's distance: parallax included.
        used: whether the rig was fitted to it in the end.
    """

    name: str
    distance: float
    error: float
    plain: float
    used: bool


@dataclass(frozen=True, eq=False)
class BoardCalibration:
    """What images of a board tell of a rig.

    Attributes:
        rig: with the lenses, and the transform at `distance`; its residual is `error`.
        boards: of each pair in which both cameras' boards were found.
        not_found: what was left out, "NAME (infrared)" or "NAME (visible)".
        lenses: which distortion the views support, of the infrared and of the visible camera.
        distance: at which the rig's transform is right, in the unit of the squares.
        parallax: how many pixels of the infrared a thing in the middle is off at other distances.
        error: mean over the boards that were used of their errors, each left out.
        residuals: (H, W, 3) uint8, a picture of these errors on the infrared's grid.
    """

    rig: Rig
    boards: tuple[BoardFit, ...]
    not_found: tuple[str, ...]
    lenses: tuple[str, str]
    distance: float
    parallax: dict[str, float]
    error: float
    residuals: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Geometry:
    """Two lenses and how the infrared camera stands to the visible one."""

    infrared: Lens
    visible: Lens
    turn: Matrix
    place: Matrix

    def seen(self, in_space: Matrix) -> Matrix:
        """Where the infrared camera sees what stands in space before the visible one."""
        return project(self.infrared, in_space @ self.turn.T + self.place)

    def at(self, distance: float) -> Matrix:
        """The homography between images without distortion, of a plane at a distance."""
        shift = np.outer(self.place, (0, 0, 1)) / distance
        matrix = self.infrared.matrix @ (self.turn + shift) @ np.linalg.inv(self.visible.matrix)
        scaled: Matrix = matrix / matrix[2, 2]
        return scaled


def calibrate_board(
    pairs: Iterable[tuple[str, Image, Image]],
    board: Board,
    *,
    square: float = 1.0,
    distance: float | None = None,
) -> BoardCalibration:
    """Find a rig's transform and lenses from images of a checkerboard.

    The corners of the board are found in both images. Each camera's lens is the simplest that
    boards left out bear out. The board's place before the visible camera is known from its
    corners there, and the infrared camera stands where these points in space fall best onto its
    own corners. Boards that contradict the others are named and left out of this. The error is
    measured on boards that are left out, one after the other, lenses and all.

    Args:
        pairs: a name, the infrared and the visible image of each; all of the same two sizes.
        board: how many inner corners the board has along its two sides, such as (11, 8).
        square: the side of a square, in the unit that you want distances in.
        distance: at which the transform is exact; the median of the boards if not given.

    Raises:
        UserError: sizes differ, or the board was found in fewer than three pairs.
    """
    names, corners, sizes, not_found = _find(pairs, board)
    if sizes is None or len(names) < _FEWEST:
        missing = f" It was not found in {', '.join(not_found)}." if not_found else ""
        wrong = "" if names else " Count the corners between four squares, not the squares."
        raise UserError(
            f"A board of {board[0]}x{board[1]} inner corners was found by both cameras in "
            f"{len(names)} of the pairs, but {_FEWEST} or more, in different places, are needed."
            f"{wrong}{missing}"
        )
    (infrared, first), (visible, second) = (
        choose_lens(side, board, size) for side, size in zip(corners, sizes, strict=True)
    )
    kinds = first, second
    used = list(range(len(names)))
    while True:
        errors = np.array([_without(corners, used, one, board, sizes, kinds)[0] for one in used])
        worst = int(errors.argmax())
        if len(used) <= _FEWEST or errors[worst] <= _MOVED * np.median(errors):
            break
        used.pop(worst)
    geometry = _stand(infrared, visible, corners, used, board)
    distances = [pose_of(visible, one, board)[:, 2].mean() for one in corners[1]]
    away = float(np.median([distances[one] for one in used]))
    if distance is not None:
        away = distance / square
    boards, apart = [], []
    for index, name in enumerate(names):
        error, offset, plain = _without(corners, used, index, board, sizes, kinds, away)
        apart.append(offset)
        boards.append(BoardFit(name, float(distances[index]) * square, error, plain, index in used))
    mean = float(np.mean([one.error for one in boards if one.used]))
    there = _centre(geometry, sizes[1], away)
    parallax = {
        f"{away * times * square:.3g}" if times < np.inf else "infinity": float(
            np.linalg.norm(_centre(geometry, sizes[1], away * times) - there)
        )
        for times in (0.5, 0.8, 1.25, 2.0, np.inf)
    }
    rig = Rig(
        geometry.at(away),
        "homography",
        *sizes,
        pairs=len(used),
        residual=mean,
        lenses=(infrared, visible),
        notes={"distance": away * square, "parallax_pixels": parallax},
    )
    picture = draw_residuals(sizes[0], names, corners[0], apart)
    return BoardCalibration(
        rig, tuple(boards), tuple(not_found), kinds, away * square, parallax, mean, picture
    )


def _find(
    pairs: Iterable[tuple[str, Image, Image]], board: Board
) -> tuple[list[str], tuple[list[Matrix], list[Matrix]], tuple[Size, Size] | None, list[str]]:
    """Names, corners of both cameras, the two sizes, and what was not found."""
    names: list[str] = []
    infrareds: list[Matrix] = []
    visibles: list[Matrix] = []
    not_found: list[str] = []
    sizes: tuple[Size, Size] | None = None
    for name, infrared, visible in pairs:
        now = size_of(infrared), size_of(visible)
        if sizes not in (None, now):
            raise UserError(
                f"{name} has other sizes than the first pair: a calibration is for images of one "
                "infrared and one visible size."
            )
        sizes = now
        found = [find_corners(plane_of(image), board) for image in (infrared, visible)]
        for corners, side in zip(found, ("infrared", "visible"), strict=True):
            if corners is None:
                not_found.append(f"{name} ({side})")
        if found[0] is not None and found[1] is not None:
            names.append(name)
            infrareds.append(found[0])
            visibles.append(same_order(found[1], found[0]))
    return names, (infrareds, visibles), sizes, not_found


def _stand(
    infrared: Lens,
    visible: Lens,
    corners: tuple[Sequence[Matrix], Sequence[Matrix]],
    used: Sequence[int],
    board: Board,
) -> _Geometry:
    """Where the infrared camera stands to the visible one."""
    in_space = np.vstack([pose_of(visible, corners[1][one], board) for one in used])
    seen = np.vstack([corners[0][one] for one in used])
    # The cameras of a rig look the same way; without that beginning, boards far away, which are
    # nearly one plane, end in its mirror image.
    _, turn, place = cv2.solvePnP(
        in_space,
        seen,
        infrared.matrix,
        infrared.coefficients,
        rvec=np.zeros(3),
        tvec=np.zeros(3),
        useExtrinsicGuess=True,
    )
    return _Geometry(
        infrared,
        visible,
        np.asarray(cv2.Rodrigues(turn)[0], np.float64),
        np.asarray(place, np.float64).ravel(),
    )


def _without(
    corners: tuple[Sequence[Matrix], Sequence[Matrix]],
    used: Sequence[int],
    left_out: int,
    board: Board,
    sizes: tuple[Size, Size],
    kinds: tuple[str, str],
    away: float | None = None,
) -> tuple[float, Matrix, float]:
    """The mean error of a board under the rig of the others, its corners', and the plain one's."""
    others = [one for one in used if one != left_out]
    infrared, visible = (
        fit_lens([side[one] for one in others], board, size, kind)
        for side, size, kind in zip(corners, sizes, kinds, strict=True)
    )
    geometry = _stand(infrared, visible, corners, others, board)
    here = corners[1][left_out]
    offset = geometry.seen(pose_of(visible, here, board)) - corners[0][left_out]
    plain = offset
    if away is not None:
        straight = apply(geometry.at(away), visible.straighten(here))
        plain = infrared.bend(straight) - corners[0][left_out]
    error, without_distance = (float(np.linalg.norm(one, axis=1).mean()) for one in (offset, plain))
    return error, offset, without_distance


def _centre(geometry: _Geometry, size: Size, distance: float) -> Matrix:
    """Where the infrared camera sees the visible image's middle at a distance."""
    matrix = geometry.at(distance) if np.isfinite(distance) else geometry.at(1e12)
    straight = geometry.visible.straighten(np.array([middle(size)]))
    seen: Matrix = geometry.infrared.bend(apply(matrix, straight))[0]
    return seen


def draw_residuals(
    size: Size, names: Sequence[str], corners: Sequence[Matrix], apart: Sequence[Matrix]
) -> npt.NDArray[np.uint8]:
    """Draw where each board's corners lie in the infrared image and, enlarged, how far off.

    Args:
        size: of the infrared images.
        names: of the boards.
        corners: (N, 2) of each.
        apart: (N, 2) of each: from a corner to where the rig of the other boards puts it.

    Returns:
        (H, W, 3) uint8, about 1200 pixels wide.
    """
    scale = max(1, round(1200 / max(size)))
    enlarged = 10
    height, width = size[0] * scale, size[1] * scale
    line = 26
    drawn = np.full((height + line * (len(names) + 1), width, 3), 255, np.uint8)
    cv2.rectangle(drawn, (0, 0), (width - 1, height - 1), (160, 160, 160), 1)
    hues = np.linspace(0, 180, len(names), endpoint=False)
    for number, (name, places, offsets) in enumerate(zip(names, corners, apart, strict=True)):
        hue = np.array([[[hues[number], 255, 180]]], np.uint8)
        colour = [int(value) for value in cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0]]
        for place, offset in zip(places, offsets, strict=True):
            start = (place + 0.5) * scale
            end = start + offset * scale * enlarged
            first, last = ([int(v) for v in np.rint(p)] for p in (start, end))
            cv2.circle(drawn, first, 2, colour, -1, cv2.LINE_AA)
            cv2.arrowedLine(drawn, first, last, colour, 1, cv2.LINE_AA, tipLength=0.2)
        mean = np.linalg.norm(offsets, axis=1).mean()
        text = f"{name}: {mean:.2f} pixels"
        row = height + line * (number + 1) - 6
        cv2.putText(drawn, text, (8, row), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)
    text = f"Arrows are {enlarged} times as long as the errors."
    row = height + line * (len(names) + 1) - 8
    cv2.putText(drawn, text, (8, row), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return drawn
