"""Video files out: whole or not at all, with the record of how they were made."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images.folders import make_folder
from emma_fusion.video.frames import need_av
from emma_fusion.video.matrix import BT601, BT709, usual_matrix

if TYPE_CHECKING:
    from types import TracebackType

    from av import Packet, VideoStream
    from av.container import OutputContainer

# By suffix, the encoders to try, best first, with their options: near the eye's limit, and fast.
_H264 = {"preset": "veryfast", "crf": "18"}
_VP9 = {"deadline": "realtime", "cpu-used": "6", "crf": "24", "b": "0", "row-mt": "1"}
_VP8 = {"deadline": "realtime", "cpu-used": "6", "crf": "8", "b": "8M"}
_MPEG4 = {"flags": "+qscale", "global_quality": str(3 * 118)}
_FOR_MOST = [("libx264", _H264), ("libopenh264", {"b": "6M"}), ("mpeg4", _MPEG4)]
ENCODERS: dict[str, list[tuple[str, dict[str, str]]]] = {
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".mkv"), _FOR_MOST),
    ".webm": [("libvpx-vp9", _VP9), ("libvpx", _VP8)],
    ".avi": [("mpeg4", _MPEG4)],
}
_NAMES = {BT601: "ITU601", BT709: "ITU709"}  # of matrices, for libswscale


class VideoWriter:
    """Writes frames into a video file that appears under its name when it is finished.

    The file begins with the first frame, whatever that one's time is; where it is not 0, the
    record has it as "begins", in seconds.

    As a context manager: left by an exception it leaves nothing behind.

    Args:
        path: Its suffix decides format and encoder; see `ENCODERS`. What is there is replaced.
        shape: (H, W) of the frames. An odd side gets its last row or column twice, because the
            encoders halve the colours' resolution.
        rate: Frames a second, on average.
        time_base: The unit of the time stamps in seconds; None for one frame.
        aspect: Width of a pixel by its height.
        record: How it was made: JSON in the file's comment.
        audio: A video file whose audio is copied as it is, or None.

    Raises:
        UserError: PyAV or every encoder for this suffix is missing, or the file cannot be made.

    Attributes:
        count: Frames written so far.
        notes: What the user should know: sides made even, audio that does not fit.
    """

    def __init__(
        self,
        path: Path | str,
        shape: tuple[int, int],
        rate: Fraction,
        *,
        time_base: Fraction | None = None,
        aspect: Fraction = Fraction(1),
        record: dict[str, Any] | None = None,
        audio: Path | None = None,
    ) -> None:
        import av

        self.path, self.count = Path(path), 0
        self._audio: _Audio | None = None
        self.notes: list[str] = []
        encoder, options = find_encoder(self.path)
        self._height, self._width = shape
        even = tuple(side + side % 2 for side in shape)
        if even != shape:
            self.notes.append(
                f"{self.path.name} is {even[1]}x{even[0]} pixels for {shape[1]}x{shape[0]}: the "
                "encoder needs even sides, so the last row or column is there twice."
            )
        make_folder(self.path.parent)
        suffix = self.path.suffix.lower()
        self._temporary = self.path.with_name(f".{secrets.token_hex(8)}.tmp{suffix}")
        try:
            self._container: OutputContainer = av.open(str(self._temporary), "w")
        except (av.error.FFmpegError, OSError) as error:
            raise UserError(f"{path} could not be written: {error.strerror}.") from error
        try:
            self._record = record or {}
            stream = self._container.add_stream(encoder, rate=rate, options=options)
            self._stream = cast("VideoStream", stream)
            context = self._stream.codec_context
            context.height, context.width, context.pix_fmt = *even, "yuv420p"
            context.colorspace = usual_matrix(even[0], even[1])
            self._matrix = _NAMES[context.colorspace]
            context.color_range = 1  # limited
            # MPEG-4 part 2 has no fine time base, and AVI no times at all
            coarse = time_base is None or encoder == "mpeg4"
            self._time_base = 1 / rate if coarse or time_base is None else time_base
            context.time_base = self._time_base
            context.sample_aspect_ratio = aspect
            self._frame_time = max(1, round(1 / rate / self._time_base))
            self._begin: Fraction | None = None
            self._last = -1
            self._audio = _Audio(audio, self._container) if audio is not None else None
            if self._audio is not None and self._audio.unfit:
                self.notes.append(
                    f"The audio ({self._audio.unfit}) does not go into {self.path.name} and is "
                    "left out: write .mkv."
                )
        except BaseException as error:
            self.drop()
            if isinstance(error, av.error.FFmpegError | ValueError):
                raise UserError(f"{path} could not be written: {error}.") from error
            raise

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.drop()

    def write(self, image: npt.NDArray[np.uint8], time: Fraction) -> None:
        """Write a frame.

        Args:
            image: (H, W), or (H, W, 3) RGB.
            time: When it is shown, in seconds; not before the last one.

        Raises:
            UserError: It cannot be written, as on a full disk.
        """
        import av

        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=2)
        bottom, right = self._height % 2, self._width % 2
        if bottom or right:
            image = np.pad(image, ((0, bottom), (0, right), (0, 0)), "edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace=self._matrix, dst_color_range="MPEG"
        )
        if self._begin is None:
            self._begin = self._begin_at(time)
        frame.pts = max(round((time - self._begin) / self._time_base), self._last + 1)
        frame.time_base, frame.duration = self._time_base, self._frame_time
        self._last = frame.pts
        with self._as_user_error():
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
            if self._audio is not None:
                for sound in self._audio.until(time, self._begin):
                    self._container.mux(sound)
        self.count += 1

    def _begin_at(self, time: Fraction) -> Fraction:
        """Take a time as the file's beginning, and say so in its record, before the header."""
        facts = {"begins": round(float(time), 6)} if time else {}
        text = json.dumps(self._record | facts, ensure_ascii=False)
        self._container.metadata["comment"] = text
        return time

    def finish(self) -> None:
        """Write what the encoder still holds, close the file and give it its name.

        Raises:
            UserError: It cannot be written, as on a full disk.
        """
        try:
            with self._as_user_error():
                if self.count:
                    for packet in self._stream.encode():
                        self._container.mux(packet)
                self._close()
                os.replace(self._temporary, self.path)
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        """Leave nothing behind."""
        with suppress(Exception):
            self._close()
        self._temporary.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._audio is not None:
            self._audio.close()
        self._container.close()

    def _as_user_error(self) -> _Sentence:
        return _Sentence(self.path)


