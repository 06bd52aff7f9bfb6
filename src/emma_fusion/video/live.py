"""Two cameras at once: of each the newest image."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.video.frames import Frame

# Cameras count milliseconds: nothing here knows the time better.
TIME_BASE = Fraction(1, 1000)


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def isOpened(self) -> bool: ...  # noqa: D102
    def read(self) -> tuple[bool, Any]: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


def open_capture(name: str) -> Capture:
    """Open a camera by its number, or by what else OpenCV knows, such as the URL of a stream."""
    capture: Capture = cv2.VideoCapture(int(name) if name.isdigit() else name)
    return capture


class Camera:
    """Reads a camera in a thread of its own, so that its newest image is at hand.

    Args:
        name: Number or URL.
        opener: Gives the camera; see `open_capture`.

    Raises:
        UserError: It cannot be opened.
    """

    def __init__(self, name: str, opener: Callable[[str], Capture] = open_capture) -> None:
        self.name = name
        self._capture = opener(name)
        if not self._capture.isOpened():
            raise UserError(
                f"The camera {name!r} cannot be opened: give the number of a camera of this "
                "machine, or the URL of a stream."
            )
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def newest(self, after: Fraction | None, patience: float) -> Frame | None:
        """The newest image, once there is one later than `after`; None if it does not come.

        Args:
            after: Time of a frame that is known already, or None.
            patience: Seconds to wait.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has(after) or self._ended, patience)
            return self._newest if self._has(after) else None

    @property
    def ended(self) -> bool:
        """Whether the camera gives no more images."""
        return self._ended

    def close(self) -> None:
        """Stop reading and let the camera go."""
        self._ended = True
        self._thread.join(timeout=2)
        self._capture.release()

    def _has(self, after: Fraction | None) -> bool:
        return self._newest is not None and (after is None or self._newest.time > after)

    def _read(self) -> None:
        while not self._ended:
            got, image = self._capture.read()
            now = Fraction(time.monotonic_ns(), 1_000_000_000)
            with self._changed:
                if got:
                    self._newest = Frame(now, _rgb(image), name=self.name)
                else:
                    self._ended = True
                self._changed.notify_all()


def watch(
    infrared: Camera, visible: Camera, stopped: threading.Event
) -> Iterator[tuple[Frame, Frame]]:
    """Give each new visible image with the infrared one that is the newest then.

    Images that come while the last pair is in use are left out, so that nothing lags behind.

    Args:
        infrared: Camera.
        visible: Camera.
        stopped: Ends it.

    Yields:
        Two frames, timed from the first visible one.
    """
    last: Fraction | None = None
    begin: Fraction | None = None
    while not stopped.is_set():
        ended = visible.ended or infrared.ended
        frame = visible.newest(last, 0.2)
        partner = infrared.newest(None, 0.2) if frame else None
        if frame is None or partner is None:
            if ended:
                return
            continue
        last = frame.time
        begin = last if begin is None else begin
        yield Frame(partner.time - begin, partner.image), Frame(last - begin, frame.image)
        if infrared.ended:  # its last image must not go on for ever
            return


def _rgb(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """OpenCV's BGR to RGB; grey stays."""
    return image if image.ndim == 2 else np.ascontiguousarray(image[..., 2::-1])
