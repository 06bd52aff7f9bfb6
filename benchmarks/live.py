"""Two cameras at different rates, faked by files in real time: what is left out, and how late.

    python benchmarks/live.py INFRARED.mp4 VISIBLE.mp4 [--model fast] [--infrared-rate 9] [--rig]

The files are played as cameras by the code that reads cameras. The infrared one is brought to
another rate first, as thermal cameras have it. Each pair is fused, its brightness held, encoded
into a video file, and then finished. With --rig, the infrared camera is smaller, and a rig's
calibration brings it onto the visible one with a margin that it does not see. Only the part of the
page between its markers is replaced; see marked.py.
"""

from __future__ import annotations

import argparse
import datetime
import os
import tempfile
import threading
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from emma_fusion import Fuser, Pair
from emma_fusion.align import Aligner, Rig
from emma_fusion.bench.facts import hardware
from emma_fusion.video.live import TIME_BASE, Camera, Timing, describe, watch
from emma_fusion.video.reading import VideoFile
from emma_fusion.video.steady import SteadyFuse
from emma_fusion.video.writing import VideoWriter
from marked import put

HERE = Path(__file__).resolve().parents[1]
SMALL = (288, 384)


def write_at(source: Path, target: Path, rate: Fraction | None, seconds: int, small: bool) -> None:
    """The beginning of a video, at another rate, and small where that is asked for."""
    video = VideoFile(source)
    step, due = 1 / (rate or video.rate), video.start
    writer: VideoWriter | None = None
    for frame in video:
        if frame.time - video.start >= seconds:
            break
        if frame.time < due:
            continue
        due += step
        image = cv2.resize(frame.image, SMALL[::-1]) if small else frame.image
        if writer is None:
            size = (image.shape[0], image.shape[1])
            writer = VideoWriter(target, size, rate or video.rate, time_base=Fraction(1, 90000))
        writer.write(image.astype(np.uint8), frame.time)
    if writer is not None:
        writer.finish()


def write_rig(path: Path, visible: tuple[int, int]) -> None:
    """The calibration of a small camera that sees nine tenths of the visible one's width."""
    scale = SMALL[1] / (0.9 * visible[1])
    across, down = -0.05 * visible[1] * scale, (SMALL[0] - visible[0] * scale) / 2
    matrix = np.array([[scale, 0, across], [0, scale, down], [0, 0, 1.0]])
    rig = Rig(matrix, "similarity", infrared=SMALL, visible=visible, pairs=1, residual=0.0)
    path.write_bytes(rig.to_json())


def main() -> None:
    """Play, fuse, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("infrared", type=Path)
    parser.add_argument("visible", type=Path)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--runtime", default="torch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--infrared-rate", type=Fraction, default=Fraction(9))
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rig", action="store_true")
    parser.add_argument("--page", type=Path, default=HERE / "reports" / "video.md")
    asked = parser.parse_args()
    cv2.setNumThreads(asked.threads)
    fuser = Fuser.from_pretrained(asked.model, threads=asked.threads, runtime=asked.runtime)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "infrared.mp4", folder / "visible.mp4"
        write_at(asked.infrared, files[0], asked.infrared_rate, asked.seconds, asked.rig)
        write_at(asked.visible, files[1], None, asked.seconds, False)
        aligner = None
        first = VideoFile(files[1])
        if asked.rig:
            write_rig(folder / "rig.json", (first.first.shape[0], first.first.shape[1]))
            aligner = Aligner(str(folder / "rig.json"))
        cameras = [Camera(str(path)) for path in files]
        timing, steady = Timing(), SteadyFuse(fuser.fuse_luminance)
        writer = None
        fuser(first.first, first.first)  # the first pass of a network is slower than the rest
        for infrared, visible in watch(cameras[0], cameras[1], threading.Event(), timing):
            image, cover = infrared.image, None
            if aligner is not None:
                aligned = aligner(image, visible.image)
                image, cover = aligned.image, aligned.cover
            pair = Pair.from_arrays(image, visible.image, cover=cover)
            fused = pair.compose(steady(pair, visible.time))
            if writer is None:
                size = (fused.shape[0], fused.shape[1])
                writer = VideoWriter(folder / "out.mp4", size, Fraction(25), time_base=TIME_BASE)
            writer.write(fused.astype(np.uint8), visible.time)
            timing.finished(visible)
        for camera in cameras:
            camera.close()
        if writer is not None:
            writer.finish()
        said = describe(cameras[0], cameras[1], timing)
    what = f"`{asked.model}` ({fuser.runtime}, {asked.threads} threads)" + ", a rig" * asked.rig
    rates = f"infrared at {float(asked.infrared_rate):g}, visible at {float(first.rate):g} a second"
    size_text = f"{first.first.shape[1]}x{first.first.shape[0]}"
    block = (
        f"## Live: {what}\n\nTwo files played as cameras for {asked.seconds} s, {rates}, "
        f"{size_text}: {said}\n\nMade by `benchmarks/live.py` on {datetime.date.today()}, "
        f"{hardware('cpu')}, with {os.getloadavg()[0]:.0f} processes that wanted to run."
    )
    print(block)
    put(
        asked.page,
        f"live {asked.model}{' rig' * asked.rig}",
        block,
        title="Videos: what was measured",
    )


if __name__ == "__main__":
    main()
