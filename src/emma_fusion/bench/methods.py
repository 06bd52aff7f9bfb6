"""Methods to compare: models, baselines, folders of fused images, functions of other people."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import emma_fusion
from emma_fusion import baselines, models
from emma_fusion.errors import UserError
from emma_fusion.images.folders import check_name, list_images
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import FloatArray

#: Packages name their own methods in this group: ``mine = "package.module:function"``.
ENTRY_POINTS = "emma_fusion.methods"

Fuse = Callable[[Pair], FloatArray]
Function = Callable[[FloatArray, FloatArray], npt.NDArray[Any]]


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        name: As it stands in tables and files.
        about: What it is, in a line.
        stamp: Changes when the method's outputs may change; "" for a folder, whose files are
            themselves looked at.
        folder: Where its fused images are; None where they are made here.
        open: Gives the function that fuses a pair; slow (weights), so called when first needed.
        portable: Whether other processes may run it.
    """

    name: str
    about: str
    stamp: str = ""
    folder: Path | None = None
    open: Callable[[], Fuse] | None = None
    portable: bool = False

    def folder_of(self, dataset: str) -> Path | None:
        """The folder with the fused images of a dataset: of its name where there is one."""
        if self.folder is None:
            return None
        of_its_own = self.folder / dataset
        return of_its_own if of_its_own.is_dir() else self.folder


def open_methods(texts: list[str], device: str = "auto") -> list[Method]:
    """Find the methods that a user means, in the order given.

    Args:
        texts: Each a shipped model, ``baselines`` or a baseline, a name in the entry-point group
            `ENTRY_POINTS`, a weights file or the folder of a training run, ``folder:PATH`` with
            fused images (in PATH/DATASET where that exists), or ``module:function`` of
            (infrared, visible), (H, W) float32 in [0, 1], that returns the fused plane.
            ``NAME=`` before any of these names its row.
        device: For the models; see `emma_fusion.fuser.Fuser`.

    Raises:
        UserError: One is not found, or two have one name.
    """
    split = [text for given in texts for text in _spread(given)]
    methods = [open_method(text, device) for text in split]
    seen: set[str] = set()
    for text, method in zip(split, methods, strict=True):
        if method.name in seen:
            raise UserError(
                f"Two methods are called {method.name!r}: name one of them, such as other={text}."
            )
        seen.add(method.name)
    return methods


def open_method(text: str, device: str = "auto") -> Method:
    """Find one method; see `open_methods`."""
    name, equals, what = text.partition("=")
    if not equals or "/" in name or ":" in name:
        name, what = "", text
    if name:
        check_name(name)
    if what.startswith("folder:"):
        folder = Path(what.removeprefix("folder:")).expanduser()
        if not folder.is_dir():
            raise UserError(f"The folder {folder} of fused images does not exist.")
        return Method(name or folder.resolve().name, "fused images made elsewhere", folder=folder)
    if what in models.shipped():
        return _model(name or what, what, "shipped model", device)
    if what in baselines.BASELINES:
        return _baseline(name or what, what)
    for point in entry_points(group=ENTRY_POINTS, name=what):
        return _function(name or what, point.value)
    if Path(what).exists():
        path = Path(what)
        if path.is_dir() and not (path / models.FUSER).is_file() and list_images(path):
            raise UserError(f"{what} is a folder of images: write folder:{what}.")
        return _model(name or _label(path), what, f"weights {path.name}", device)
    module, colon, attribute = what.partition(":")
    if colon and module and attribute:
        return _function(name or attribute.rpartition(".")[2], what)
    raise UserError(
        f"There is no method {what!r}: give a shipped model "
        f"({', '.join(models.shipped()) or 'none here'}), a baseline "
        f"({', '.join(baselines.BASELINES)}), weights, the folder of a training run, folder:PATH "
        "with fused images, or module:function."
    )


def _spread(text: str) -> list[str]:
    """``baselines`` stands for all of them."""
    return list(baselines.BASELINES) if text == "baselines" else [text]


def _label(path: Path) -> str:
    path = path.resolve()
    return path.parent.name if path.name == models.FUSER else path.stem


def _model(name: str, what: str, about: str, device: str) -> Method:
    weights = models.find(what)

    def open_model() -> Fuse:
        from emma_fusion.fuser import Fuser

        return Fuser.from_pretrained(what, device=device).fuse_luminance

    stamp = hashlib.blake2b(weights.read_bytes(), digest_size=8).hexdigest()
    return Method(name, about, f"model {stamp} {emma_fusion.__version__}", open=open_model)


@dataclass(frozen=True)
class _Baseline:
    """A baseline on pairs; an object and no closure, so that it travels to other processes."""

    name: str

    def __call__(self, pair: Pair) -> FloatArray:
        return baselines.fuse(self.name, pair.infrared, pair.visible).astype(np.float32)

    def open(self) -> Fuse:
        return self


def _baseline(name: str, what: str) -> Method:
    source = hash_sources(Path(baselines.__file__).parent)
    citation = baselines.BASELINES[what].citation
    about = f"baseline of emma-fusion {emma_fusion.__version__}: {citation}"
    return Method(
        name, about, f"baseline {what} {source}", open=_Baseline(what).open, portable=True
    )


def _function(name: str, target: str) -> Method:
    """A function of other people, named as ``module:function``."""
    module_name, _, attribute = target.partition(":")
    try:
        function: Any = import_module(module_name)
        for part in attribute.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError) as error:
        raise UserError(f"The method {target} could not be imported: {error}.") from error
    if not callable(function):
        raise UserError(f"The method {target} is not a function.")
    try:
        source = inspect.getsource(import_module(module_name))
    except (OSError, TypeError):
        source = ""
    stamp = hashlib.blake2b(source.encode(), digest_size=8).hexdigest()
    return Method(
        name,
        f"function {target}",
        f"function {target} {stamp}",
        open=lambda: lambda pair: as_plane(function(pair.infrared, pair.visible), pair, target),
    )


def as_plane(fused: object, pair: Pair, target: str) -> FloatArray:
    """Check what a function of other people returned.

    Raises:
        UserError: It is no (H, W) plane of the pair's size with floats in [0, 1].
    """
    plane = np.asarray(fused)
    if plane.shape != pair.visible.shape:
        raise UserError(
            f"{target} returned the shape {plane.shape} for images of {pair.visible.shape}."
        )
    if plane.dtype.kind != "f":
        raise UserError(f"{target} returned {plane.dtype} values: floats in [0, 1] are needed.")
    if not (plane.min() >= -1e-5 and plane.max() <= 1 + 1e-5):  # written so that NaN fails too
        raise UserError(
            f"{target} returned values from {plane.min():.4g} to {plane.max():.4g}: they must lie "
            "in [0, 1]."
        )
    clipped: FloatArray = np.clip(plane, 0, 1).astype(np.float32)
    return clipped


def hash_sources(folder: Path) -> str:
    """A short hash of all Python files of a package: it changes when a formula may have."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
