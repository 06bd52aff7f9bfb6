"""One image, from top to bottom: read, mend, align, make the pair, fuse, write.

Pages, folders, videos, the page and Ray are loops around these functions.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emma_fusion import __version__
from emma_fusion.align import Aligner
from emma_fusion.align import align as bring_together
from emma_fusion.errors import UserError
from emma_fusion.images.geotiff import read_georeference
from emma_fusion.images.raster import ALPHA_SUFFIXES, check_format, read_image, write_image
from emma_fusion.jobs.messages import Messages
from emma_fusion.jobs.request import FuseRequest, NetworkOptions
from emma_fusion.jobs.targets import Files, Targets, check_record
from emma_fusion.pair import Pair
from emma_fusion.values.mending import mend
from emma_fusion.values.palettes import colour_by_infrared

if TYPE_CHECKING:
    from collections.abc import Callable

    from emma_fusion.fuser import Fuser

# The names of the formats whose suffix has two spellings.
_SPELLINGS = {"jpeg": "jpg", "tiff": "tif"}


@dataclass(frozen=True)
class Recipe:
    """A request with what is settled once for all its pairs.

    Attributes:
        request: What is asked for.
        aligner: What aligns each pair, or None where pairs are registered.
        infrared_range: As `Pair.from_arrays` takes it.
        range_rule: What the record calls that range where it was found over many images, or None
            where `Pair` finds it.
    """

    request: FuseRequest
    aligner: Aligner | None
    infrared_range: str
    range_rule: str | None = None

    @classmethod
    def of(cls, request: FuseRequest) -> Recipe:
        """Settle what a request says by itself.

        Raises:
            UserError: There is no such alignment.
        """
        aligner = None if request.align == "off" else Aligner(request.align)
        return cls(request, aligner, request.infrared_range)


def open_fuser(network: NetworkOptions, threads: int | None = None) -> Fuser:
    """Open the network that is asked for.

    Args:
        network: What is asked for.
        threads: How many threads it gets where the options leave that open.

    Raises:
        UserError: See `Fuser.from_pretrained`.
    """
    from emma_fusion.fuser import Fuser  # which imports PyTorch: seconds, after a user's mistake

    return Fuser.from_pretrained(
        network.model,
        device=network.device,
        precision=network.precision,
        threads=network.threads or threads,
        memory=network.memory,
        runtime=network.runtime,
    )


def fuse_files(files: Files, recipe: Recipe, messages: Messages) -> None:
    """Fuse two image files into a third.

    Raises:
        UserError: A file cannot be read or written, or the two do not fit.
    """
    pair = read(files, recipe)  # what is wrong with it is said before a model is opened
    fuser = open_fuser(recipe.request.network)
    with messages.bar("Fusing") as show:
        # told of strips only: an image that is fused as a whole is done at once
        image = fuse(pair, recipe, fuser, lambda share: show(round(100 * share), 100))
    record = made_by(recipe, fuser) | pair.record
    del pair  # of a very large one, its memory is wanted for writing
    write(files, image, record)


def read(files: Files, recipe: Recipe) -> Pair:
    """Read a pair in the form in which its fused image is to be written.

    Raises:
        UserError: A file cannot be read, the two do not fit or could not be aligned, or the
            target cannot hold the result.
    """
    infrared, visible, target = files
    pair = make_pair(
        read_image(infrared),
        read_image(visible),
        recipe,
        labels=(infrared.name, visible.name),
        name=visible.stem,
        target=target,
    )
    check_record(target, recipe.request.overwrite)
    return pair


def make_pair(
    infrared: npt.NDArray[Any],
    visible: npt.NDArray[Any],
    recipe: Recipe,
    *,
    labels: tuple[str, str],
    target: Path,
    name: str = "",
    find_range: Callable[[npt.NDArray[Any]], str] | None = None,
) -> Pair:
    """Mend, align and make a pair of two images, in the form in which it is to be written.

    Args:
        infrared: (H', W') or (H', W', 3 or 4).
        visible: (H, W) or (H, W, 3 or 4).
        recipe: What is asked for.
        labels: What errors and the record call the two.
        target: The file that the fused image goes to; its suffix says what it can hold.
        name: What the pair is called.
        find_range: Gives the range of a mended image, in place of the recipe's.

    Raises:
        UserError: The two do not fit or could not be aligned, or the target cannot hold the
            result.
    """
    request = recipe.request
    infrared, mended = mend(infrared, request.mending)
    infrared_range = find_range(infrared) if find_range else recipe.infrared_range
    aligned = bring_together(infrared, visible, recipe.aligner, labels)
    pair = Pair.from_arrays(
        aligned.image,
        visible,
        colour=request.colour,
        infrared_range=infrared_range,
        name=name,
        labels=labels,
        cover=aligned.cover,
    )
    facts = pair.record["infrared"]
    facts |= mended | aligned.record
    if recipe.range_rule:
        facts["rule"] = recipe.range_rule
    if request.unit:
        facts["unit"] = request.unit
    opaque = pair.alpha is not None and pair.alpha.min() == 1
    if request.protocol == "paper" or (opaque and target.suffix.lower() not in ALPHA_SUFFIXES):
        pair = replace(pair, alpha=None)
    if request.protocol == "paper":
        pair = replace(pair, colour=None)
    if request.palette:
        pair = colour_by_infrared(pair, request.palette)
    if request.depth:
        pair = replace(pair, dtype=np.dtype(f"uint{request.depth}"))
    check_format(target, pair.dtype, pair.alpha is not None)
    return pair


def fuse(
    pair: Pair, recipe: Recipe, fuser: Fuser, progress: Callable[[float], None] | None = None
) -> npt.NDArray[Any]:
    """Fuse a pair into an image of its dtype; see `Fuser.fuse_pair`."""
    return fuser.fuse_pair(pair, recipe.request.contrast, progress)


def made_by(recipe: Recipe, fuser: Fuser) -> dict[str, Any]:
    """What the record of a fused image says of the program, the model and the options."""
    return {
        "software": f"emma-fusion {__version__}",
        "model": fuser.name,
        "precision": fuser.precision,
        "runtime": fuser.runtime,
        "protocol": recipe.request.protocol,
        "contrast": recipe.request.contrast,
    }


def write(files: Files, image: npt.NDArray[Any], record: dict[str, Any]) -> None:
    """Write a fused image with its record, and where it lies on the Earth if its inputs say.

    Raises:
        UserError: See `write_image`.
    """
    georeference = read_georeference(files.visible) or read_georeference(files.infrared)
    write_image(files.target, image, record, georeference)


def choose_suffix(request: FuseRequest, visible: str) -> str:
    """The suffix of a fused image.

    Args:
        request: What is asked for.
        visible: The suffix of the visible image, which it has where nothing else is asked for.
    """
    if request.format:
        return f".{request.format}"
    return ".png" if request.protocol == "paper" else visible


def choose_target(request: FuseRequest) -> Files:
    """The files of a request for two files: those that it names, and where the fused image goes.

    Raises:
        UserError: The output is an input or exists, or its name is not that of the format.
    """
    infrared, visible, target = map(Path, (request.infrared, request.visible, request.output))
    if target.is_dir() or request.output.endswith(("/", os.sep)):
        target = target / (visible.stem + choose_suffix(request, visible.suffix))
    elif request.format and _format(target) != request.format:
        raise UserError(
            f"{target.name} does not have the suffix of the format {request.format}: leave out "
            f"--format or write to {target.with_suffix('.' + request.format).name}."
        )
    if request.protocol == "paper" and _format(target) in ("jpg", "webp"):
        raise UserError(
            f"The paper protocol writes images without loss, not {target.name}: write png."
        )
    Targets((infrared, visible), request.overwrite).check(target)
    return Files(infrared, visible, target)


def _format(path: Path) -> str:
    """The format that a file's suffix stands for."""
    suffix = path.suffix.lower().removeprefix(".")
    return _SPELLINGS.get(suffix, suffix)
