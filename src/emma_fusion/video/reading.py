"""Video files in: frames upright, with their times, past what is damaged."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images.raster import MAX_PIXELS
from emma_fusion.video.frames import Frame, need_av

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer


class VideoFile:
    """The first video stream of a file. Each iteration reads it from its beginning.

    8-bit video comes as RGB or, from grey formats, as (H, W). Deeper video comes as uint16 where
    `deep` asks for it, else as 8 bit.

    Attributes:
        name: Of the file.
        rate: Frames a second, on average.
        count: How many frames there are, about; None where the file does not say.
        start: The time of the first frame in seconds.
        first: The image of the first frame.
        time_base: The unit of its time stamps, in seconds.
        aspect: Width of a pixel by its height, after the rotation.

    Args:
        path: The file.
        deep: Keep more than 8 bits, as thermal cameras have them.

    Raises:
        UserError: PyAV is missing, the file is none, or it has no video that can be read.
    """

    def __init__(self, path: Path | str, deep: bool = False) -> None:
        need_av()
        self.path, self.deep = Path(path), deep
        self.name, self._turned = self.path.name, False
        with self._open() as container:
            stream = container.streams.video[0]
            self.rate: Fraction = stream.average_rate or stream.guessed_rate or Fraction(25)
            self.time_base: Fraction = stream.time_base or Fraction(1, 90000)
            self.count = stream.frames or self._guess_count(container)
            aspect = stream.sample_aspect_ratio or Fraction(1)
            first = next(self._read(container), None)
        if first is None:
            raise UserError(f"The video {path} has no frame that can be read.")
        self.start, self.first = first.time, first.image
        self.aspect = 1 / aspect if self._turned else aspect

    def __iter__(self) -> Iterator[Frame]:
        """Read all frames, in the order of their times.

        A damaged frame is there with the image of the one before it (at the beginning, of the
        one after it). The frames that follow can show traces of the damage up to the next key
        frame.

        Raises:
            UserError: The size changes within the video.
        """
        with self._open() as container:
            yield from self._read(container)

    def _open(self) -> InputContainer:
        import av

        if not self.path.is_file():
            raise UserError(f"The video {self.path} does not exist.")
        try:
            container = av.open(str(self.path))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise UserError(
                f"The video {self.path} cannot be opened: it is damaged, cut short or no "
                "video file."
            ) from error
        if not container.streams.video:
            container.close()
            raise UserError(f"The file {self.path} holds no video stream.")
        return container

    def _guess_count(self, container: InputContainer) -> int | None:
        duration = container.duration  # in microseconds
        return None if duration is None else max(1, round(duration * self.rate / 1_000_000))

    def _read(self, container: InputContainer) -> Iterator[Frame]:
        """Decode, and put the neighbour's image where a frame is lost."""
        last: npt.NDArray[Any] | None = None
        lost: list[Fraction] = []  # a heap of times: packets come in another order than frames
        for found in self._decode(container):
            if isinstance(found, Fraction):
                heapq.heappush(lost, found)
                continue
            time = Fraction(found.pts or 0) * self.time_base
            image = self._image(found)
            if last is not None and image.shape != last.shape:
                raise UserError(
                    f"The video {self.path} changes its size at {float(time):.2f} s, which is not "
                    "read."
                )
            good = not found.is_corrupt or last is None
            while lost and lost[0] < time:
                yield Frame(heapq.heappop(lost), image if last is None else last, True)
            last = image if good or last is None else last
            yield Frame(time, last, found.is_corrupt)
        while lost and last is not None:
            yield Frame(heapq.heappop(lost), last, True)

    def _decode(self, container: InputContainer) -> Iterator[VideoFrame | Fraction]:
        """The frames, and the times of packets that gave none because they are damaged.

        A decoder also drops, without a word, what refers to a frame that it has lost; so after
        damage, and until a key frame, packets are held against the frames that come of them.
        """
        import av

        stream = container.streams.video[0]
        stream.thread_type = "SLICE"  # with threads by frame, errors come packets too late
        expected: set[int] = set()
        troubled = False
        for packet in self._packets(container):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                frames, troubled = [], True
            if packet.pts is not None and not packet.is_discard:
                expected.add(packet.pts)
            for frame in frames:
                if frame.pts is None:  # some AVI files have only the other kind of time
                    frame.pts = frame.dts or 0
                missing = {pts for pts in expected if pts < frame.pts}
                expected -= missing | {frame.pts}
                if troubled:
                    yield from (Fraction(pts) * self.time_base for pts in sorted(missing))
                troubled = (troubled or frame.is_corrupt) and not (
                    frame.key_frame and not frame.is_corrupt
                )
                yield frame
        if troubled:
            yield from (Fraction(pts) * self.time_base for pts in sorted(expected))

    def _packets(self, container: InputContainer) -> Iterator[Packet[Any]]:
        """The packets of the stream, as far as they can be read, and the empty one at the end."""
        import av

        packets = container.demux(container.streams.video[0])
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.FFmpegError):  # a file cut short ends where it ends
                return
            yield packet

    def _image(self, frame: VideoFrame) -> npt.NDArray[Any]:
        """The pixels of a frame, upright."""
        if frame.width * frame.height > MAX_PIXELS:
            raise UserError(
                f"The video {self.path} has {frame.width}x{frame.height} pixels; more than "
                f"{MAX_PIXELS} are not read."
            )
        grey = len(frame.format.components) == 1
        if self.deep and frame.format.components[0].bits > 8:
            kind = "gray16le" if grey else "rgb48le"
        else:
            kind = "gray" if grey and frame.format.name != "pal8" else "rgb24"
        image: npt.NDArray[Any] = frame.to_ndarray(format=kind)
        matrix = _display_matrix(frame)
        self._turned = matrix is not None and matrix[0, 0] == 0
        return image if matrix is None else upright(image, matrix)


def _display_matrix(frame: VideoFrame) -> npt.NDArray[np.int32] | None:
    """What turns a frame upright, as (3, 3); None where it is so already."""
    found: Any = frame.side_data.get("DISPLAYMATRIX")
    return None if found is None else np.frombuffer(bytes(found), np.int32).reshape(3, 3)


def upright(image: npt.NDArray[Any], matrix: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    """Apply a display matrix (ISO 14496-12, 6.2.2): quarter turns and mirrorings.

    A point (x, y) is shown at (a x + c y, b x + d y) with the matrix [[a, b, u], [c, d, v], ...].

    Args:
        image: (H, W) or (H, W, C).
        matrix: (3, 3); one that turns by other angles leaves the image as it is.

    Returns:
        The image as it is to be seen.

    >>> quarter = np.array([[0, 65536, 0], [-65536, 0, 0], [0, 0, 1 << 30]], np.int32)
    >>> upright(np.array([[1, 2], [3, 4]]), quarter)
    array([[3, 1],
           [4, 2]])
    """
    (a, b), (c, d) = matrix[0, :2], matrix[1, :2]
    if a == d == 0 and b and c:
        image = np.swapaxes(image, 0, 1)
        across, down = c, b
    elif b == c == 0 and a and d:
        across, down = a, d
    else:
        return image
    image = image[:, ::-1] if across < 0 else image
    return np.ascontiguousarray(image[::-1] if down < 0 else image)
