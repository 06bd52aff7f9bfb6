"""Two videos frame by frame, by their times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from emma_fusion.video.frames import Frame


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
