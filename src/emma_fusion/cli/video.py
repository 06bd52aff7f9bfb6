"""emma fuse THERMAL.mp4 VISIBLE.mp4 -o FUSED.mp4: videos, folders of frames, pairs of cameras."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from emma_fusion.align import align
from emma_fusion.cli.progress import bar
from emma_fusion.cli.video_output import FolderOutput, Output, VideoOutput, Window, plan_output
from emma_fusion.errors import UserError
from emma_fusion.pair import FloatArray, Pair
from emma_fusion.values.mending import mend
from emma_fusion.video.folder import FrameFolder
from emma_fusion.video.frames import Frame, is_video
from emma_fusion.video.layout import Layout, lay_out
from emma_fusion.video.live import TIME_BASE, Camera, watch
from emma_fusion.video.pairing import pair_frames
from emma_fusion.video.pipeline import ahead
from emma_fusion.video.reading import VideoFile
from emma_fusion.video.steady import SteadyFuse, SteadyRange

if TYPE_CHECKING:
    from emma_fusion.cli.fuse import Request
    from emma_fusion.fuser import Fuser

Video: TypeAlias = VideoFile | FrameFolder
Pairs: TypeAlias = Iterator[tuple[Frame | None, Frame]]

_LIVE_RATE = Fraction(25)  # for players; each image has its own time


@dataclass(frozen=True)
class VideoOptions:
    """What is asked for beyond a `Request`, of videos alone."""

    video: bool = False
    live: bool = False
    layout: Layout = "fused"
    rate: str | None = None
    offset: float = 0.0
    frames: int | None = None
    show: bool = False


def wants_video(infrared: str, visible: str, output: str, options: VideoOptions) -> bool:
    """Whether videos are to be fused, and not images.

    They are where an input is a video file, with --live, and of two folders where OUT is a video
    file or --video says so.

    Raises:
        UserError: An option for videos is given, and there is none.
    """
    if options.live or any(is_video(name) and Path(name).is_file() for name in (infrared, visible)):
        return True
    folders = Path(infrared).is_dir() and Path(visible).is_dir()
    if folders and (options.video or is_video(output)):
        return True
    if options != VideoOptions():
        raise UserError(
            "--layout, --rate, --offset, --frames and --show are for videos, and --video is for "
            "two folders of frames: leave them out, or give two video files or folders."
        )
    return False


def fuse_video(
    infrared: str,
    visible: str,
    output: str,
    request: Request,
    options: VideoOptions,
    open_fuser: Callable[[], Fuser],
) -> None:
    """Fuse two videos into one, or into a folder of frames.

    Raises:
        UserError: An input cannot be read, the two do not fit, or an option is none for videos.
        typer.Exit: 130 where the user stopped it; what is done by then is kept.
    """
    _check(infrared, request, options)
    inputs = () if options.live else (Path(infrared), Path(visible))
    target = plan_output(output, inputs, request)
    work = _Work(request, options, (Path(infrared).name, Path(visible).name))
    with ExitStack() as stack:
        stopped = stack.enter_context(_interrupts())
        if options.live:
            cameras = [Camera(infrared), Camera(visible)]
            for camera in cameras:
                stack.callback(camera.close)
            fuser = open_fuser()
            pairs: Pairs = watch(cameras[0], cameras[1], stopped)
            made = _fuse_pairs(_make_pairs(pairs, work), fuser, work)
            total, video = None, VideoOutput(target, _LIVE_RATE, TIME_BASE)
        else:
            i, v = _open_videos(Path(infrared), Path(visible), _parse_rate(options.rate))
            work.request = _settle(i, request)
            fuser = open_fuser()
            pairs = pair_frames(i, v, _shift(i, v, options), reach=1 / i.rate)
            if isinstance(i, VideoFile) and isinstance(v, VideoFile):
                # reading images takes hold of stderr, which is no thing for another thread
                made = ahead(_fuse_pairs(ahead(_make_pairs(pairs, work)), fuser, work))
            else:
                made = _fuse_pairs(_make_pairs(pairs, work), fuser, work)
            audio = v.path if isinstance(v, VideoFile) else None
            total, video = v.count, VideoOutput(target, v.rate, v.time_base, v.aspect, audio)
        stack.callback(made.close)
        sink: Output = video if is_video(target) else FolderOutput(target, request)
        stack.push(sink.__exit__)
        _run(made, sink, total, stopped, fuser, work)
        sink.finish()
    _report(work, sink, target, options, interrupted=stopped.is_set())
    if stopped.is_set() and not options.live:
        raise typer.Exit(130)


class _Work:
    """What the steps of one video share, and what they have to say at the end."""

    def __init__(self, request: Request, options: VideoOptions, names: tuple[str, str]) -> None:
        self.request, self.options, self.names = request, options, names
        self.bridged: dict[str, list[Fraction]] = {"infrared": [], "visible": []}
        self.alone: list[Fraction] = []
        self.seconds = 0.0


def _make_pairs(pairs: Pairs, work: _Work) -> Generator[tuple[Frame, Pair], None, None]:
    """Make pairs of two videos' frames, each with its visible frame."""
    from emma_fusion.cli.fuse import prepare

    request = work.request
    steady_range = SteadyRange(request.infrared_range)
    seen: Frame | None = None
    for infrared, visible in pairs:
        if infrared is None:
            work.alone.append(visible.time)
            continue
        if visible.bridged:
            work.bridged["visible"].append(visible.time)
        if infrared.bridged and infrared is not seen:
            work.bridged["infrared"].append(infrared.time)
        seen = infrared
        thermal, mended = mend(infrared.image, request.mending)
        aligned = align(thermal, visible.image, request.aligner, work.names)
        pair = Pair.from_arrays(
            aligned.image,
            visible.image,
            colour=request.colour,
            infrared_range=steady_range(thermal, visible.time),
            labels=work.names,
            cover=aligned.cover,
        )
        pair.record["infrared"] |= mended | aligned.record
        yield visible, prepare(pair, Path("frame.png"), request)


