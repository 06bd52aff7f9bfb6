"""Labels: masks of classes, and boxes in the forms of PASCAL VOC and of YOLO."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_image

#: Stands in a mask for pixels that are neither learned from nor measured.
IGNORED = 255


@dataclass(frozen=True, eq=False)
class Boxes:
    """Objects of one image.

    Attributes:
        corners: (N, 4) float32, left, top, right, bottom as parts of width and height, in [0, 1].
        classes: (N,) int64.
        scores: (N,) float32, of detections; ones for the truth.
    """

    corners: NDArray[np.float32]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32]

    @classmethod
    def of(cls, corners: object, classes: object, scores: object = None) -> Boxes:
        """From anything that makes arrays, empty lists too; clipped to the image.

        Boxes that have no area within the image are left out.

        >>> Boxes.of([[-1, 0, 0.5, 1], [2, 2, 3, 3]], [0, 1]).corners
        array([[0. , 0. , 0.5, 1. ]], dtype=float32)
        """
        c = np.clip(np.asarray(corners, np.float32).reshape(-1, 4), 0, 1)
        k = np.asarray(classes, np.int64).reshape(-1)
        s = np.ones(len(c), np.float32) if scores is None else np.asarray(scores, np.float32)
        kept = (c[:, 2] > c[:, 0]) & (c[:, 3] > c[:, 1])
        return cls(c[kept], k[kept], s.reshape(-1)[kept])

    def __len__(self) -> int:
        return len(self.corners)


def read_mask(path: Path, classes: int, first: int = 0) -> NDArray[np.uint8]:
    """Read a mask, one number a pixel.

    Args:
        path: Grey image.
        classes: How many there are.
        first: The number of the first class; numbers below it, and 255, are ignored.

    Returns:
        (H, W) uint8, 0 to ``classes`` - 1, or `IGNORED`.

    Raises:
        UserError: The file is not readable, is coloured, or holds another number.
    """
    image = read_image(path)
    if image.ndim == 3:
        if not (image[..., :1] == image[..., 1:3]).all():
            raise UserError(
                f"The label {path} is a coloured image: save it grey, with the number of the "
                "class in every pixel."
            )
        image = image[..., 0]
    numbers = image.astype(np.int64) - first
    unlabelled = (numbers < 0) | (image == IGNORED)
    other = ~unlabelled & (numbers >= classes)
    if other.any():
        raise UserError(
            f"The label {path} holds the number {int(image[other][0])}: the numbers of its "
            f"{classes} classes are {first} to {first + classes - 1}."
        )
    return np.where(unlabelled, IGNORED, numbers).astype(np.uint8)


def read_boxes(path: Path, classes: tuple[str, ...]) -> Boxes:
    """Read the objects of an image.

    Args:
        path: VOC xml, whose corners are taken as edges in pixels, or YOLO txt: a line
            ``CLASS X Y WIDTH HEIGHT`` an object, centre and size as parts of the image.
        classes: Names, in the order of YOLO's numbers; case does not matter in VOC.

    Raises:
        UserError: The file is not readable or names another class.
    """
    try:
        read = _read_voc if path.suffix.lower() == ".xml" else _read_yolo
        return read(path, classes)
    except (OSError, ValueError, AttributeError, ElementTree.ParseError) as error:
        raise UserError(f"The label {path} cannot be read: {error}.") from error


def _read_voc(path: Path, classes: tuple[str, ...]) -> Boxes:
    numbers = {name.lower(): number for number, name in enumerate(classes)}
    tree = ElementTree.parse(path)
    width, height = (float(tree.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    if not (width > 0 and height > 0):
        raise ValueError("it does not say the size of its image")
    corners, found = [], []
    for thing in tree.iter("object"):
        name = (thing.findtext("name") or "").strip()
        if name.lower() not in numbers:
            raise ValueError(f"it names the class {name!r}, which is none of {', '.join(classes)}")
        edges = [
            float(thing.findtext(f"bndbox/{edge}") or "")
            for edge in ("xmin", "ymin", "xmax", "ymax")
        ]
        corners.append([edge / side for edge, side in zip(edges, 2 * (width, height), strict=True)])
        found.append(numbers[name.lower()])
    return Boxes.of(corners, found)


def _read_yolo(path: Path, classes: tuple[str, ...]) -> Boxes:
    corners, found = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip():
            continue
        number, x, y, width, height = (float(word) for word in line.split())
        if int(number) != number or not 0 <= number < len(classes):
            raise ValueError(f"it holds the class {number:g}, and there are {len(classes)}")
        corners.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
        found.append(int(number))
    return Boxes.of(corners, found)
