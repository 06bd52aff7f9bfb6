"""Videos as datasets: unpacked into folders of frames, which everything else here knows."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images.folders import check_name
from emma_fusion.images.raster import write_image
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import from_unit
from emma_fusion.video.frames import is_video
from emma_fusion.video.pairing import pair_frames
from emma_fusion.video.reading import VideoFile
from emma_fusion.video.steady import SteadyRange
from emma_fusion.video.writing import read_video_record


@dataclass(frozen=True)
class Unpacked:
    """Datasets and methods, as they were given but with folders in the place of videos.

    Attributes:
        datasets: For `open_datasets`.
        methods: For `open_methods`.
        names: Of the datasets that were videos.
    """

    datasets: list[str]
    methods: list[str]
    names: list[str]


def unpack(datasets: list[str], methods: list[str], output: Path) -> Unpacked:
    """Unpack the videos among datasets and methods into OUTPUT/frames, where they are not yet.

    A dataset NAME=INFRARED,VISIBLE of two video files becomes the frames of the visible one and
    the infrared frame nearest to each in time. Infrared videos deeper than 8 bit come as 8 bit, by
    a held range. A method that is a video file, or NAME= and one, becomes its frames, each with
    the number of the visible frame of its time.

    Raises:
        UserError: A video cannot be read, one of a dataset's two is a folder, or a fused video
            comes with no or several datasets that are videos.
    """
    given, names, visible = [], [], []
    for text in datasets:
        name, _, both = text.partition("=")
        infrared, _, other = both.partition(",")
        if not (is_video(infrared) or is_video(other)):
            given.append(text)
            continue
        if not (is_video(infrared) and is_video(other)):
            raise UserError(f"The dataset {text!r} is a video and a folder: give two of a kind.")
        videos = Path(infrared).expanduser(), Path(other).expanduser()
        check_name(name)
        folder = output / "frames" / name
        _unpack_pair(*videos, folder)
        given.append(f"{name}={folder / 'infrared'},{folder / 'visible'}")
        names.append(name)
        visible.append(videos[1])
    made = []
    for text in methods:
        name, equals, what = text.rpartition("=")
        if not is_video(what):
            made.append(text)
            continue
        if len(visible) != 1 or len(datasets) != 1:
            raise UserError(
                f"The fused video {what} needs one dataset, of the two videos that it was made of: "
                "-d NAME=INFRARED.mp4,VISIBLE.mp4."
            )
        name = name if equals else Path(what).stem
        check_name(name)
        folder = output / "frames" / name
        _unpack_fused(Path(what).expanduser(), visible[0], folder)
        made.append(f"{name}=folder:{folder}")
    return Unpacked(given, made, names)


def _unpack_pair(infrared: Path, visible: Path, folder: Path) -> None:
    with _fresh(folder, [infrared, visible]) as needed:
        if not needed:
            return
        thermal, colour = VideoFile(infrared, deep=True), VideoFile(visible)
        shift, scale = colour.start - thermal.start, SteadyRange("auto")
        number = 0
        for number, (i, v) in enumerate(pair_frames(thermal, colour, shift, 1 / thermal.rate), 1):
            if i is None:
                continue
            write_image(folder / f"infrared/{number:06}.png", _to_8_bit(i.image, scale, v.time))
            write_image(folder / f"visible/{number:06}.png", v.image)


def _unpack_fused(fused: Path, visible: Path, folder: Path) -> None:
    with _fresh(folder, [fused, visible]) as needed:
        if not needed:
            return
        video, reference = VideoFile(fused), VideoFile(visible)
        near, shift = 1 / reference.rate / 2, _clock_shift(video, reference)
        pairs = pair_frames(video, reference, shift, near)
        for number, (f, v) in enumerate(pairs, 1):
            if f is not None and abs(f.time + shift - v.time) < near:
                write_image(folder / f"{number:06}.png", f.image)
        if not folder.exists():
            raise UserError(f"The fused video {fused} has no frame at the times of {visible}.")


def _clock_shift(fused: VideoFile, visible: VideoFile) -> Fraction:
    """What brings a fused video's times onto the clock of the visible one it was made of.

    A video that `emma fuse` wrote begins at 0 and says where that is; another that has the visible
    one's time stamps keeps them, and one that has not begins with it.
    """
    record = read_video_record(fused.path)
    if record is not None:
        return Fraction(str(record.get("begins", 0)))
    return Fraction(0) if fused.start >= visible.start else visible.start - fused.start


def _to_8_bit(image: npt.NDArray[Any], scale: SteadyRange, time: Fraction) -> npt.NDArray[Any]:
    if image.dtype == np.uint8:
        return image
    pair = Pair.from_arrays(image, image, infrared_range=scale(image, time))
    return from_unit(pair.infrared, np.uint8)


@contextmanager
def _fresh(folder: Path, sources: list[Path]) -> Iterator[bool]:
    """Whether the frames of these videos are to be made; said in a file when they are all there."""
    for path in sources:
        if not path.is_file():
            raise UserError(f"The video {path} does not exist.")
    facts = [[str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns] for p in sources]
    stamp = hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()
    said = folder / "unpacked.txt"
    if said.is_file() and said.read_text() == stamp:
        yield False
        return
    if folder.exists():
        shutil.rmtree(folder)  # frames of another video, or a part of this one's
    yield True
    said.write_text(stamp)
