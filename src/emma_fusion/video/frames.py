"""A frame of a video, and what files are videos."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy.typing as npt

from emma_fusion.errors import UserError

# What is read as a video; `writing.ENCODERS` are those that can be written.
SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
    *(".wmv", ".flv", ".ogv", ".3gp", ".y4m"),
)


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a video.

    Attributes:
        time: When it is shown, in seconds, by the video's own clock.
        image: (H, W), or (H, W, 3 or 4) RGB(A); uint8 or uint16. Upright.
        bridged: Whether the frame was damaged, so that the image is that of its neighbour.
        name: Of its file, "" in a video file.
    """

    time: Fraction
    image: npt.NDArray[Any]
    bridged: bool = False
    name: str = ""


def is_video(path: Path | str) -> bool:
    """Whether a file's suffix is that of a video file.

    >>> is_video("a/street.MP4"), is_video("a/street.png"), is_video("frames")
    (True, False, False)
    """
    return Path(path).suffix.lower() in SUFFIXES


def need_av() -> None:
    """Check that PyAV is there.

    Raises:
        UserError: It is not.
    """
    if find_spec("av") is None:
        raise UserError("Video files need PyAV: pip install 'emma-fusion[video]'.")
