"""Cuts: where a video goes over from one scene to another between two frames."""

from __future__ import annotations

import cv2
import numpy as np

from emma_fusion.values.arrays import FloatArray

# (width, height) at which frames are compared: motion and noise hardly show there.
_SMALL = (32, 24)
# Below this mean correlation of the two videos is a cut; frames that differ by no more grey levels
# than this on average count as alike.
_ALIKE, _LEVELS = 0.7, 4.0


class CutDetector:
    """Notices cuts in a pair of videos, frame after frame.

    Frames that follow each other are compared as 32x24 pixels. A cut is where the mean of the
    infrared and the visible correlation is below 0.7; so a change of exposure, which leaves the
    scene as it is, is none, nor is smoke that only one camera sees move. Frames that differ by no
    more than 4 grey levels on average count as alike: what is apart in them is noise.
    """

    def __init__(self) -> None:
        self._last: list[FloatArray] | None = None

    def __call__(self, infrared: FloatArray, visible: FloatArray) -> bool:
        """Whether there is a cut between the frames before and these.

        Args:
            infrared: (H', W') float32 in [0, 1].
            visible: (H, W) float32 in [0, 1].
        """
        small = [_shrink(plane) for plane in (infrared, visible)]
        last, self._last = self._last, small
        if last is None:
            return False
        return sum(_correlate(a, b) for a, b in zip(last, small, strict=True)) / 2 < _ALIKE


def _shrink(plane: FloatArray) -> FloatArray:
    small: FloatArray = cv2.resize(plane, _SMALL, interpolation=cv2.INTER_AREA).astype(
        np.float32, copy=False
    )
    return small


def _correlate(a: FloatArray, b: FloatArray) -> float:
    """The correlation of two small frames; 1 where they hardly differ, 0 where one is flat."""
    if float(np.abs(a - b).mean()) * 255 <= _LEVELS:
        return 1.0
    a, b = a - a.mean(), b - b.mean()
    strength = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / strength if strength > 0 else 0.0