def _fuse_pairs(
    pairs: Iterator[tuple[Frame, Pair]], fuser: Fuser, work: _Work
) -> Generator[tuple[Frame, Pair, FloatArray], None, None]:
    """Fuse pairs, each with its fused luminance."""
    fuse = SteadyFuse(fuser.fuse_luminance, stretch=work.request.contrast == "stretch")
    for frame, pair in pairs:
        yield frame, pair, fuse(pair, frame.time)


def _run(
    made: Iterator[tuple[Frame, Pair, FloatArray]],
    sink: Output,
    total: int | None,
    stopped: threading.Event,
    fuser: Fuser,
    work: _Work,
) -> None:
    """Take fused frames to where they go, until there are no more or the user stops it."""
    options = work.options
    window = Window() if options.show else None
    if options.frames is not None:
        total = min(total or options.frames, options.frames)
    begin = time.monotonic()
    with bar("Fusing", unit="frames") as show:
        for frame, pair, fused in made:
            image = lay_out(pair.compose(fused), pair, options.layout)
            record = work.request.made_by(fuser) | {"layout": options.layout} | pair.record
            sink.write(image, frame, record)
            show(sink.count, max(total or 0, sink.count))  # the total is an estimate
            if stopped.is_set() or sink.count == options.frames:
                break
            if window is not None and not window.show(image):
                break
    work.seconds = time.monotonic() - begin
    if sink.count == 0 and not stopped.is_set():
        raise UserError(
            "No image came of the cameras."
            if options.live
            else f"{work.names[0]} and {work.names[1]} have no time in common: see --offset."
        )


