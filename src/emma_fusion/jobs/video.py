"""Two videos, fused frame after frame with a steady brightness."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images.decoded import Decoded
from emma_fusion.images.folders import list_images
from emma_fusion.jobs.folder import settle_range
from emma_fusion.jobs.footage import Footage, open_footage, watch_cameras
from emma_fusion.jobs.image import Recipe, made_by, make_pair, open_fuser, tell_notes
from emma_fusion.jobs.messages import Messages, Outcome
from emma_fusion.jobs.targets import Targets
from emma_fusion.jobs.video_output import FolderOutput, Output, VideoOutput, Window, plan_output
from emma_fusion.jobs.visible_range import settle_visible_folder
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import FloatArray
from emma_fusion.video.following import FollowedAlignment
from emma_fusion.video.frames import Frame, is_video
from emma_fusion.video.layout import lay_out
from emma_fusion.video.live import Camera
from emma_fusion.video.pipeline import ahead
from emma_fusion.video.steady import SteadyFuse, SteadyRange

if TYPE_CHECKING:
    from emma_fusion.fuser import Fuser

Made: TypeAlias = tuple[Frame, Pair, npt.NDArray[Any]]


def fuse_video(recipe: Recipe, messages: Messages) -> Outcome:
    """Fuse two videos into one, or into a folder of frames; what is done is kept on Ctrl-C.

    Raises:
        UserError: An input cannot be read, the two do not fit, or an option is none for videos.
    """
    request, options = recipe.request, recipe.request.video
    _check(recipe)
    inputs = [] if options.live else [Path(request.infrared), Path(request.visible)]
    targets = Targets(inputs, request.overwrite)
    target = plan_output(request, targets)
    with ExitStack() as stack:
        stopped = stack.enter_context(messages.interrupts())
        if options.live:
            cameras = [Camera(name) for name in (request.infrared, request.visible)]
            for camera in cameras:
                stack.callback(camera.close)
            footage = watch_cameras(cameras[0], cameras[1], stopped)
        else:
            footage = open_footage(inputs[0], inputs[1], options, messages)
            if inputs[0].is_dir():
                recipe = settle_range(list_images(inputs[0]).values(), recipe, messages)
            if inputs[1].is_dir():
                visible = list_images(inputs[1]).values()
                recipe = settle_visible_folder(visible, recipe, "video", messages)
        fuser = open_fuser(request.network)
        made = stack.enter_context(closing(fuse_footage(footage, recipe, fuser.fuse_luminance)))
        sink: Output = FolderOutput(target, request, targets)
        if is_video(target):
            sink = open_video_output(target, footage)
        with sink:
            seconds = _run(made, sink, footage, recipe, fuser, stopped, messages)
            sink.finish()
    interrupted = stopped.is_set() and not options.live
    _report(footage, sink, target, seconds, interrupted, messages)
    return Outcome(interrupted=interrupted)


def open_video_output(target: Path, footage: Footage) -> VideoOutput:
    """The video file that takes what is made of footage."""
    return VideoOutput(target, footage.rate, footage.time_base, footage.aspect, footage.audio)


def fuse_footage(
    footage: Footage, recipe: Recipe, fuse: Callable[[Pair], FloatArray]
) -> Generator[Made, None, None]:
    """Fuse frame after frame.

    Args:
        footage: The two videos.
        recipe: What is asked for.
        fuse: From a pair to its fused luminance.

    Yields:
        Each visible frame that has a partner, its pair, and the fused image as it is laid out.

    Raises:
        UserError: The two do not fit.
    """
    if recipe.range_rule is None and recipe.infrared_range.startswith(("auto", "percentile")):
        recipe = replace(recipe, range_rule=f"{recipe.infrared_range}, held")
    if footage.may_be_ahead:
        made = ahead(_fuse_pairs(ahead(_make_pairs(footage, recipe)), footage, recipe, fuse))
    else:
        made = _fuse_pairs(_make_pairs(footage, recipe), footage, recipe, fuse)
    with closing(made):
        for frame, pair, fused in made:
            yield frame, pair, lay_out(pair.compose(fused), pair, recipe.request.video.layout)


def describe(pair: Pair, recipe: Recipe, fuser: Fuser) -> dict[str, Any]:
    """The record of a fused frame, and of the video whose first it is."""
    layout = recipe.request.video.layout
    return made_by(recipe.as_series(), fuser) | {"layout": layout} | pair.record


def _make_pairs(footage: Footage, recipe: Recipe) -> Generator[tuple[Frame, Pair], None, None]:
    """Make pairs of two videos' frames, each with its visible frame."""
    steady_range = SteadyRange(recipe.infrared_range)
    seen: Frame | None = None
    if recipe.aligner is not None and not recipe.aligner.is_rig:
        footage.followed = FollowedAlignment(recipe.aligner.wanted)
    followed = footage.followed
    for infrared, visible in footage.pairs:
        if infrared is None:
            footage.alone.append(visible.time)
            continue
        if visible.bridged:
            footage.bridged["visible"].append(visible.time)
        if infrared.bridged and infrared is not seen:
            footage.bridged["infrared"].append(infrared.time)
        seen = infrared
        pair = make_pair(
            Decoded(infrared.image),
            Decoded(visible.image),
            recipe,
            labels=footage.names,
            target=Path("frame.png"),
            find_range=partial(steady_range, time=visible.time),
            align=None if followed is None else partial(followed, time=visible.time),
        )
        yield visible, pair


