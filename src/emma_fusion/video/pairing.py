"""Two videos frame by frame, by their times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TypeAlias

from emma_fusion.video.folder import FrameFolder
from emma_fusion.video.frames import Frame
from emma_fusion.video.reading import VideoFile

Video: TypeAlias = VideoFile | FrameFolder
FramePairs: TypeAlias = Iterator[tuple[Frame | None, Frame]]


def pair_videos(infrared: Video, visible: Video, offset: Fraction = Fraction(0)) -> FramePairs:
    """Give each visible frame the infrared frame of its time; see `pair_frames`.

    Videos begin together. Two folders whose names tell times, or numbers, go by these where they
    overlap. The frames of a folder that is `FrameFolder.paced` are shown at its rate.

    Args:
        infrared: Video file or folder of frames.
        visible: The same.
        offset: Seconds by which the infrared video began later.
    """
    reach = infrared.step if isinstance(infrared, FrameFolder) else 1 / infrared.rate
    pairs = pair_frames(infrared, visible, find_shift(infrared, visible) + offset, reach)
    if isinstance(visible, FrameFolder) and visible.kind == "time" and visible.paced:
        return _at_rate(pairs, visible.rate)
    return pairs


def find_shift(infrared: Video, visible: Video) -> Fraction:
    """What brings infrared times onto the visible video's clock, in seconds; see `pair_videos`."""
    begin_together = visible.start - infrared.start
    if not (isinstance(infrared, FrameFolder) and isinstance(visible, FrameFolder)):
        return begin_together
    i, v = list(infrared.files), list(visible.files)
    overlap = i[0] <= v[-1] and v[0] <= i[-1]
    return Fraction(0) if infrared.kind == visible.kind and overlap else begin_together


def _at_rate(pairs: FramePairs, rate: Fraction) -> FramePairs:
    """The same pairs, their visible frames timed one by one."""
    for number, (infrared, visible) in enumerate(pairs):
        yield infrared, replace(visible, time=number / rate)


def pair_frames(
    infrared: Iterable[Frame], visible: Iterable[Frame], shift: Fraction, reach: Fraction
) -> Iterator[tuple[Frame | None, Frame]]:
    """Give each visible frame the infrared frame that is nearest in time.

    Of two that are equally near, it is the earlier one. Visible frames before the first or after
    the last infrared frame by more than `reach` have none: there it is None.

    Args:
        infrared: In the order of their times.
        visible: The same.
        shift: Seconds to add to infrared times, so that both clocks are one.
        reach: Seconds.

    >>> def video(*times):
    ...     return [Frame(Fraction(t), None) for t in times]
    >>> pairs = pair_frames(video(0, 2, 4), video(0, 1, 2, 3, 4, 5, 6, 7), Fraction(0), Fraction(2))
    >>> [(i and int(i.time), int(v.time)) for i, v in pairs]
    [(0, 0), (0, 1), (2, 2), (2, 3), (4, 4), (4, 5), (4, 6), (None, 7)]
    """
    following = iter(infrared)
    near = next(following, None)
    ahead = next(following, None)
    earliest = near.time + shift - reach if near else Fraction(0)
    for frame in visible:
        while near and ahead and _apart(ahead, frame, shift) < _apart(near, frame, shift):
            near, ahead = ahead, next(following, None)
        # a gap between two infrared frames is bridged by the nearer one; beyond the ends is none
        early = near is None or frame.time < earliest
        late = near is None or (ahead is None and frame.time > near.time + shift + reach)
        yield (None if early or late else near), frame


def _apart(infrared: Frame, visible: Frame, shift: Fraction) -> Fraction:
    return abs(infrared.time + shift - visible.time)
