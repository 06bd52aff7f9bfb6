"""How far a fusion method is from equivariance, on real pairs.

A method F is equivariant under T when fusing the transformed pair gives the transformed fused
image. What is measured for each pair (i, v) and each T is

    error = ‖F(T i, T v) - T F(i, v)‖ / ‖T F(i, v)‖,   ‖x‖ = sqrt(sum of x² over valid pixels)

Valid is what the transform made from pixels inside the image (see
`emma_fusion.equivariance.transforms`). A second value, ``inner``, takes only pixels that lie at
least a margin from the frame and, before the transform, lay so far from it too: that leaves out
the seam of a cyclic shift and the edge of a turned image, where a method sees other
neighbours and not only a transformed scene.

Shifts are cyclic, down and to the right by the same distance. Multiples of 90 degrees are turned
exactly, the frame with them. Parts of a pixel, other angles and zooms, which the paper's group does
not have, are resampled bilinearly within the frame, which only a linear method commutes with:
`average` is exact everywhere, and what `maximum`, which looks at single pixels, has there is owed
to resampling alone.
"""

from __future__ import annotations

import functools
import hashlib
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from emma_fusion import equivariance
from emma_fusion.bench.datasets import Dataset
from emma_fusion.bench.methods import Fuse, Method, hash_sources
from emma_fusion.bench.runner import SAVE_EVERY, Progress
from emma_fusion.bench.scoring import hash_file, source_hash
from emma_fusion.bench.store import Row, Store
from emma_fusion.equivariance import Reflection, Rotation, Shift, Zoom
from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_pair
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import FloatArray

Kind = Literal["shift", "rotation", "reflection", "zoom"]
Padding = Literal["zeros", "border", "reflection"]
KEYS = ("dataset", "method", "image", "transform", "amount")
VALUES = ("error", "inner")

SHIFTS = (0.25, 0.5, 1, 2, 3, 4, 7, 8, 16, 31, 32, 64)
ANGLES = (*range(10, 180, 20), 180, *range(190, 360, 20))
REFLECTIONS: tuple[Literal["horizontal", "vertical", "both"], ...] = (
    "horizontal",
    "vertical",
    "both",
)
ZOOMS = (0.8, 1.25)


