"""Two videos, folders of frames or cameras on one clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

from emma_fusion.errors import UserError
from emma_fusion.images.raster import MAX_PIXELS
from emma_fusion.jobs.messages import Messages
from emma_fusion.jobs.request import VideoOptions
from emma_fusion.video.folder import FrameFolder
from emma_fusion.video.following import FollowedAlignment
from emma_fusion.video.frames import Frame
from emma_fusion.video.live import TIME_BASE, Camera, Timing, describe, watch
from emma_fusion.video.pairing import Video, pair_videos
from emma_fusion.video.reading import VideoFile

_LIVE_RATE = Fraction(25)  # for players; each image has its own time


@dataclass
class Footage:
    """Two videos on one clock.

    Attributes:
        names: What errors and the record call the two.
        pairs: Each visible frame, with the infrared one of its time or None.
        rate: Frames a second of the visible video.
        total: How many frames it has, about, or None where nobody knows.
        time_base: The unit of its time stamps, or None.
        aspect: The width of its pixels by their height.
        audio: The file whose audio is kept, or None.
        may_be_ahead: Whether frames may be read and fused in other threads.
        bridged: The times of damaged frames met so far, by side.
        alone: The times of visible frames met so far that have no infrared frame.
        cuts: The times of the cuts met so far.
        followed: The alignment that is found in the videos themselves, or None.
        describe: Says at the end what was left out live, and how late the rest was, or that a
            file ended too early; "" where there is nothing to say.
        finished: Is told of each visible frame when it is out.
    """

    names: tuple[str, str]
    pairs: Iterator[tuple[Frame | None, Frame]]
    rate: Fraction
    total: int | None = None
    time_base: Fraction | None = None
    aspect: Fraction = Fraction(1)
    audio: Path | None = None
    may_be_ahead: bool = False
    bridged: dict[str, list[Fraction]] = field(
        default_factory=lambda: {"infrared": [], "visible": []}
    )
    alone: list[Fraction] = field(default_factory=list)
    cuts: list[Fraction] = field(default_factory=list)
    followed: FollowedAlignment | None = None
    describe: Callable[[], str] | None = None
    finished: Callable[[Frame], None] = lambda frame: None


def open_footage(
    infrared: Path,
    visible: Path,
    options: VideoOptions,
    messages: Messages,
    most_pixels: int = MAX_PIXELS,
) -> Footage:
    """Open two video files or folders of frames, each frame with its partner in time.

    A folder has the rate that is asked for, else that of the times in its names, else that of the
    other video.

    Args:
        infrared: Video file or folder.
        visible: The same.
        options: What is asked for of videos.
        messages: Is told of a rate that nobody asked for.
        most_pixels: Of a video file's frames.

    Raises:
        UserError: One cannot be read, or an option does not fit.
    """
    rate = _parse_rate(options.rate)
    videos: dict[Path, Video] = {}
    for path, deep in ((infrared, True), (visible, False)):
        if path.is_file():
            videos[path] = VideoFile(path, deep, most_pixels)
    if len(videos) == 2 and rate is not None:
        raise UserError("Video files have their own rate: --rate is for folders of frames.")
    known = next((video.rate for video in videos.values()), Fraction(25))
    i, v = (videos.get(path) or FrameFolder(path, rate, known) for path in (infrared, visible))
    if rate is None and isinstance(v, FrameFolder) and not videos:
        tell = "as their names say" if v.kind == "time" and not v.paced else "another rate: --rate"
        messages.say(f"Note: {float(v.rate):.4g} frames a second, {tell}.")
    return Footage(
        (infrared.name, visible.name),
        pair_videos(i, v, Fraction(str(options.offset))),
        v.rate,
        v.count,
        v.time_base,
        v.aspect,
        audio=v.path if isinstance(v, VideoFile) else None,
        describe=partial(_tell_cut, v),
        # reading images takes hold of stderr, which is no thing for another thread
        may_be_ahead=isinstance(i, VideoFile) and isinstance(v, VideoFile),
    )


def _tell_cut(video: Video) -> str:
    """A sentence on a file that was read to its end, and that is shorter than it says."""
    if not isinstance(video, VideoFile) or video.cut is None:
        return ""
    found, claimed = video.cut
    return (
        f"Note: {video.name} ends after {found:.2f} s and says that it is {claimed:.2f} s long: it "
        "was cut short, or damaged at its end."
    )


def watch_cameras(infrared: Camera, visible: Camera, stopped: threading.Event) -> Footage:
    """Two cameras, until one ends or the event is set."""
    names = Path(infrared.name).name, Path(visible.name).name
    timing = Timing()
    pairs = watch(infrared, visible, stopped, timing)
    return Footage(
        names,
        pairs,
        _LIVE_RATE,
        time_base=TIME_BASE,
        describe=partial(describe, infrared, visible, timing),
        finished=timing.finished,
    )


def _parse_rate(text: str | None) -> Fraction | None:
    """Frames a second, such as 25, 29.97 or 30000/1001."""
    if text is None:
        return None
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise UserError(
            f"The rate {text!r} is not understood: give a number such as 25, 29.97 or 30000/1001."
        )
    return rate
