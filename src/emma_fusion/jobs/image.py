"""One image, from top to bottom: read, mend, align, make the pair, fuse, write.

Pages, folders, videos, the page and Ray are loops around these functions.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emma_fusion import __version__
from emma_fusion.align import Aligner
from emma_fusion.errors import UserError
from emma_fusion.images import pairing
from emma_fusion.images.decoded import Decoded
from emma_fusion.images.files import shown
from emma_fusion.images.geotiff import read_georeference
from emma_fusion.images.metadata import read_metadata
from emma_fusion.images.placement import Placement, by_georeference
from emma_fusion.images.radiometric import is_radiometric_file, read_both, read_infrared
from emma_fusion.images.raster import ALPHA_SUFFIXES, check_format, read_decoded, write_image
from emma_fusion.jobs.messages import Messages
from emma_fusion.jobs.options import NetworkOptions
from emma_fusion.jobs.overlay import check_overlay, lay, overlay_beside, overlay_record
from emma_fusion.jobs.request import FuseRequest
from emma_fusion.jobs.targets import Files, Targets, check_record
from emma_fusion.pair import Pair

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
        visible_rule: The same of the visible range.
    """

    request: FuseRequest
    aligner: Aligner | None
    infrared_range: str
    range_rule: str | None = None
    visible_rule: str | None = None

    @property
    def options(self) -> pairing.PairOptions:
        """How each pair is made of its two images."""
        request = self.request
        return pairing.PairOptions(
            request.colour,
            self.infrared_range,
            request.visible_range,
            request.mending,
            self.aligner,
            "off" if request.protocol == "paper" else request.false_colour,
        )

    def as_series(self) -> Recipe:
        """The recipe for frames or pages, which auto does not stretch one by one."""
        if self.request.contrast != "auto":
            return self
        return replace(self, request=replace(self.request, contrast="none"))

    @classmethod
    def of(cls, request: FuseRequest) -> Recipe:
        """Settle what a request says by itself.

        Raises:
            UserError: There is no such alignment.
        """
        aligner = None if request.align == "off" else Aligner(request.align)
        return cls(request, aligner, request.infrared_range)


@dataclass(frozen=True, eq=False)
class Fused:
    """What is written of a pair.

    Attributes:
        image: The fused image.
        record: How it was made.
        valid: Which pixels hold data, see `Pair`.
        overlay: (H, W, 3) uint8, see `lay`; None where none is asked for.
    """

    image: npt.NDArray[Any]
    record: dict[str, Any]
    valid: npt.NDArray[np.bool_] | None
    overlay: npt.NDArray[np.uint8] | None


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
    tell_notes(pair.record, messages, set())
    fuser = open_fuser(recipe.request.network)
    with messages.bar("Fusing") as show:
        # told of strips only: an image that is fused as a whole is done at once
        fused = finish(pair, recipe, fuser, lambda share: show(round(100 * share), 100))
    del pair  # of a very large one, its memory is wanted for writing
    write(files, fused, recipe)


def read(files: Files, recipe: Recipe) -> Pair:
    """Read a pair in the form in which its fused image is to be written.

    Where both are one radiometric file, they are the temperatures and the visible image inside.

    Raises:
        UserError: A file cannot be read, the two do not fit or could not be aligned, or the
            target cannot hold the result.
    """
    infrared, visible, target = files
    labels = shown(infrared.name), shown(visible.name)
    if infrared == visible and is_radiometric_file(infrared):
        first, second, placement = read_both(infrared, recipe.aligner)
    else:
        first, second = read_infrared(infrared), read_decoded(visible)
        # with --align, the images and not their georeferences say where the infrared one belongs
        placement = None if recipe.aligner else by_georeference(infrared, visible, labels)
    pair = make_pair(
        first,
        second,
        recipe,
        labels=labels,
        name=visible.stem,
        target=target,
        placement=placement,
    )
    check_record(target, recipe.request.overwrite)
    check_overlay(target, recipe.request)
    return pair


