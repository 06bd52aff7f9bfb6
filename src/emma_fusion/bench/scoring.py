"""One image: fuse it where that is asked, write it, read it back, score it."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import emma_fusion
from emma_fusion import metrics
from emma_fusion.bench.methods import Fuse, hash_sources
from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_image, read_pair, write_image
from emma_fusion.images.record import read_record
from emma_fusion.metrics.conventions import find_convention
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import from_unit, without_alpha
from emma_fusion.values.contrast import stretch


@dataclass(frozen=True)
class Rules:
    """How everything in a run is scored.

    Attributes:
        convention: Whose formulas; a key of `metrics.CONVENTIONS`.
        protocol: "direct" or "paper"; see `metrics.prepare`.
        metrics: Names of the metrics.
    """

    convention: str = "ours"
    protocol: str = "direct"
    metrics: tuple[str, ...] = ()

    @property
    def coloured(self) -> bool:
        """Whether colour is fused in and scored by channel: in a convention that does so."""
        return self.protocol == "direct" and find_convention(self.convention).colour == "channels"


@dataclass(frozen=True)
class Job:
    """One image of one method.

    Attributes:
        key: Dataset, method, image, protocol, convention: the row's in scores.csv.
        infrared: File.
        visible: File.
        fused: File; where `make` is a stamp it is written first.
        rules: How to score.
        make: Stamp to write into a fused image that is to be made, or None.
    """

    key: tuple[str, ...]
    infrared: Path
    visible: Path
    fused: Path
    rules: Rules
    make: str | None = None


def fuse_file(job: Job, fuse: Fuse) -> None:
    """Fuse the pair of a job and write the image in the form that the protocol scores.

    "paper": luminance stretched to its own minimum and maximum, 8 bit. "direct": luminance as it
    is, in the visible image's depth; in colour for a convention that scores channels.
    """
    pair = read_pair(job.infrared, job.visible)
    fused = fuse(pair)
    image: npt.NDArray[Any]
    if job.rules.protocol == "paper":
        image = from_unit(stretch(fused), np.uint8)
    elif job.rules.coloured:
        image = without_alpha(pair.compose(fused))
    else:
        image = from_unit(fused, pair.dtype)
    record = {
        "software": f"emma-fusion {emma_fusion.__version__}",
        "method": job.key[1],
        "protocol": job.rules.protocol,
        "bench": job.make,
        **pair.record,
    }
    write_image(job.fused, image, record)


def was_made_by(path: Path, stamp: str) -> bool:
    """Whether a fused image is there and was made by this method of these sources."""
    if not path.is_file():
        return False
    try:
        record = read_record(path)
    except (OSError, ValueError):
        return False
    return record is not None and record.get("bench") == stamp


def score_files(fused: Path, infrared: Path, visible: Path, rules: Rules) -> dict[str, float]:
    """Score a fused image of any program against its sources, all read from their files.

    Returns:
        Metric -> value, in the order of the rules.

    Raises:
        UserError: A file is unreadable, sizes differ, or a metric cannot be computed.
    """
    paths = (fused, infrared, visible)
    f, i, v = (without_alpha(read_image(path)) for path in paths)
    if len({image.shape[:2] for image in (f, i, v)}) > 1:
        sizes = ", ".join(
            f"{path} is {image.shape[1]}x{image.shape[0]}"
            for path, image in zip(paths, (f, i, v), strict=True)
        )
        raise UserError(f"the sizes differ: {sizes}.")
    return score_images(f, i, v, rules)


def score_images(
    f: npt.NDArray[Any], i: npt.NDArray[Any], v: npt.NDArray[Any], rules: Rules
) -> dict[str, float]:
    """Score a fused image against its sources, (H, W) or (H, W, 3), uint8 or uint16, of one size.

    Raises:
        UserError: A metric cannot be computed.
    """
    if i.dtype == np.uint16:  # scaled as it was for fusing
        i = Pair.from_arrays(i, v).infrared
    if rules.protocol == "paper":
        f = metrics.prepare(metrics.luminance(f), "paper")
    return metrics.score(f, i, v, rules.convention, rules.metrics)


def score_stamp(job: Job) -> str:
    """A hash of the three files and of the formulas: values of another one are out of date."""
    hashes = [hash_file(job.fused), source_hash(job.infrared), source_hash(job.visible)]
    return hashlib.blake2b("".join([*hashes, _formulas()]).encode(), digest_size=8).hexdigest()


def fuse_stamp(job: Job, method_stamp: str) -> str:
    """A hash of the method and the two sources; the fused image carries it."""
    text = [method_stamp, source_hash(job.infrared), source_hash(job.visible)]
    text += [job.rules.protocol, str(job.rules.coloured)]
    return hashlib.blake2b("\n".join(text).encode(), digest_size=8).hexdigest()


def hash_file(path: Path) -> str:
    """A short hash of a file's bytes.

    Raises:
        UserError: The file cannot be read.
    """
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    except OSError as error:
        raise UserError(f"The file {path} could not be read: {error.strerror}.") from error


@functools.cache
def _hash_once(path: Path, changed: int) -> str:
    return hash_file(path)


def source_hash(path: Path) -> str:
    """`hash_file`, kept for the next method, as long as the file is not written again."""
    try:
        return _hash_once(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise UserError(f"The file {path} could not be read: {error.strerror}.") from error


@functools.cache
def _formulas() -> str:
    return hash_sources(Path(metrics.__file__).parent)
