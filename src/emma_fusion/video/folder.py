"""A folder of numbered frames, read as a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images
from emma_fusion.images.raster import read_image
from emma_fusion.video.frames import Frame


class FrameFolder:
    """The images of a folder as frames, in the order of the last number in their names.

    That number divided by the rate is a frame's time: where one is missing, so is its time.
    Without a number in every name, images are counted in the order of their names.

    Attributes:
        name: Of the folder.
        rate: Frames a second.
        count: How many frames.
        start: The time of the first frame in seconds.
        time_base: None: it has no time stamps.
        aspect: 1: its pixels are square.
        files: Number -> file, in order.

    Args:
        path: The folder.
        rate: Frames a second.

    Raises:
        UserError: There is no folder or no image, or two have one number.
    """

    time_base: Fraction | None = None
    aspect = Fraction(1)

    def __init__(self, path: Path | str, rate: Fraction) -> None:
        self.path, self.rate, self.name = Path(path), rate, Path(path).name
        self.files = number_files(self.path)
        self.count = len(self.files)
        self.start = next(iter(self.files)) / rate

    def __iter__(self) -> Iterator[Frame]:
        """Read all frames; one that is damaged has the image of the one before (or after) it.

        Raises:
            UserError: None can be read.
        """
        last, lost = None, []
        for number, path in self.files.items():
            time = number / self.rate
            try:
                image = read_image(path)
            except UserError:
                if last is None:
                    lost.append((time, path.name))
                else:
                    yield Frame(time, last, True, path.name)
                continue
            yield from (Frame(before, image, True, name) for before, name in lost)
            lost, last = [], image
            yield Frame(time, image, False, path.name)
        if last is None:
            raise UserError(f"The folder {self.path} has no frame that can be read.")


def number_files(folder: Path) -> dict[int, Path]:
    """The images of a folder by their numbers, in their order.

    Raises:
        UserError: There is no folder or no image, or two have one number.
    """
    images = list_images(folder)
    if not images:
        raise UserError(f"The folder {folder} holds no images.")
    numbers = [re.findall(r"\d+", stem) for stem in images]
    if not all(numbers):
        return dict(enumerate(images.values()))
    files: dict[int, Path] = {}
    for found, path in zip(numbers, images.values(), strict=True):
        number = int(found[-1])
        if number in files:
            raise UserError(
                f"{files[number].name} and {path.name} in {folder} have the same number, so their "
                "order is unclear: frames are numbered by the last number in their names."
            )
        files[number] = path
    return dict(sorted(files.items()))
