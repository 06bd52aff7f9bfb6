"""A rig set by hand, from point pairs or from shift, turn and scale."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.align.geometry import (
    Matrix,
    Model,
    Size,
    apply,
    displacements,
    identity_of,
    middle,
    motion,
    shift,
    size_of,
    turned,
)
from emma_fusion.align.registration import Alignment, plane_of, register
from emma_fusion.align.rig import Rig
from emma_fusion.errors import UserError

# The kinds that points are fitted by, and how many they take: two more than would fit exactly, so
# that what each says of the others is known. A similarity is also fitted to three.
_TAKES: dict[Model, int] = {"similarity": 3, "affine": 5, "homography": 6}
_GAIN = 0.2  # a richer kind must lower the error of points left out by this share


def rig_from_points(
    infrared_points: npt.ArrayLike,
    visible_points: npt.ArrayLike,
    infrared: Size,
    visible: Size,
) -> Rig:
    """A rig from points that someone set in both images.

    It is a similarity, unless points left out are much nearer under an affine transform or a
    homography that the others are fitted by.

    Args:
        infrared_points: (N, 2), (x, y) in the infrared image, three or more.
        visible_points: (N, 2), the same points in the visible image.
        infrared: (height, width) of the infrared image.
        visible: (height, width) of the visible image.

    Returns:
        The rig; its residual is the mean error of points left out, in the infrared's pixels.

    Raises:
        UserError: there are fewer than three pairs, or all lie at one place or on a line.
    """
    there, here = (np.asarray(points, np.float64) for points in (infrared_points, visible_points))
    if there.shape != here.shape or there.ndim != 2 or there.shape[1] != 2:
        raise UserError(
            f"There are points of the shapes {there.shape} in the infrared image and {here.shape} "
            "in the visible one: give (x, y) of each in both."
        )
    if len(there) < _TAKES["similarity"]:
        raise UserError(
            f"{len(there)} point pairs do not determine a transform: set three or more."
        )
    for points, side in ((there, "infrared"), (here, "visible")):
        spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) / np.sqrt(
            len(points)
        )
        if not np.isfinite(points).all() or spread[1] < 1:
            raise UserError(
                f"The points in the {side} image lie on a line or at one place: set three that "
                "span a triangle."
            )
    chosen: Model = "similarity"
    error = _left_out(there, here, visible, chosen)
    for model, count in _TAKES.items():
        if model != "similarity" and len(there) >= count:
            richer = _left_out(there, here, visible, model)
            if richer < (1 - _GAIN) * error:
                chosen, error = model, richer
    matrix = _fit(there, here, visible, chosen)
    return Rig(matrix, chosen, infrared, visible, pairs=1, residual=error)


def rig_from_motion(
    right: float,
    down: float,
    turn: float,
    scale: float,
    infrared: Size,
    visible: Size,
    begin: Rig | None = None,
) -> Rig:
    """A rig from how someone moved the infrared image over the visible one.

    At first the infrared image lies where another rig has it, or is stretched over the visible one;
    then it is turned and scaled about the visible one's middle, and shifted.

    Args:
        right: by how many pixels of the visible image.
        down: by how many.
        turn: clockwise as seen on the screen, in degrees.
        scale: how many times larger than it was.
        infrared: (height, width) of the infrared image.
        visible: (height, width) of the visible image.
        begin: where it lay before; None for stretched over the visible image.

    Raises:
        UserError: the scale is not above 0, a number is not finite, or `begin` is of other sizes.
    """
    if not np.isfinite([right, down, turn, scale]).all() or scale <= 0:
        raise UserError(
            f"A shift of {right}, {down}, a turn of {turn} and a scale of {scale} are not a "
            "motion: give numbers, and a scale above 0."
        )
    moved = shift(right, down) @ turned(turn, scale, middle(visible))
    if begin is None:
        begin = Rig(identity_of(visible, infrared), "similarity", infrared, visible, 1, 0.0)
    begin.check(infrared, visible, ("infrared", "visible"))
    matrix = begin.matrix @ np.linalg.inv(moved)
    model = begin.model if begin.model in ("affine", "homography") else "similarity"
    return replace(begin, matrix=matrix / matrix[2, 2], model=model)


def refine(infrared: npt.NDArray[Any], visible: npt.NDArray[Any], rig: Rig) -> Alignment:
    """Refine a rig that was set by hand, as `auto` does, beginning there and not with a search.

    Args:
        infrared: (H', W') or (H', W', 3 or 4).
        visible: (H, W) or (H, W, 3 or 4).
        rig: where to begin.

    Returns:
        What was found; look whether it is `trusted`, and keep the rig as it was where it is not.

    Raises:
        UserError: the images have other sizes than the rig.
    """
    rig.check(size_of(infrared), size_of(visible), ("infrared", "visible"))
    return register(plane_of(infrared), plane_of(visible), begin=rig.matrix)


def rig_of(found: Alignment, infrared: Size, visible: Size) -> Rig:
    """The rig of one pair's registration, to be kept in a file."""
    return Rig(found.matrix, found.model, infrared, visible, pairs=1, residual=0.0)


def _fit(there: Matrix, here: Matrix, size: Size, model: Model) -> Matrix:
    """The transform of a kind from points of the visible image to those of the infrared."""
    # The first step is linear in the points stretched over each other; a turn takes a few.
    matrix = _similarity(there, here)
    if model == "similarity":
        return matrix
    for _ in range(20):
        apart = apply(np.asarray(np.linalg.inv(matrix), np.float64), there) - here
        design = displacements(here, size, model).reshape(-1, {"affine": 6, "homography": 8}[model])
        found = np.linalg.lstsq(design, apart.ravel(), rcond=None)[0]
        step = motion(np.asarray(found, np.float64), size)
        matrix = matrix @ step
        matrix = matrix / matrix[2, 2]
    return matrix


def _similarity(there: Matrix, here: Matrix) -> Matrix:
    """The least squares of turn, scale and shift, in closed form."""
    to, of = there.mean(axis=0), here.mean(axis=0)
    a, b = ((points - centre) @ [1, 1j] for points, centre in ((here, of), (there, to)))
    factor = (a.conj() @ b) / (a.conj() @ a)
    about = np.array([[factor.real, -factor.imag, 0], [factor.imag, factor.real, 0], [0, 0, 1.0]])
    matrix: Matrix = shift(*to) @ about @ shift(-of[0], -of[1])
    return matrix


def _left_out(there: Matrix, here: Matrix, size: Size, model: Model) -> float:
    """The mean error of points under the transform that the others are fitted by."""
    errors = []
    for one in range(len(there)):
        others = np.arange(len(there)) != one
        matrix = _fit(there[others], here[others], size, model)
        errors.append(np.linalg.norm(apply(matrix, here[one : one + 1])[0] - there[one]))
    return float(np.mean(errors))
