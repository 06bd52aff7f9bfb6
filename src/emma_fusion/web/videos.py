"""Two videos of a visitor's into one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emma_fusion.errors import UserError
from emma_fusion.pair import FloatArray, Pair
from emma_fusion.values.palettes import colour_by_infrared
from emma_fusion.video.frames import Frame, need_av
from emma_fusion.video.layout import Layout, lay_out
from emma_fusion.video.pairing import pair_frames
from emma_fusion.video.reading import VideoFile
from emma_fusion.video.steady import SteadyFuse, SteadyRange
from emma_fusion.video.writing import VideoWriter
from emma_fusion.web.images import Choices, record
from emma_fusion.web.limits import Limits


@dataclass(frozen=True)
class VideoGiven:
    """A video of a visitor's: where it is, and what they call it."""

    path: Path
    name: str


def fuse_videos(
    infrared: VideoGiven,
    visible: VideoGiven,
    target: Path,
    fuse: Callable[[Pair], FloatArray],
    choices: Choices,
    layout: Layout,
    ended: Callable[[], str],
    limits: Limits,
) -> Iterator[dict[str, Any]]:
    """Fuse two videos into an MP4 file, by the steps of `emma fuse` for videos.

    Args:
        infrared: Of these the frame nearest in time is taken.
        visible: Its rate and sound are kept.
        target: An .mp4 that does not exist.
        fuse: From a pair to its fused luminance.
        choices: See `Choices`.
        layout: See `lay_out`.
        ended: Asked before each frame: why the video ends here, or "".
        limits: Of a frame's pixels.

    Yields:
        {"state": "running", ...} after each frame; last "frames", "ended" and "notes".

    Raises:
        UserError: A video cannot be read, or the two do not fit.
    """
    need_av()
    for video in (infrared, visible):
        check_video(video)
    why, bridged = "", 0
    try:
        i, v = VideoFile(infrared.path, deep=True), VideoFile(visible.path)
        pairs = pair_frames(i, v, v.start - i.start, reach=1 / i.rate)
        steady_range = SteadyRange("auto")
        steady_fuse = SteadyFuse(fuse, stretch=choices.contrast == "stretch")
        writer: VideoWriter | None = None
        begin = time.monotonic()
        try:
            for thermal, frame in pairs:
                if why := ended():
                    break
                if thermal is None:
                    continue
                bridged += frame.bridged + thermal.bridged
                pair = _pair(thermal, frame, infrared.name, visible.name, steady_range, choices)
                if pair.visible.size > limits.pixels:
                    raise UserError(
                        f"{visible.name} has frames of {pair.visible.shape[1]}x"
                        f"{pair.visible.shape[0]} pixels; more than {limits.pixels} are not read."
                    )
                image = lay_out(pair.compose(steady_fuse(pair, frame.time)), pair, layout)
                image = image[..., :3] if image.ndim == 3 else image
                if writer is None:
                    writer = VideoWriter(
                        target,
                        (image.shape[0], image.shape[1]),
                        v.rate,
                        time_base=v.time_base,
                        aspect=v.aspect,
                        record={**record(pair, choices), "layout": layout},
                        audio=v.path,
                    )
                writer.write(image.astype(np.uint8), frame.time)
                yield _state(writer.count, v.count, time.monotonic() - begin)
            if writer is None:
                raise UserError(
                    why or f"{infrared.name} and {visible.name} have no time in common."
                )
            writer.finish()
        except BaseException:
            if writer is not None:
                writer.drop()
            raise
    except UserError as error:
        text = str(error)
        for video in (infrared, visible):
            text = text.replace(str(video.path), video.name).replace(video.path.name, video.name)
        raise UserError(text.replace(target.name, "fused.mp4")) from None
    notes = [note.replace(target.name, "The video") for note in writer.notes]
    if bridged:
        notes.append(f"{bridged} damaged frames, bridged by their neighbours.")
    yield {"frames": writer.count, "ended": why, "notes": notes}


def check_video(video: VideoGiven) -> None:
    """Check that a file is a video by its first bytes, before a demuxer sees it.

    Playlists and the like, which a demuxer would follow to other files, are none.

    Raises:
        UserError: It is not MP4 or MOV, Matroska or WebM, AVI, or an MPEG transport stream.
    """
    with video.path.open("rb") as file:
        head = file.read(377)
    known = (
        head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
        or head.startswith(b"\x1a\x45\xdf\xa3")
        or (head.startswith(b"RIFF") and head[8:12] == b"AVI ")
        or (len(head) == 377 and head[0] == head[188] == head[376] == 0x47)
    )
    if not known:
        raise UserError(
            f"{video.name} is no video that is read here: give mp4, mov, mkv, webm or avi."
        )


def _pair(
    infrared: Frame,
    visible: Frame,
    infrared_name: str,
    visible_name: str,
    steady_range: SteadyRange,
    choices: Choices,
) -> Pair:
    pair = Pair.from_arrays(
        infrared.image,
        visible.image,
        colour=choices.colour,
        infrared_range=steady_range(infrared.image, visible.time),
        labels=(infrared_name, visible_name),
    )
    return colour_by_infrared(pair, choices.palette) if choices.palette else pair


def _state(count: int, total: int | None, seconds: float) -> dict[str, Any]:
    left = round(seconds / count * max(0, total - count)) if total else None
    name = f"{count / seconds:.1f} frames a second" if seconds else ""
    return {
        "state": "running",
        "done": count,
        "total": max(total or 0, count) if total else None,
        "name": name,
        "left": left,
    }
