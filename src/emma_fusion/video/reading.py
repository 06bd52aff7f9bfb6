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
from emma_fusion.video.matrix import UNSPECIFIED, usual_matrix

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer


# Seconds, and a share of all, by which a video may end before the time that its file claims.
_SHORT, _SHORT_SHARE = 0.5, 0.05


class VideoFile:
    """The video of a file. Each iteration reads it from its beginning.

    A cover image is no video. Of several video streams it is the one that the file marks as the
    default, else the first. Colours without a tag are read by `usual_matrix`.

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
        cut: How many seconds were read, and how many the file claims, once it was read to its end
            and that came much too early; None else.

    Args:
        path: The file.
        deep: Keep more than 8 bits, as thermal cameras have them.
        most_pixels: Of a frame; a larger video is refused before any of it is decoded.

    Raises:
        UserError: PyAV is missing, the file is none, it has no video that can be read, or its
            frames are too large.
    """

    def __init__(self, path: Path | str, deep: bool = False, most_pixels: int = MAX_PIXELS) -> None:
        need_av()
        self.path, self.deep, self._most = Path(path), deep, most_pixels
        self.name, self._turned = self.path.name, False
        with self._open() as container:
            stream = find_stream(container)
            self.rate: Fraction = stream.average_rate or stream.guessed_rate or Fraction(25)
            self.time_base: Fraction = stream.time_base or Fraction(1, 90000)
            self.count = stream.frames or self._guess_count(container)
            self._claimed = claimed_seconds(container)
            aspect = stream.sample_aspect_ratio or Fraction(1)
            first = next(self._read(container), None)
        if first is None:
            raise UserError(f"The video {path} has no frame that can be read.")
        self.start, self.first = first.time, first.image
        self.cut: tuple[float, float] | None = None
        self.aspect = 1 / aspect if self._turned else aspect

    def __iter__(self) -> Iterator[Frame]:
        """Read all frames, in the order of their times.

        A damaged frame is there with the image of the one before it (at the beginning, of the
        one after it). The frames that follow can show traces of the damage up to the next key
        frame.

        Raises:
            UserError: The size changes within the video.
        """
        time = self.start
        with self._open() as container:
            for frame in self._read(container):
                time = frame.time
                yield frame
        found, claimed = float(time - self.start + 1 / self.rate), self._claimed
        if claimed is not None and claimed - found > max(_SHORT, _SHORT_SHARE * claimed):
            self.cut = found, claimed

    def _open(self) -> InputContainer:
        import av

        if not self.path.is_file():
            raise UserError(f"The video {self.path} does not exist.")
        try:
            # FFmpeg's own limit, for the frame that it decodes to find out what the file is and
            # for a stream that grows on its way; it counts the edges of its buffers too
            limit = {"max_pixels": str(2 * self._most + 2**16)}
            container = av.open(str(self.path), options=limit)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise UserError(
                f"The video {self.path} cannot be opened: it is damaged, cut short or no "
                "video file."
            ) from error
        try:
            stream = find_stream(container)
            if stream.codec_context is None:  # what FFmpeg has no decoder for
                raise UserError(f"The video {self.path} is of a kind that cannot be decoded.")
            self._check_size(stream.codec_context.width, stream.codec_context.height)
        except UserError:
            container.close()
            raise
        stream.codec_context.options = limit
        return container

    def _check_size(self, width: int, height: int) -> None:
        """Refuse frames that are too large."""
        if width * height > self._most:
            raise UserError(
                f"The video {self.path} has frames of {width}x{height} pixels; more than "
                f"{self._most} pixels are not read."
            )

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

        stream = find_stream(container)
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

        packets = container.demux(find_stream(container))
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.FFmpegError):  # a file cut short ends where it ends
                return
            yield packet

    def _image(self, frame: VideoFrame) -> npt.NDArray[Any]:
        """The pixels of a frame, upright."""
        self._check_size(frame.width, frame.height)
        if frame.colorspace == UNSPECIFIED:
            frame.colorspace = usual_matrix(frame.height, frame.width)
        grey = len(frame.format.components) == 1
        if self.deep and frame.format.components[0].bits > 8:
            kind = "gray16le" if grey else "rgb48le"
        else:
            kind = "gray" if grey and frame.format.name != "pal8" else "rgb24"
        image: npt.NDArray[Any] = frame.to_ndarray(format=kind)
        matrix = _display_matrix(frame)
        self._turned = matrix is not None and matrix[0, 0] == 0
        return image if matrix is None else upright(image, matrix)


def claimed_seconds(container: InputContainer) -> float | None:
    """How long a file says that its video is; None where it says so of all its streams alone."""
    stream = find_stream(container)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and len(container.streams) == 1:
        return container.duration / 1_000_000
    return None


def find_stream(container: InputContainer) -> VideoStream:
    """The stream of a file that is its video: no cover image, the default one of several.

    Raises:
        UserError: There is none.
    """
    from av.stream import Disposition

    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not moving:
        covers = " but a cover image" if container.streams.video else ""
        raise UserError(f"The file {container.name} holds no video stream{covers}.")
    # a track of one frame beside a longer one is an image, whether it is marked so or not
    return min(moving, key=lambda s: (s.frames == 1, not s.disposition & Disposition.default))


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
