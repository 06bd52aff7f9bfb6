"""How steady fused videos are: BiSWE and MS2R of models and baselines on real videos, into reports.

    python benchmarks/steadiness.py ../shared/data/films [--clips 3] [--frames 20]

The folder holds pairs NAME_infrared.mp4 and NAME_visible.mp4. Of each pair, clips of consecutive
frames are fused, evenly spaced over the video, and scored on 8-bit luminance before any encoder.
Each method stands there twice: as it fuses frames one by one, and with its brightness held, as
`emma fuse` writes videos. Only the part of the page between its markers is replaced; see marked.py.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from emma_fusion import Fuser, Pair, baselines, models
from emma_fusion.bench.facts import hardware
from emma_fusion.metrics import score
from emma_fusion.metrics.temporal import bidirectional_warping_error, dis_flow, motion_smoothness
from emma_fusion.values.arrays import FloatArray, from_unit
from emma_fusion.video.reading import VideoFile
from emma_fusion.video.steady import SteadyFuse
from marked import put

HERE = Path(__file__).resolve().parents[1]
Fuse = Callable[[Pair], FloatArray]
Grey = npt.NDArray[np.uint8]
Timed = list[tuple[Pair, object]]
COLUMNS = ("BiSWE", "MS2R", "Qabf", "BiSWE, held", "MS2R, held", "Qabf, held")

ABOUT = """## How steady the fused videos are

BiSWE (grey levels): what changes between a frame and its neighbours beyond motion. MS2R (pixels):
how far the motion's jerks are from the sources'. Both are lower for better videos and follow
VF-Bench (NeurIPS 2025), with the flow of OpenCV's DIS. Qabf (higher is better) says how much of the
sources' edges is there: a blurred video is steady too. "Held" is with the brightness held, as
`emma fuse` writes videos; the other columns are of frames fused one by one.
"""


def methods(named: list[str]) -> dict[str, Fuse]:
    """Functions that fuse, by name: every shipped model, and baselines."""
    found: dict[str, Fuse] = {}
    for name in models.shipped():
        found[name] = Fuser.from_pretrained(name, threads=1).fuse_luminance
    for name in named:
        found[name] = _baseline(name)
    return found


def _baseline(name: str) -> Fuse:
    return lambda pair: baselines.fuse(name, pair.infrared, pair.visible).astype(np.float32)


def read_clips(infrared: Path, visible: Path, clips: int, frames: int) -> Iterator[Timed]:
    """Clips of pairs with their times, evenly spaced; the two videos go frame by frame."""
    videos = VideoFile(infrared), VideoFile(visible)
    count = videos[1].count or clips * frames
    starts = [round((2 * k + 1) * (count - frames) / (2 * clips)) for k in range(clips)]
    clip: Timed = []
    for number, (i, v) in enumerate(zip(*videos, strict=False)):
        if any(start <= number < start + frames for start in starts):
            clip.append((Pair.from_arrays(i.image, v.image), v.time))
            if len(clip) == frames:
                yield clip
                clip = []


def score_clip(clip: Timed, fuse: Fuse, flow: Callable[[Grey, Grey], object]) -> list[float]:
    """BiSWE, MS2R and Qabf of a clip, fused one by one and then held."""
    sources = [[pair.record[side] for pair, _ in clip] for side in ("infrared 8", "visible 8")]
    fused = [fuse(pair) for pair, _ in clip]
    again = iter(fused)
    steady = SteadyFuse(lambda pair: next(again))
    held = [steady(pair, time) for pair, time in clip]
    values = []
    for planes in (fused, held):
        levels = [from_unit(plane, np.uint8) for plane in planes]
        values.append(bidirectional_warping_error(levels, *sources, flow=flow))
        values.append(motion_smoothness(levels, *sources, flow=flow))
        edges = [
            score(level, i, v, metrics=["Qabf"])["Qabf"]
            for level, i, v in list(zip(levels, *sources, strict=True))[:: max(1, len(clip) // 4)]
        ]
        values.append(float(np.mean(edges)))
    return values


class SourceFlow:
    """Flow that is computed once for a pair of frames that are asked for again, of the sources."""

    def __init__(self, kept: list[Grey]) -> None:
        self._kept, self._ids, self._found = kept, {id(plane) for plane in kept}, {}

    def __call__(self, start: Grey, end: Grey) -> npt.NDArray[np.float32]:
        """Flow from one frame to another; see `dis_flow`."""
        key = id(start), id(end)
        if key[0] not in self._ids or key[1] not in self._ids:
            return dis_flow(start, end)
        if key not in self._found:
            self._found[key] = dis_flow(start, end)
        return self._found[key]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument(
        "--baselines", nargs="*", default=["additive", "laplacian", "average", "guided"]
    )
    parser.add_argument("--page", type=Path, default=HERE / "reports" / "video.md")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = methods(asked.baselines)
    blocks = [ABOUT]
    for infrared in sorted(asked.folder.glob("*_infrared.mp4")):
        name = infrared.name.removesuffix("_infrared.mp4")
        totals: dict[str, list[list[float]]] = {method: [] for method in found}
        visible = infrared.with_name(f"{name}_visible.mp4")
        for clip in read_clips(infrared, visible, asked.clips, asked.frames):
            kept = []
            for pair, _ in clip:
                for side, plane in (("infrared 8", pair.infrared), ("visible 8", pair.visible)):
                    pair.record[side] = from_unit(plane, np.uint8)
                    kept.append(pair.record[side])
            flow = SourceFlow(kept)
            for method, fuse in found.items():
                totals[method].append(score_clip(clip, fuse, flow))
                print(name, method, [round(x, 3) for x in totals[method][-1]], file=sys.stderr)
        rows = [
            f"| {method} | " + " | ".join(f"{x:.3f}" for x in np.mean(values, axis=0)) + " |"
            for method, values in totals.items()
        ]
        frames = f"{asked.clips} clips of {asked.frames} consecutive frames"
        blocks.append(f"### {name}, {frames}\n")
        blocks.append(f"| Method | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
        blocks[-1] += "\n" + "\n".join(rows) + "\n"
    command = (
        f"python benchmarks/steadiness.py {asked.folder} --clips {asked.clips} "
        f"--frames {asked.frames} --baselines {' '.join(asked.baselines)}"
    )
    blocks.append(
        f"Made by `{command}` on {datetime.date.today()}, {hardware('cpu')}, PyTorch "
        f"{torch.__version__}, OpenCV {cv2.__version__}."
    )
    put(asked.page, "steadiness", "\n".join(blocks), title="Videos: what was measured")
    print(asked.page.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
