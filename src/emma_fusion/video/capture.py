"""Where live images come from: a camera, a stream, or a video file that is played as one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2

from emma_fusion.errors import UserError
from emma_fusion.video.reading import VideoFile


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def isOpened(self) -> bool: ...  # noqa: D102
    def read(self) -> tuple[bool, Any]: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


def open_capture(name: str) -> Capture:
    """Open a camera by its number, a video file, or what else OpenCV knows, such as a URL."""
    if Path(name).is_file():
        return Replay(name)
    capture: Capture = cv2.VideoCapture(int(name) if name.isdigit() else name)
    return capture


class Replay:
    """A video file as a camera: each frame comes when its time has come, from the first read on.

    Args:
        path: Of the file.
        clock: Seconds that only grow.
        sleep: Waits for some seconds.

    Raises:
        UserError: The file cannot be read.
    """

    def __init__(
        self,
        path: Path | str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._video = VideoFile(path)
        self._frames, self._clock, self._sleep = iter(self._video), clock, sleep
        self._begin: float | None = None

    def isOpened(self) -> bool:
        """Whether it can be read."""
        return True

    def read(self) -> tuple[bool, Any]:
        """The next frame as BGR, at its time."""
        try:
            frame = next(self._frames, None)
        except UserError:  # a camera that breaks gives no more images
            frame = None
        if frame is None:
            return False, None
        if self._begin is None:
            self._begin = self._clock()
        early = float(frame.time - self._video.start) - (self._clock() - self._begin)
        if early > 0:
            self._sleep(early)
        return True, frame.image if frame.image.ndim == 2 else frame.image[..., ::-1]

    def release(self) -> None:
        """Let the file go."""
        self._frames = iter(())
