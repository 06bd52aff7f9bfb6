"""Where fused videos go: a video file, a folder of frames, a window."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images.folders import SUFFIXES, list_images
from emma_fusion.images.raster import check_format, write_image
from emma_fusion.jobs.image import choose_suffix
from emma_fusion.jobs.request import FuseRequest
from emma_fusion.jobs.targets import Targets, check_record
from emma_fusion.video.frames import Frame, is_video
from emma_fusion.video.writing import VideoWriter, find_encoder


class Output(Protocol):
    """What takes fused frames. As a context manager, left by an exception, it drops a video.

    Attributes:
        count: Frames written so far.
        notes: What the user should know.
    """

    count: int
    notes: list[str]

    def write(self, image: npt.NDArray[Any], frame: Frame, record: dict[str, Any]) -> None:
        """Write the fused image of a visible frame."""

    def finish(self) -> None:
        """Bring it to an end."""

    def __enter__(self) -> Output:
        """Nothing is opened before the first frame, whose size says how."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Keep what may be kept."""


def plan_output(request: FuseRequest, targets: Targets) -> Path:
    """Where the fused video goes: a video file by its suffix, else a folder of frames.

    Args:
        request: What is asked for.
        targets: Says whether it may be written there.

    Raises:
        UserError: It is an input, it exists and nobody said to replace it, or it cannot hold what
            is asked for.
    """
    target = Path(request.output)
    if is_video(target) and not target.is_dir():
        find_encoder(target)
        if request.depth == "16" or request.format:
            raise UserError(
                f"{target.name} is a video of 8 bits: --depth 16 and --format are for a folder of "
                "frames, -o FOLDER."
            )
        targets.check(target)
        return target
    if target.suffix.lower() in SUFFIXES:
        raise UserError(f"{target} is an image: a video is written to a video file or a folder.")
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file: frames need a folder, and videos a suffix like .mp4.")
    targets.check_folder(target)
    if target.is_dir() and list_images(target) and not request.overwrite:
        raise UserError(
            f"{target} holds images: write to another folder, or replace them with --overwrite."
        )
    visible = Path(request.visible)
    if visible.is_dir() and not request.video.live:  # whose names the frames are going to have
        suffixes = {stem: path.suffix for stem, path in list_images(visible).items()}
        frames = [target / (s + choose_suffix(request, e)) for s, e in suffixes.items()]
        targets.check_all(frames)
        for frame in frames:
            check_record(frame, request.overwrite)
    return target


class VideoOutput:
    """A video file; see `VideoWriter`, which is opened when the size is known."""

    def __init__(
        self,
        target: Path,
        rate: Fraction,
        time_base: Fraction | None,
        aspect: Fraction = Fraction(1),
        audio: Path | None = None,
    ) -> None:
        self.notes: list[str] = []
        self.count = 0
        self._target, self._audio = target, audio
        self._rate, self._time_base, self._aspect = rate, time_base, aspect
        self._writer: VideoWriter | None = None

    def write(self, image: npt.NDArray[Any], frame: Frame, record: dict[str, Any]) -> None:
        """Write the fused image of a visible frame; the first one's record is the video's."""
        if image.dtype == np.uint16:
            image = np.rint(image / 257).astype(np.uint8)
        if image.ndim == 3:
            image = image[..., :3]  # videos have no alpha
        if self._writer is None:
            self._writer = VideoWriter(
                self._target,
                (image.shape[0], image.shape[1]),
                self._rate,
                time_base=self._time_base,
                aspect=self._aspect,
                record=record,
                audio=self._audio,
            )
            self.notes = self._writer.notes
        self._writer.write(image, frame.time)
        self.count += 1

    def __enter__(self) -> VideoOutput:
        return self

    def finish(self) -> None:
        """Give the video its name."""
        if self._writer is not None:
            self._writer.finish()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Drop the video where there is an exception."""
        if self._writer is not None and kind is not None:
            self._writer.drop()


class FolderOutput:
    """A folder of frames, named as those of the visible folder, or by their number."""

    def __init__(self, folder: Path, request: FuseRequest, targets: Targets) -> None:
        self.notes: list[str] = []
        self.count = 0
        self._folder, self._request, self._targets = folder, request, targets
        self._before = set(list_images(folder).values()) if folder.is_dir() else set()

    def write(self, image: npt.NDArray[Any], frame: Frame, record: dict[str, Any]) -> None:
        """Write the fused image of a visible frame, with its record."""
        self.count += 1
        is_file = Path(frame.name).suffix.lower() in SUFFIXES
        name = Path(frame.name if is_file else f"{self.count:06}.png")
        path = self._folder / (name.stem + choose_suffix(self._request, name.suffix))
        has_alpha = image.ndim == 3 and image.shape[2] == 4
        check_format(path, image.dtype, has_alpha)
        self._targets.check(path)
        write_image(path, image, record)
        self._before.discard(path)

    def __enter__(self) -> FolderOutput:
        return self

    def finish(self) -> None:
        """Say what is there of another run."""
        if self._before:
            self.notes.append(f"{len(self._before)} other images are in {self._folder}.")

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Frames that are written stay."""


class Window:
    """Shows the video while it is made.

    Raises:
        UserError: There is no screen, or an OpenCV without windows.
    """

    TITLE = "emma (q to stop)"

    def __init__(self) -> None:
        import cv2

        try:
            cv2.namedWindow(self.TITLE)
        except cv2.error:
            raise UserError(
                "No window can be opened: OpenCV was built without them (the package "
                "opencv-python has them), or there is no screen. Leave out --show."
            ) from None

    def show(self, image: npt.NDArray[Any]) -> bool:
        """Show an image; whether to go on."""
        import cv2

        bgr = image[..., 2::-1] if image.ndim == 3 else image
        cv2.imshow(self.TITLE, np.ascontiguousarray(bgr))
        return (cv2.waitKey(1) & 0xFF) != ord("q")
