"""Two videos of a visitor's into one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from emma_fusion.errors import UserError
from emma_fusion.images.pairing import note_swapped
from emma_fusion.jobs.footage import open_footage
from emma_fusion.jobs.image import Recipe
from emma_fusion.jobs.messages import Messages
from emma_fusion.jobs.video import describe, fuse_footage, open_video_output
from emma_fusion.video.frames import need_av
from emma_fusion.web.limits import Limits
from emma_fusion.web.networks import Networks


@dataclass(frozen=True)
class VideoGiven:
    """A video of a visitor's: where it is, and what they call it."""

    path: Path
    name: str


def fuse_videos(
    infrared: VideoGiven,
    visible: VideoGiven,
    target: Path,
    recipe: Recipe,
    networks: Networks,
    ended: Callable[[], str],
    limits: Limits,
) -> Iterator[dict[str, Any]]:
    """Fuse two videos into an MP4 file, as `emma fuse` does.

    Args:
        infrared: Of these the frame nearest in time is taken.
        visible: Its rate and sound are kept.
        target: An .mp4 that does not exist.
        recipe: What is asked for.
        networks: The models.
        ended: Asked after each frame: why the video ends there, or "".
        limits: Of a frame's pixels.

    Yields:
        {"state": "running", ...} after each frame; last "frames", "ended" and "notes".

    Raises:
        UserError: A video cannot be read, or the two do not fit.
    """
    need_av()
    for video in (infrared, visible):
        check_video(video)
    with _in_their_words((infrared, visible), target):
        model = recipe.request.network.model
        fuser = networks.open(model)
        footage = open_footage(
            infrared.path, visible.path, recipe.request.video, Messages(), limits.pixels
        )
        footage.names = infrared.name, visible.name
        why, begin = ended(), time.monotonic()
        made = fuse_footage(footage, recipe, partial(networks.fuse, model))
        with open_video_output(target, footage) as sink, closing(made):
            swapped = False
            for frame, pair, image in () if why else made:
                swapped |= "seems_swapped" in pair.record
                sink.write(image, frame, describe(pair, recipe, fuser))
                yield _state(sink.count, footage.total, time.monotonic() - begin)
                if why := ended():
                    break
            if not sink.count:
                raise UserError(
                    why or f"{infrared.name} and {visible.name} have no time in common."
                )
            sink.finish()
        notes = [note.replace(target.name, "The video") for note in sink.notes]
        if bridged := sum(map(len, footage.bridged.values())):
            notes.append(f"{bridged} damaged frames, bridged by their neighbours.")
        if swapped:
            notes.append(note_swapped(footage.names))
        yield {"frames": sink.count, "ended": why, "notes": notes}


@contextmanager
def _in_their_words(videos: tuple[VideoGiven, VideoGiven], target: Path) -> Iterator[None]:
    """Errors that name files on the shelf name what visitors call them."""
    try:
        yield
    except UserError as error:
        text = str(error)
        for video in videos:
            text = text.replace(str(video.path), video.name).replace(video.path.name, video.name)
        raise UserError(text.replace(target.name, "fused.mp4")) from None


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