@dataclass(frozen=True)
class Case:
    """One transform of the grid.

    Attributes:
        transform: Which kind.
        amount: Pixels of a shift, degrees of a rotation (counter-clockwise), "horizontal",
            "vertical" or "both", or the factor of a zoom, which enlarges above 1.
    """

    transform: Kind
    amount: str

    @property
    def key(self) -> tuple[str, str]:
        """How it stands in files."""
        return self.transform, self.amount

    @property
    def group(self) -> str:
        """What it is averaged with: transforms that ask the same of a method.

        The U-Fuser halves the image three times, so that shifts by multiples of 8 keep what is
        sampled and others do not; multiples of 90 degrees need no resampling and others do.

        >>> Case("shift", "16").group, Case("rotation", "45").group
        ('shifts by multiples of 8', 'other angles')
        """
        if self.transform == "shift":
            if float(self.amount) % 1:
                return "shifts by parts of a pixel"
            return "other shifts" if float(self.amount) % 8 else "shifts by multiples of 8"
        if self.transform == "rotation":
            return "other angles" if float(self.amount) % 90 else "quarter turns"
        return "reflections" if self.transform == "reflection" else "zooms"

    def apply(self, x: Tensor, mask: Tensor, padding: Padding) -> tuple[Tensor, Tensor]:
        """Transform an image.

        Args:
            x: (1, C, H, W).
            mask: bool (1, 1, H, W), which pixels are valid.
            padding: What fills the corners of a turned image and the frame around a shrunk one;
                see `Rotation`.

        Returns:
            The image and its valid pixels, of height and width W and H after a turn by 90 or
            270 degrees and of H and W otherwise.
        """
        if self.transform == "shift":
            return shifted(x, mask, float(self.amount))
        if self.transform == "zoom":
            factor = torch.tensor([float(self.amount)])
            return Zoom(padding=padding).apply(x, {"factor": factor}, mask)
        if self.transform == "reflection":
            axes = {
                axis: torch.tensor([self.amount in (axis, "both")])
                for axis in ("horizontal", "vertical")
            }
            return Reflection().apply(x, axes, mask)
        degrees = float(self.amount)
        if degrees % 90 == 0:
            turns = int(degrees // 90)
            return x.rot90(turns, (-2, -1)), mask.rot90(turns, (-2, -1))
        return Rotation(padding=padding).apply(x, {"degrees": torch.tensor([degrees])}, mask)


def shifted(x: Tensor, mask: Tensor, distance: float) -> tuple[Tensor, Tensor]:
    """Shift down and to the right, cyclically; between two pixels by the share of each.

    Args:
        x: (1, C, H, W).
        mask: bool (1, 1, H, W), which pixels are valid.
        distance: In pixels.
    """
    low = torch.tensor([math.floor(distance)])
    x, mask = Shift().apply(x, {"rows": low, "columns": low}, mask)
    if part := distance % 1:
        for axis in (-2, -1):
            x, mask = torch.lerp(x, x.roll(1, axis), part), mask & mask.roll(1, axis)
    return x, mask


def grid(
    shifts: Iterable[float] = SHIFTS,
    angles: Iterable[float] = ANGLES,
    reflections: Iterable[str] = REFLECTIONS,
    zooms: Iterable[float] = ZOOMS,
) -> tuple[Case, ...]:
    """The transforms to try: shifts, angles and zooms each once, in rising order.

    >>> [case.amount for case in grid((8, 0.5, 8), (), ("both",), ())]
    ['0.5', '8', 'both']
    """
    return (
        *(Case("shift", f"{distance:.15g}") for distance in sorted(set(shifts))),
        *(Case("rotation", f"{angle:g}") for angle in sorted(set(angles))),
        *(Case("reflection", kind) for kind in reflections),
        *(Case("zoom", f"{factor:g}") for factor in sorted(set(zooms))),
    )


@dataclass(frozen=True)
class Settings:
    """What is measured, and how.

    Attributes:
        cases: The transforms.
        padding: What fills the empty corners of turned images. They count nowhere, but a method
            may look at the whole image; "reflection" is most like an image.
        margin: Pixels from the frame that ``inner`` leaves out.
    """

    cases: tuple[Case, ...] = grid()
    padding: Padding = "reflection"
    margin: int = 32


@dataclass
class Outcome:
    """What was measured.

    Attributes:
        datasets: On which pairs.
        methods: In the order of the table.
        settings: How.
        values: (dataset, method, stem) -> case -> "error" and "inner"; an image that failed is
            not there.
        failures: A sentence each.
        measured: How many values were measured now; the others were kept from before.
    """

    datasets: list[Dataset]
    methods: list[Method]
    settings: Settings
    values: dict[tuple[str, str, str], dict[Case, dict[str, float]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    measured: int = 0


def measure(
    fuse: Fuse, pair: Pair, fused: FloatArray, case: Case, settings: Settings
) -> dict[str, float]:
    """The errors of a method on one pair under one transform.

    Args:
        fuse: The method F.
        pair: (i, v), any size.
        fused: F(i, v), (H, W).
        case: T.
        settings: The padding and the margin; the cases in it are not looked at.

    Returns:
        ``error`` over all valid pixels and ``inner`` away from the frame, both 0 and more; NaN
        where no pixel is left, infinite where ‖T F(i, v)‖ alone is 0.
    """
    planes = torch.from_numpy(np.stack([pair.infrared, pair.visible]))[None]
    inside = _interior(planes, settings.margin)
    turned, valid = case.apply(planes, torch.ones_like(inside), settings.padding)
    before = torch.from_numpy(np.ascontiguousarray(fused, dtype=np.float32))[None, None]
    expected, inner = case.apply(before, inside, settings.padding)
    inner = inner & _interior(expected, settings.margin)
    infrared, visible = (np.ascontiguousarray(plane) for plane in turned[0].numpy())
    after = fuse(replace(pair, infrared=infrared, visible=visible))
    difference = torch.from_numpy(np.asarray(after, dtype=np.float64)) - expected[0, 0].double()
    return {
        name: _relative(difference, expected[0, 0].double(), mask[0, 0])
        for name, mask in zip(VALUES, (valid, inner), strict=True)
    }


def run(
    datasets: list[Dataset],
    methods: list[Method],
    settings: Settings,
    output: Path,
    progress: Progress = lambda done, total: None,
) -> Outcome:
    """Measure every method on every pair under every transform, and keep it in OUTPUT/errors.csv.

    What is there already, of the same files and the same method, is not measured again.

    Args:
        datasets: On which pairs.
        methods: What to measure; see `emma_fusion.bench.methods.open_methods`.
        settings: How.
        output: Folder.
        progress: Called with how many transforms are done, and of how many.

    Raises:
        UserError: A method is a folder of images, or nothing could be measured.
    """
    openers = {method.name: _opener(method) for method in methods}
    store = Store(output / "errors.csv", KEYS)
    outcome = Outcome(datasets, methods, settings)
    jobs = [
        (dataset, method, stem)
        for dataset in datasets
        for stem in dataset.pairs
        for method in methods
    ]
    total, done, saved = len(jobs) * len(settings.cases), 0, time.monotonic()
    opened: dict[str, Fuse] = {}
    try:
        for number, (dataset, method, stem) in enumerate(jobs):
            key = (dataset.name, method.name, stem)
            files = dataset.pairs[stem]
            try:
                stamp = _stamp(method, files, settings)
                todo = [
                    case
                    for case in settings.cases
                    if store.find((*key, *case.key), stamp, VALUES) is None
                ]
                done += len(settings.cases) - len(todo)
                if todo:
                    if method.name not in opened:
                        opened[method.name] = openers[method.name]()
                    fuse = opened[method.name]
                    pair = read_pair(*files, colour="none")
                    fused = fuse(pair)
                for case in todo:
                    values = measure(fuse, pair, fused, case, settings)
                    store.put((*key, *case.key), Row(stamp, values))
                    outcome.measured += 1
                    done += 1
                    progress(done, total)
                    if time.monotonic() - saved > SAVE_EVERY:
                        store.save()
                        saved = time.monotonic()
                outcome.values[key] = {
                    case: store.rows[(*key, *case.key)].values for case in settings.cases
                }
            except Exception as error:  # one bad pair must not cost the others their night
                outcome.failures.append(f"{', '.join(key)}: {str(error) or type(error).__name__}")
            done = (number + 1) * len(settings.cases)
            progress(done, total)
    finally:
        if store.rows:
            store.save()
    if not outcome.values:
        raise UserError("Nothing could be measured.\n" + "\n".join(outcome.failures))
    return outcome


def _opener(method: Method) -> Callable[[], Fuse]:
    """What opens a method, where it can fuse."""
    if method.open is None:
        raise UserError(
            f"{method.name} is a folder of fused images: equivariance is measured by fusing "
            "other images, so name a model, a baseline or module:function."
        )
    return method.open


def _interior(x: Tensor, margin: int) -> Tensor:
    """Which pixels of (1, C, H, W) are so far from the frame, bool (1, 1, H, W)."""
    height, width = x.shape[-2:]
    mask = torch.zeros((1, 1, height, width), dtype=torch.bool)
    mask[..., margin : height - margin, margin : width - margin] = True
    return mask


def _relative(difference: Tensor, reference: Tensor, mask: Tensor) -> float:
    """‖difference‖ / ‖reference‖ over the pixels of a mask."""
    if not mask.any():
        return math.nan
    error, size = (x[mask].square().sum().sqrt().item() for x in (difference, reference))
    if size == 0:
        return 0.0 if error == 0 else math.inf
    return error / size


def _stamp(method: Method, files: tuple[Path, Path], settings: Settings) -> str:
    """A hash of all that a value depends on but its transform."""
    text = [method.stamp, *(source_hash(path) for path in files)]
    text += [settings.padding, str(settings.margin), _formulas()]
    return hashlib.blake2b("\n".join(text).encode(), digest_size=8).hexdigest()


@functools.cache
def _formulas() -> str:
    return hash_sources(Path(equivariance.__file__).parent) + hash_file(Path(__file__))