def _report(
    work: _Work, sink: Output, target: Path, options: VideoOptions, interrupted: bool
) -> None:
    """Say what was done, and what was not as it should be."""
    for note in sink.notes:
        print(f"Note: {note}", file=sys.stderr)
    for side, times in work.bridged.items():
        if times:
            print(
                f"Damaged: {len(times)} {side} frames, bridged by their neighbours, at "
                f"{_seconds(times)}",
                file=sys.stderr,
            )
    if work.alone:
        print(
            f"Left out: {len(work.alone)} visible frames without an infrared frame in their time, "
            f"at {_seconds(work.alone)}",
            file=sys.stderr,
        )
    if sink.count == 0:
        print("Interrupted before the first frame: nothing was written.", file=sys.stderr)
        return
    speed = f"{sink.count / work.seconds:.1f} frames a second" if work.seconds else "at once"
    if interrupted and not options.live:
        plays = ", and plays" if is_video(target) else ""
        print(f"Interrupted: {target} holds the first {sink.count} frames{plays}.", file=sys.stderr)
    print(f"Fused {sink.count} frames into {target}, {speed}", file=sys.stderr)


def _seconds(times: list[Fraction]) -> str:
    """A few times, in words."""
    few = ", ".join(f"{float(t):.2f}" for t in times[:5])
    return f"{few}{', ...' if times[5:] else ''} s"


def _check(infrared: str, request: Request, options: VideoOptions) -> None:
    """Refuse what is for images only."""
    if request.paper:
        raise UserError("The paper protocol is for images: leave out --protocol.")
    if request.infrared_range.startswith("folder") and not Path(infrared).is_dir():
        raise UserError("--infrared-range folder is for folders: give LOW:HIGH, or leave it out.")
    if request.aligner is not None and not request.aligner.is_rig:
        raise UserError(
            "Each frame on its own would be aligned a little differently and the video would "
            "shake: calibrate the cameras with emma calibrate, and give the file to --align."
        )
    if options.live and (options.offset or options.rate):
        raise UserError("Cameras have their own time: leave out --rate and --offset.")


def _open_videos(infrared: Path, visible: Path, rate: Fraction | None) -> tuple[Video, Video]:
    """Open both; a folder has the rate that was asked for, else that of the other video."""
    videos: dict[Path, Video] = {}
    for path, deep in ((infrared, True), (visible, False)):
        if path.is_file() and not is_video(path):
            raise UserError(f"{path} is no video file: give two videos, or folders of frames.")
        if path.is_file():
            videos[path] = VideoFile(path, deep)
    if len(videos) == 2 and rate is not None:
        raise UserError("Video files have their own rate: --rate is for folders of frames.")
    known = rate or next((video.rate for video in videos.values()), Fraction(25))
    if rate is None and not videos:
        print("Note: 25 frames a second; another rate: --rate.", file=sys.stderr)
    first, second = (videos.get(path) or FrameFolder(path, known) for path in (infrared, visible))
    return first, second


def _shift(infrared: Video, visible: Video, options: VideoOptions) -> Fraction:
    """What brings infrared times onto the visible video's clock.

    Videos begin together. Two folders go by the numbers of their frames, if these overlap.
    """
    shift = visible.start - infrared.start
    numbers = [
        video.files.keys() for video in (infrared, visible) if isinstance(video, FrameFolder)
    ]
    if len(numbers) == 2 and numbers[0] & numbers[1]:
        shift = Fraction(0)
    return shift + Fraction(str(options.offset))


def _parse_rate(text: str | None) -> Fraction | None:
    """Frames a second, such as 25, 29.97 or 30000/1001."""
    if text is None:
        return None
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise UserError(f"The rate {text!r} is not understood: 25, 29.97 or 30000/1001 are rates.")
    return rate


def _settle(infrared: Video, request: Request) -> Request:
    """The range over a folder, where it is asked for; and how the record calls a held one."""
    from emma_fusion.cli.thermal import settle_range

    if isinstance(infrared, FrameFolder):
        request = settle_range(infrared.path, request)
    if request.range_rule is None and request.infrared_range.startswith(("auto", "percentile")):
        return replace(request, range_rule=f"{request.infrared_range}, held")
    return request


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """In this block, Ctrl-C sets an event, so that a video can be brought to an end.

    A second Ctrl-C is as it always is.
    """
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: Any) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
