"""How steady the fused videos of a run are: BiSWE and MS2R of each dataset that is a video."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from emma_fusion import metrics
from emma_fusion.bench.methods import hash_sources
from emma_fusion.bench.runner import BenchResult, Progress, Scores
from emma_fusion.bench.scoring import hash_file, source_hash
from emma_fusion.bench.store import Row, Store
from emma_fusion.bench.tables import markdown_grid
from emma_fusion.bench.workers import workers
from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_image, read_pair
from emma_fusion.metrics.temporal import bidirectional_warping_error, motion_smoothness
from emma_fusion.values.arrays import from_unit, without_alpha
from emma_fusion.video.naming import find_order

FEWEST = 4  # frames, for a second difference of the motion
NAMES = ("BiSWE", "MS2R")
ABOUT = (
    "BiSWE (grey levels): what changes between a frame and its neighbours beyond motion. MS2R "
    "(pixels): how far the motion's jerks are from the sources'. Both after VF-Bench (NeurIPS "
    "2025), flow by OpenCV's DIS; lower is better."
)
Files = tuple[Path, Path, Path]  # fused, infrared, visible


@dataclass(frozen=True)
class Steadiness:
    """One method on one video.

    Attributes:
        dataset: Name.
        title: Of the dataset.
        method: Name.
        frames: How many.
        values: BiSWE and MS2R.
    """

    dataset: str
    title: str
    method: str
    frames: int
    values: dict[str, float]


def score_videos(
    outcome: BenchResult,
    videos: Sequence[str] | None,
    output: Path,
    *,
    processes: int = 1,
    progress: Progress = lambda done, total: None,
) -> list[Steadiness]:
    """Score the fused images of a run in the order of their names, as frames of videos.

    Values are kept in OUTPUT/temporal.csv and not computed again for the same files.

    Args:
        outcome: A run; what cannot be scored is added to its warnings.
        videos: Names of the datasets that are videos; None for all.
        output: Folder.
        processes: How many methods at a time.
        progress: Called with how many are done, and of how many.
    """
    store = Store(output / "temporal.csv", ("dataset", "method", "protocol"))
    jobs = []
    for scores in outcome.scores:
        if videos is None or scores.dataset.name in videos:
            jobs += [
                (scores, m.name) for m in scores.methods if _can_score(scores, m.name, outcome)
            ]
    found, waiting = [], []
    with workers(processes) as executor:
        for scores, method in jobs:
            files = _in_order(scores, method)
            key = (scores.dataset.name, method, outcome.rules.protocol)
            stamp = _stamp(files)
            row = store.find(key, stamp, NAMES)
            future = None if row else executor.submit(score_frames, files)
            waiting.append((scores, method, len(files), key, stamp, row, future))
        for number, (scores, method, count, key, stamp, row, future) in enumerate(waiting, 1):
            if future is not None:
                try:
                    row = Row(stamp, future.result())
                except UserError as error:
                    outcome.failures.append(f"{scores.dataset.title}, {method}: {error}")
                    continue
                store.put(key, row)
                store.save()
            if row is not None:
                values = {name: row.values[name] for name in NAMES}
                found.append(
                    Steadiness(scores.dataset.name, scores.dataset.title, method, count, values)
                )
            progress(number, len(waiting))
    return found


def score_frames(files: list[Files]) -> dict[str, float]:
    """BiSWE and MS2R of frames in order.

    Raises:
        UserError: A file cannot be read, or sizes differ.
    """
    fused, infrared, visible = (_Frames(files, side) for side in range(3))
    return {
        "BiSWE": bidirectional_warping_error(fused, infrared, visible),
        "MS2R": motion_smoothness(fused, infrared, visible),
    }


def markdown(found: list[Steadiness]) -> str:
    """The scores as tables in Markdown, one a dataset."""
    parts = []
    for dataset in dict.fromkeys(one.dataset for one in found):
        rows = [one for one in found if one.dataset == dataset]
        parts.append(f"## {rows[0].title} as a video, {rows[0].frames} frames\n\n{ABOUT}\n")
        cells = [[one.method, *(number(one.values[name]) for name in NAMES)] for one in rows]
        parts.append(markdown_grid(["Method", *(f"{name} ↓" for name in NAMES)], cells))
    return "\n".join(parts)


def number(value: float) -> str:
    """A value as it is printed; – where there is none."""
    return "–" if math.isnan(value) else f"{value:.3f}"


class _Frames(Sequence[npt.NDArray[np.uint8]]):
    """One of the three videos as luminance, read when it is asked for; a few frames are kept."""

    def __init__(self, files: list[Files], side: int) -> None:
        self._files = files
        self._read = functools.lru_cache(maxsize=4)(lambda index: _read(files[index], side))

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[npt.NDArray[np.uint8]]: ...
    def __getitem__(
        self, index: int | slice
    ) -> npt.NDArray[np.uint8] | Sequence[npt.NDArray[np.uint8]]:
        if isinstance(index, slice):
            return [self._read(k) for k in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._read(index)


def _read(files: Files, side: int) -> npt.NDArray[np.uint8]:
    """A frame's luminance in 8 bit; the infrared's scaled as for fusing."""
    fused, infrared, visible = files
    if side == 0:
        plane = metrics.luminance(without_alpha(read_image(fused)))
        return np.rint(plane / 257).astype(np.uint8) if plane.dtype == np.uint16 else plane
    pair = read_pair(infrared, visible)
    return from_unit(pair.infrared if side == 1 else pair.visible, np.uint8)


def _can_score(scores: Scores, method: str, outcome: BenchResult) -> bool:
    title = scores.dataset.title
    if len(scores.dataset.pairs) < FEWEST:
        outcome.warnings.append(f"{title}: as a video it needs {FEWEST} frames or more.")
        return False
    if not scores.is_complete(method):
        outcome.warnings.append(f"{title}, {method}: without all frames, it is scored as no video.")
        return False
    return True


def _in_order(scores: Scores, method: str) -> list[Files]:
    """The files of each frame, in the order of their names; see `find_order`."""
    stems = find_order(list(scores.dataset.pairs)).stems
    fused = scores.fused[method]
    return [(fused[stem], *scores.dataset.pairs[stem]) for stem in stems]


def _stamp(files: list[Files]) -> str:
    """A hash of all files and of the formulas."""
    hashes = [hash_sources(Path(metrics.__file__).parent)]
    hashes += [hash_file(f) + source_hash(i) + source_hash(v) for f, i, v in files]
    return hashlib.blake2b("".join(hashes).encode(), digest_size=8).hexdigest()
