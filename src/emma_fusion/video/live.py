"""Two cameras at once: of each the newest image."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.video.capture import Capture, open_capture
from emma_fusion.video.frames import Frame

# Cameras count milliseconds: nothing here knows the time better.
TIME_BASE = Fraction(1, 1000)


class Camera:
    """Reads a camera in a thread of its own, so that its newest image is at hand.

    Attributes:
        came: How many images the camera gave.
        used: How many of these somebody took.

    Args:
        name: Number or URL.
        opener: Gives the camera; see `open_capture`.

    Raises:
        UserError: It cannot be opened.
    """

    def __init__(self, name: str, opener: Callable[[str], Capture] = open_capture) -> None:
        self.name = name
        self.came = self.used = 0
        self._capture = opener(name)
        if not self._capture.isOpened():
            raise UserError(
                f"The camera {name!r} cannot be opened: give the number of a camera of this "
                "machine, or the URL of a stream."
            )
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._taken: Frame | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        """Begin to read, where that is not so yet; `newest` does it too."""
        if self._thread.ident is None and not self._ended:
            self._thread.start()

    def newest(self, after: Fraction | None, patience: float) -> Frame | None:
        """The newest image, once there is one later than `after`; None if it does not come.

        Args:
            after: Time of a frame that is known already, or None.
            patience: Seconds to wait.
        """
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: self._has(after) or self._ended, patience)
            if not self._has(after):
                return None
            self.used += self._newest is not self._taken
            self._taken = self._newest
            return self._newest

    @property
    def ended(self) -> bool:
        """Whether the camera gives no more images."""
        return self._ended

    def close(self) -> None:
        """Stop reading and let the camera go."""
        self._ended = True
        if self._thread.ident is not None:
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
                    self.came += 1
                    self._newest = Frame(now, _rgb(image), name=self.name)
                else:
                    self._ended = True
                self._changed.notify_all()


@dataclass
class Timing:
    """How long a live pair takes from the camera to its end.

    Attributes:
        begin: The time of the first visible frame, by `time.monotonic`.
        latencies: Seconds from the arrival of each visible frame to when it was finished.
    """

    begin: Fraction = Fraction(0)
    latencies: list[float] = field(default_factory=list)

    def finished(self, visible: Frame) -> None:
        """Say that a visible frame that `watch` gave is fused and out."""
        self.latencies.append(time.monotonic() - float(visible.time + self.begin))


def describe(infrared: Camera, visible: Camera, timing: Timing) -> str:
    """What was left out and how late the rest was, in a sentence."""
    left_out = (
        f"{c.came - c.used} of {c.came} {s}"
        for c, s in ((infrared, "infrared"), (visible, "visible"))
    )
    text = f"Left out {' and '.join(left_out)} frames, because newer ones came"
    if not timing.latencies:
        return f"{text}."
    half, most = np.percentile(timing.latencies, [50, 95]) * 1000
    return (
        f"{text}; from camera to output {half:.0f} ms, in one frame of twenty {most:.0f} or more."
    )


def watch(
    infrared: Camera, visible: Camera, stopped: threading.Event, timing: Timing | None = None
) -> Iterator[tuple[Frame, Frame]]:
    """Give each new visible image with the infrared one that is the newest then.

    Images that come while the last pair is in use are left out, so that nothing lags behind.

    Args:
        infrared: Camera.
        visible: Camera.
        stopped: Ends it.
        timing: Is told when the first frame came.

    Yields:
        Two frames, timed from the first visible one.
    """
    last: Fraction | None = None
    begin: Fraction | None = None
    infrared.start()
    visible.start()
    while not stopped.is_set():
        ended = visible.ended or infrared.ended
        frame = visible.newest(last, 0.2)
        partner = infrared.newest(None, 0.2) if frame else None
        if frame is None or partner is None:
            if ended:
                return
            continue
        last = frame.time
        if begin is None:
            begin = last
            if timing is not None:
                timing.begin = begin
        yield Frame(partner.time - begin, partner.image), Frame(last - begin, frame.image)
        if infrared.ended:  # its last image must not go on for ever
            return


def _rgb(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """OpenCV's BGR to RGB; grey stays."""
    return image if image.ndim == 2 else np.ascontiguousarray(image[..., 2::-1])
