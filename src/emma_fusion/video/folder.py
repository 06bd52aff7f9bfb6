"""A folder of frames, read as a video."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images
from emma_fusion.images.raster import read_image
from emma_fusion.video.frames import Frame
from emma_fusion.video.naming import Kind, find_order

# Seconds between two frames, beyond which times in names are no video to be watched as it was.
_LONGEST_STEP = 10


class FrameFolder:
    """The images of a folder as frames, in the natural order of their names.

    A frame's time is what its name tells (see `find_order`): a time in seconds, or a number, which
    is divided by the rate, so that where one is missing, so is its time. Without either, frames are
    counted.

    Attributes:
        name: Of the folder.
        kind: What the names tell: "time", "number" or "order".
        rate: Frames a second.
        count: How many frames.
        start: The time of the first frame in seconds.
        time_base: The unit of times in names, in seconds; None where they tell none.
        aspect: 1: its pixels are square.
        files: Time or number -> file, in order.
        step: Seconds between two frames, mostly, by that time.
        paced: Whether frames are to be shown at the rate, whatever times their names tell: the
            rate was asked for, or a step is longer than 10 s, as in a time lapse or over a pause.

    Args:
        path: The folder.
        rate: Frames a second that were asked for, or None.
        otherwise: Frames a second where nobody asked and the names tell no times.

    Raises:
        UserError: There is no folder or no image, or two have one number.
    """

    aspect = Fraction(1)

    def __init__(
        self,
        path: Path | str,
        rate: Fraction | None = None,
        otherwise: Fraction = Fraction(25),
    ) -> None:
        self.path, self.name = Path(path), Path(path).name
        self.kind, self.files = order_files(self.path)
        self.count = len(self.files)
        steps = [b - a for a, b in pairwise(self.files)]
        timed = self.kind == "time"
        self.paced = rate is not None or (timed and max(steps) > _LONGEST_STEP)
        if rate is None and timed and not self.paced:
            otherwise = (1 / statistics.median(steps)).limit_denominator(1001)
        self.rate = rate or otherwise
        self.step = statistics.median(steps) if timed else 1 / self.rate
        self.time_base = Fraction(1, 90000) if timed else None
        self.start = self._time(next(iter(self.files)))

    def __iter__(self) -> Iterator[Frame]:
        """Read all frames; one that is damaged has the image of the one before (or after) it.

        Raises:
            UserError: None can be read.
        """
        last, lost = None, []
        for value, path in self.files.items():
            time = self._time(value)
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

    def _time(self, value: Fraction) -> Fraction:
        return value if self.kind == "time" else value / self.rate


def order_files(folder: Path) -> tuple[Kind, dict[Fraction, Path]]:
    """The images of a folder by what their names tell, in order, and what that is.

    Raises:
        UserError: There is no folder or no image, or two have one number.
    """
    images = list_images(folder)
    if not images:
        raise UserError(f"The folder {folder} holds no images.")
    order = find_order(list(images))
    files = zip(order.values, (images[stem] for stem in order.stems), strict=True)
    return order.kind, dict(files)