class _Sentence:
    """Turn what goes wrong with a file in this block into a sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        import av

        if isinstance(error, av.error.FFmpegError | OSError):
            said = error.strerror or str(error)
            raise UserError(f"{self.path} could not be written: {said}.") from error


class _Audio:
    """The audio packets of a file, handed out as the images go on.

    Attributes:
        unfit: The codec, where the container cannot hold it; else "".
    """

    def __init__(self, path: Path, output: OutputContainer) -> None:
        import av

        self.unfit = ""
        self._source = av.open(str(path))
        self._stream: Any = None
        self._waiting: Packet[Any] | None = None
        self._packets: Iterator[Packet[Any]] = iter(())
        if self._source.streams.audio:
            template = self._source.streams.audio[0]
            name = template.codec_context.name
            if name in output.supported_codecs:
                self._stream = output.add_stream_from_template(template)
                self._packets = self._source.demux(template)
            else:
                self.unfit = name

    def until(self, time: Fraction, begin: Fraction) -> Iterator[Packet[Any]]:
        """The packets up to a time, moved to where the video begins; those before are dropped."""
        import av

        while True:
            packet = self._waiting
            self._waiting = None
            if packet is None:
                try:
                    packet = next(self._packets, None)
                except av.error.FFmpegError:
                    packet = None
            if packet is None:
                self._packets = iter(())
                return
            if packet.dts is None or packet.time_base is None:
                continue  # the empty packet at the end
            begins = packet.dts * packet.time_base
            if begins > time:
                self._waiting = packet
                return
            if begins + (packet.duration or 0) * packet.time_base < begin:
                continue
            back = round(begin / packet.time_base)
            packet.dts -= back
            if packet.pts is not None:
                packet.pts -= back
            packet.stream = self._stream
            yield packet

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def find_encoder(path: Path) -> tuple[str, dict[str, str]]:
    """The encoder for a file's suffix, and its options.

    Raises:
        UserError: No video can be written into such a file, or no encoder for it is there.
    """
    need_av()
    import av

    suffix = path.suffix.lower()
    if suffix not in ENCODERS:
        raise UserError(
            f"{path.name} has no suffix of a video that can be written: "
            f"{', '.join(known[1:] for known in ENCODERS)}."
        )
    for name, options in ENCODERS[suffix]:
        with suppress(av.codec.codec.UnknownCodecError):
            av.Codec(name, "w")
            return name, options
    raise UserError(
        f"This PyAV has no encoder for {suffix[1:]}: "
        f"{', '.join(name for name, _ in ENCODERS[suffix])}. Write a folder of frames."
    )


def read_video_record(path: Path | str) -> dict[str, Any] | None:
    """Read the record of a fused video from its comment, or None where it has none."""
    need_av()
    import av

    with av.open(str(path)) as container:
        tags = {key.lower(): text for key, text in container.metadata.items()}
    try:
        record = json.loads(tags.get("comment", ""))
    except ValueError:
        return None
    return record if isinstance(record, dict) and record else None
