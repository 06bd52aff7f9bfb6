"""Transforms of the plane: homographies between pixel grids, and the models they are fitted as.

A homography here is (3, 3) float64, takes (x, y) of the visible image to (x, y) of the infrared
one, and counts from the centre of the first pixel.
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Size = tuple[int, int]  # (height, width)
Model = Literal["identity", "translation", "rigid", "similarity", "affine", "homography"]

# Of the increments that a model may take, in the order of `displacements`' columns.
_PARAMETERS = {
    "identity": 0,
    "translation": 2,
    "rigid": 3,
    "similarity": 4,
    "affine": 6,
    "homography": 8,
}


def size_of(image: npt.NDArray[Any]) -> Size:
    """(height, width)."""
    return image.shape[0], image.shape[1]


def shift(x: float, y: float) -> Matrix:
    """The homography (x', y') = (x, y) + shift."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def rescale(source: Size, target: Size) -> Matrix:
    """From the pixels of an image to those of the same image in another size.

    >>> rescale((10, 10), (5, 5)) @ [0.5, 0.5, 1]
    array([0., 0., 1.])
    """
    (h, w), (to_h, to_w) = source, target
    right, down = to_w / w, to_h / h
    return np.array([[right, 0, (right - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1.0]])


def identity_of(visible: Size, infrared: Size) -> Matrix:
    """Where images of two sizes lie when the infrared one is stretched over the visible."""
    return rescale(visible, infrared)


def turned(degrees: float, scale: float, centre: tuple[float, float]) -> Matrix:
    """Turn and scale about a centre (x, y)."""
    angle = np.deg2rad(degrees)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    about = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    matrix: Matrix = shift(*centre) @ about @ shift(-centre[0], -centre[1])
    return matrix


def middle(size: Size) -> tuple[float, float]:
    """The centre of an image, (x, y)."""
    return (size[1] - 1) / 2, (size[0] - 1) / 2


def apply(matrix: Matrix, points: npt.NDArray[Any]) -> Matrix:
    """Where (N, 2) points go."""
    moved: Matrix = cv2.perspectiveTransform(np.asarray(points, np.float64)[None], matrix)[0]
    return moved


def corners(size: Size) -> Matrix:
    """The centres of the four corner pixels of an image, (4, 2)."""
    right, bottom = size[1] - 1, size[0] - 1
    return np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float64)


def corner_distance(a: Matrix, b: Matrix, size: Size) -> float:
    """How far apart two homographies take the corners of an image, on average, in pixels.

    >>> corner_distance(shift(3, 4), shift(0, 0), (10, 10))
    5.0
    """
    apart = apply(a, corners(size)) - apply(b, corners(size))
    return float(np.linalg.norm(apart, axis=1).mean())


def displacements(points: Matrix, size: Size, model: Model) -> Matrix:
    """How the parameters of a small motion displace points, to first order.

    A point is measured from the image's centre in halves of its width, (u, v), so that every
    parameter is in pixels. The motions are: right, down; turn (-v, u), growth (u, v);
    (u, -v), (v, u); (u u, u v), (u v, v v).

    Returns:
        (N, 2, P): the displacement of each point is this times the parameters.
    """
    u, v = ((points - middle(size)) / (size[1] / 2)).T
    one, none = np.ones_like(u), np.zeros_like(u)
    x = [one, none, -v, u, u, v, u * u, u * v]
    y = [none, one, u, v, -v, u, u * v, v * v]
    count = _PARAMETERS[model]
    return np.stack([np.stack(x[:count], -1), np.stack(y[:count], -1)], axis=1)


def motion(parameters: Matrix, size: Size) -> Matrix:
    """The homography of a small motion; see `displacements`. A turn is one of any angle."""
    half = size[1] / 2
    right, down, turn, growth, a, b, g, h = np.pad(parameters, (0, 8 - len(parameters)))
    c, s = np.cos(turn / half), np.sin(turn / half)
    about = np.array(
        [
            [c + (growth + a) / half, b / half - s, right],
            [b / half + s, c + (growth - a) / half, down],
            [-g / half**2, -h / half**2, 1],
        ]
    )
    x, y = middle(size)
    matrix: Matrix = shift(x, y) @ about @ shift(-x, -y)
    return matrix


def parameters_of(matrix: Matrix, size: Size) -> Matrix:
    """The eight parameters of `motion` whose displacements are nearest to a homography's."""
    y, x = np.mgrid[0 : size[0] - 1 : 7j, 0 : size[1] - 1 : 7j].reshape(2, -1)
    points = np.stack([x, y], -1)
    moved = (apply(matrix, points) - points).ravel()
    design = displacements(points, size, "homography").reshape(-1, 8)
    found: Matrix = np.linalg.lstsq(design, moved, rcond=None)[0]
    return found