def _fuse_pairs(
    pairs: Iterator[tuple[Frame, Pair]],
    footage: Footage,
    recipe: Recipe,
    fuse: Callable[[Pair], FloatArray],
) -> Generator[tuple[Frame, Pair, FloatArray], None, None]:
    """Fuse pairs, each with its fused luminance."""
    steady = SteadyFuse(fuse, stretch=recipe.request.contrast == "stretch")
    footage.cuts = steady.cuts
    for frame, pair in pairs:
        yield frame, pair, steady(pair, frame.time)


def _run(
    made: Iterator[Made],
    sink: Output,
    footage: Footage,
    recipe: Recipe,
    fuser: Fuser,
    stopped: threading.Event,
    messages: Messages,
) -> float:
    """Take frames to where they go until there are no more or the user stops; the seconds."""
    options, total = recipe.request.video, footage.total
    window = Window() if options.show else None
    if options.frames is not None:
        total = min(total or options.frames, options.frames)
    begin = time.monotonic()
    told: set[str] = set()
    with messages.bar("Fusing", unit="frames") as show:
        for frame, pair, image in made:
            tell_notes(pair.record, messages, told)
            sink.write(image, frame, describe(pair, recipe, fuser))
            footage.finished(frame)
            show(sink.count, max(total or 0, sink.count))  # the total is an estimate
            if stopped.is_set() or sink.count == options.frames:
                break
            if window is not None and not window.show(image):
                break
    if sink.count == 0 and not stopped.is_set():
        raise UserError(
            "The cameras gave no image."
            if options.live
            else f"{footage.names[0]} and {footage.names[1]} have no time in common: see --offset."
        )
    return time.monotonic() - begin


def _report(
    footage: Footage,
    sink: Output,
    target: Path,
    seconds: float,
    interrupted: bool,
    messages: Messages,
) -> None:
    """Say what was done, and what was not as it should be."""
    for note in sink.notes:
        messages.say(f"Note: {note}")
    for side, times in footage.bridged.items():
        if times:
            messages.say(
                f"Damaged: {len(times)} {side} frames, bridged by their neighbours, at "
                f"{_name_times(times)}"
            )
    if footage.alone:
        messages.say(
            f"Left out: {len(footage.alone)} visible frames without an infrared frame in their "
            f"time, at {_name_times(footage.alone)}"
        )
    if footage.cuts:
        messages.say(f"Cuts: {len(footage.cuts)}, at {_name_times(footage.cuts)}")
    if footage.followed is not None and footage.followed.unsure:
        messages.say(
            f"Note: {footage.followed.unsure} of {footage.followed.looks} frames that were looked "
            "at could not be aligned with confidence; the alignment before them was kept."
        )
    if footage.describe is not None and (said := footage.describe()):
        messages.say(said)
    if sink.count == 0:
        messages.say("Interrupted before the first frame: nothing was written.")
        return
    speed = f"{sink.count / seconds:.1f} frames a second" if seconds else "at once"
    if interrupted:
        plays = ", and plays" if is_video(target) else ""
        messages.say(f"Interrupted: {target} holds the first {sink.count} frames{plays}.")
    messages.say(f"Fused {sink.count} frames into {target}, {speed}")


def _name_times(times: list[Fraction]) -> str:
    """A few times, in words."""
    few = ", ".join(f"{float(t):.2f}" for t in times[:5])
    return f"{few}{', ...' if times[5:] else ''} s"


def _check(recipe: Recipe) -> None:
    """Refuse what is for images only."""
    request = recipe.request
    if request.protocol == "paper":
        raise UserError("The paper protocol is for images: leave out --protocol.")
    for side, rule, place in (
        ("infrared", request.infrared_range, request.infrared),
        ("visible", request.visible_range, request.visible),
    ):
        if rule.startswith("folder") and not Path(place).is_dir():
            raise UserError(
                f"--{side}-range folder is for folders: give LOW:HIGH, or leave it out."
            )
    if request.video.live and recipe.aligner is not None and not recipe.aligner.is_rig:
        raise UserError(
            "Live, there is no time to find an alignment: calibrate the cameras with emma "
            "calibrate, and give the file to --align."
        )
    for name in () if request.video.live else (request.infrared, request.visible):
        if Path(name).is_file() and not is_video(name):
            raise UserError(f"{name} is not a video file: give two videos, or folders of frames.")
    if request.video.live and (request.video.offset or request.video.rate):
        raise UserError("Cameras have their own clock: leave out --rate and --offset.")