def make_pair(
    infrared: Decoded,
    visible: Decoded,
    recipe: Recipe,
    *,
    labels: tuple[str, str],
    target: Path,
    name: str = "",
    find_range: Callable[[npt.NDArray[Any]], str] | None = None,
    placement: Placement | None = None,
    align: pairing.Align | None = None,
) -> Pair:
    """Mend, align and make a pair of two images, in the form in which it is to be written.

    Args:
        infrared: The image.
        visible: The image.
        recipe: What is asked for.
        labels: What errors and the record call the two.
        target: The file that the fused image goes to; its suffix says what it can hold.
        name: What the pair is called.
        find_range: Gives the range of a mended image, in place of the recipe's.
        placement: Where the infrared image belongs, if the files tell.
        align: Brings a mended image onto the visible one, in place of the recipe's aligner.

    Raises:
        UserError: The two do not fit or could not be aligned, or the target cannot hold the
            result.
    """
    request = recipe.request
    pair = pairing.make_pair(
        infrared,
        visible,
        labels,
        recipe.options,
        placement,
        name=name,
        find_range=find_range,
        align=align,
    )
    facts = pair.record["infrared"]
    if recipe.range_rule:
        facts["rule"] = recipe.range_rule
    if recipe.visible_rule:
        pair.record["visible"]["rule"] = recipe.visible_rule
    if request.unit:
        facts["unit"] = request.unit
    opaque = pair.alpha is not None and pair.alpha.min() == 1
    if request.protocol == "paper" or (opaque and target.suffix.lower() not in ALPHA_SUFFIXES):
        pair = replace(pair, alpha=None)
    if request.protocol == "paper":
        pair = replace(pair, colour=None, record={**pair.record, "colour": "none"})
    if request.palette not in (None, "none"):
        pair = pair.in_palette(request.palette)
    if request.depth or pair.dtype.kind == "f":
        pair = replace(pair, dtype=np.dtype(f"uint{request.depth or 16}"))
    check_format(target, pair.dtype, pair.alpha is not None)
    return pair


def fuse(
    pair: Pair, recipe: Recipe, fuser: Fuser, progress: Callable[[float], None] | None = None
) -> npt.NDArray[Any]:
    """Fuse a pair into an image of its dtype; see `Fuser.fuse_pair`."""
    return fuser.fuse_pair(pair, recipe.request.contrast, progress)


def finish(
    pair: Pair, recipe: Recipe, fuser: Fuser, progress: Callable[[float], None] | None = None
) -> Fused:
    """Fuse a pair into all that is written of it."""
    image = fuse(pair, recipe, fuser, progress)
    return Fused(image, record_of(pair, recipe, fuser), pair.valid, lay(pair, recipe.request))


def record_of(pair: Pair, recipe: Recipe, fuser: Fuser) -> dict[str, Any]:
    """How the fused image of a pair was made."""
    settled = {"contrast": pair.settle(recipe.request.contrast)}
    return made_by(recipe, fuser) | settled | pair.record


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


def write(files: Files, fused: Fused, recipe: Recipe) -> None:
    """Write a fused image with its record, its metadata, and where it lies on the Earth.

    Args:
        files: Where to, and the inputs that say the rest.
        fused: What is written; an overlay beside the image.
        recipe: What was asked for.

    Raises:
        UserError: See `write_image`.
    """
    georeference = read_georeference(files.visible) or read_georeference(files.infrared)
    metadata = None if recipe.request.strip_metadata else read_metadata(files.visible)
    about = georeference, metadata, fused.valid
    if fused.overlay is not None:
        record = overlay_record(fused.record, recipe.request)
        write_image(overlay_beside(files.target), fused.overlay, record, *about)
    write_image(files.target, fused.image, fused.record, *about)


def tell_notes(record: dict[str, Any], messages: Messages, told: set[str]) -> None:
    """Say what was left out or assumed of a pair; each record has it, a run says each once.

    Args:
        record: Of the pair.
        messages: Takes the lines.
        told: What was said already, without names and numbers; what is said now is added.
    """
    names = [record[side]["name"] for side in ("infrared", "visible")]
    for note in record.get("notes", ()):
        kind = re.sub(r"\d+", "", note.replace(names[0], "").replace(names[1], ""))
        if kind not in told:
            told.add(kind)
            messages.say(note)


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
    targets = Targets((infrared, visible), request.overwrite)
    targets.check(target)
    if request.overlay is not None:
        targets.check(overlay_beside(target))
    return Files(infrared, visible, target)


def _format(path: Path) -> str:
    """The format that a file's suffix stands for."""
    suffix = path.suffix.lower().removeprefix(".")
    return _SPELLINGS.get(suffix, suffix)
