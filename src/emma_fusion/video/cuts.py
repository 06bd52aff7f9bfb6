"""Cuts: where a video goes over from one scene to another between two frames."""

from __future__ import annotations

import cv2
import numpy as np

from emma_fusion.pair import FloatArray

# (width, height) at which frames are compared: motion and noise hardly show there.
_SMALL = (32, 24)
# Below this correlation, and with more than this mean difference in grey levels, is a cut.
_ALIKE, _LEVELS = 0.8, 4.0


class CutDetector:
    """Notices cuts in a video, frame after frame.

    Two frames are compared as 32x24 pixels. A cut is where these correlate by less than 0.8; so
    a change of exposure, which leaves the scene as it is, is none. Two frames that differ by no
    more than 4 grey levels on average are never a cut: what is apart is noise. In real videos
    frames that follow each other correlate by 0.97 or more, and such of two scenes by up to 0.7.
    """

    def __init__(self) -> None:
        self._last: FloatArray | None = None

    def __call__(self, plane: FloatArray) -> bool:
        """Whether there is a cut between the frame before and this one.

        Args:
            plane: (H, W) float32 in [0, 1]; its size may be another than before.
        """
        small = cv2.resize(plane, _SMALL, interpolation=cv2.INTER_AREA)
        last, self._last = self._last, small
        if last is None or float(np.abs(small - last).mean()) * 255 <= _LEVELS:
            return False
        a, b = last - last.mean(), small - small.mean()
        strength = float(np.sqrt((a * a).sum() * (b * b).sum()))
        return float((a * b).sum()) < _ALIKE * strength or strength == 0
