"""The kinds of input that are compared: each source alone, both stacked, and fused images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import emma_fusion
from emma_fusion.bench.methods import Fuse, Method
from emma_fusion.bench.scoring import source_hash, was_made_by
from emma_fusion.downstream.layouts import Dataset, Scene
from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images
from emma_fusion.images.raster import read_image, read_pair, write_image
from emma_fusion.values.arrays import from_unit, without_alpha
from emma_fusion.values.colour import luminance

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Attributes:
        name: infrared, visible, stacked, or a method's.
        colour: Whether images have three channels and the visible's colour.
        fused: Split -> stem -> file, for a method.
        stamp: Changes when the images may change.
    """

    name: str
    colour: bool
    fused: dict[str, dict[str, Path]] = field(default_factory=dict)
    stamp: str = ""

    @property
    def channels(self) -> int:
        """Of its images; stacked is the visible's with the infrared's one behind."""
        return (3 if self.colour else 1) + (self.name == "stacked")

    def read(self, scene: Scene, split: str) -> Image:
        """The image of a scene.

        Returns:
            (H, W, channels) uint8.

        Raises:
            UserError: A file is not readable, or the two sources do not fit.
        """
        if self.fused:
            image = without_alpha(read_image(self.fused[split][scene.stem]))
            unit = image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
            if unit.ndim == 3 and not self.colour:
                unit = luminance(unit)
            return self._with_channels(unit)
        pair = read_pair(scene.infrared, scene.visible, colour="visible")
        if self.name == "infrared":
            return self._with_channels(pair.infrared)
        visible = pair.visible if pair.colour is None or not self.colour else pair.colour
        if self.name == "visible":
            return self._with_channels(visible)
        return np.dstack([self._with_channels(visible), from_unit(pair.infrared, np.uint8)])

    def _with_channels(self, unit: NDArray[np.float32]) -> Image:
        plane = unit[..., None] if unit.ndim == 2 else unit
        if self.colour and plane.shape[2] == 1:
            plane = np.repeat(plane, 3, axis=2)
        return from_unit(plane, np.uint8)


def source_kind(name: str, colour: bool) -> Kind:
    """infrared, visible or stacked."""
    return Kind(name, colour, stamp=name)


def fused_kind(
    method: Method,
    dataset: Dataset,
    colour: bool,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Kind:
    """The fused images of a method, made where they are not there yet.

    They are kept as ``folder/SPLIT/STEM.png`` and made anew when the method or a source changes.

    Args:
        method: A model, a baseline, a function, or a folder of images made elsewhere, in
            PATH/train and PATH/test where these exist.
        dataset: Of which scenes.
        colour: Whether they carry the visible's colour.
        folder: Where they are kept.
        progress: Called with how many are there, and of how many.

    Raises:
        UserError: An image cannot be read or made, or a folder has not all.
    """
    scenes = {"train": dataset.train, "test": dataset.test}
    digest = hashlib.blake2b(method.stamp.encode(), digest_size=8)
    files: dict[str, dict[str, Path]] = {}
    if method.folder is not None:
        for split, wanted in scenes.items():
            place = method.folder_of(split)
            there = list_images(place) if place else {}
            if absent := [scene.stem for scene in wanted if scene.stem not in there]:
                raise UserError(
                    f"{place} has no fused image of {len(absent)} scenes of the {split} split, "
                    f"such as {absent[0]}."
                )
            files[split] = {scene.stem: there[scene.stem] for scene in wanted}
            for path in files[split].values():
                digest.update(source_hash(path).encode())
        return Kind(method.name, colour, files, digest.hexdigest())
    fuse: Fuse | None = None
    done, total = 0, sum(map(len, scenes.values()))
    for split, wanted in scenes.items():
        files[split] = {}
        for scene in wanted:
            path = folder / split / f"{scene.stem}.png"
            stamp = _stamp(method, scene, colour)
            if not was_made_by(path, stamp):
                if fuse is None:
                    assert method.open is not None  # a method is a folder or can be opened
                    fuse = method.open()
                _fuse(fuse, method, scene, colour, path, stamp)
            files[split][scene.stem] = path
            digest.update(stamp.encode())
            done += 1
            progress(done, total)
    return Kind(method.name, colour, files, digest.hexdigest())


def _stamp(method: Method, scene: Scene, colour: bool) -> str:
    text = [method.stamp, source_hash(scene.infrared), source_hash(scene.visible), str(colour)]
    return hashlib.blake2b("\n".join(text).encode(), digest_size=8).hexdigest()


def _fuse(fuse: Fuse, method: Method, scene: Scene, colour: bool, path: Path, stamp: str) -> None:
    pair = read_pair(scene.infrared, scene.visible, colour="visible")
    plane = fuse(pair)
    image = without_alpha(pair.compose(plane)) if colour else from_unit(plane, pair.dtype)
    record = {
        "software": f"emma-fusion {emma_fusion.__version__}",
        "method": method.name,
        "bench": stamp,
        **pair.record,
    }
    write_image(path, image, record)
