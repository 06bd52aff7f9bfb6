"""Two images made a pair: mended, brought onto one grid, scaled; and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from emma_fusion.align import Aligned, Aligner
from emma_fusion.align import align as bring_together
from emma_fusion.align.aligner import place
from emma_fusion.align.geometry import Matrix
from emma_fusion.errors import UserError
from emma_fusion.images.decoded import Decoded
from emma_fusion.images.files import shown
from emma_fusion.images.placement import Placement, by_georeference
from emma_fusion.images.radiometric import is_radiometric_file, read_both, read_infrared
from emma_fusion.images.reading import read_decoded
from emma_fusion.pair import Colour, Pair
from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.colour import is_coloured
from emma_fusion.values.false_colour import MISLEADING, levels_of, recognise
from emma_fusion.values.mending import Mend, mend
from emma_fusion.values.nodata import cover_of, fill
from emma_fusion.values.order import seems_swapped
from emma_fusion.values.ranges import note_missed, parse_range, values_of

FalseColour = Literal["auto", "reversed", "off"]
Align = Callable[[npt.NDArray[Any], npt.NDArray[Any], tuple[str, str]], Aligned]
"""Brings an infrared image onto a visible one; see `align.aligner.align`."""
# OpenCV warps nothing that is wider.
_WIDEST = 2**15 - 1


@dataclass(frozen=True)
class PairOptions:
    """How two images become a pair, the same for every pair of a run.

    Attributes:
        colour: see `Pair.from_arrays`.
        infrared_range: see `Pair.from_arrays`.
        visible_range: see `Pair.from_arrays`.
        mending: of the infrared image before anything else; see `mending.mend`.
        aligner: brings the infrared image onto the visible one's grid; None where the two are
            registered, or their georeferences say where they lie.
        false_colour: "auto" turns an infrared image in a known palette into the values that it
            shows, unless its colours are taken; "reversed" does so with the palette's other end
            hot; "off" leaves it.
    """

    colour: Colour = "auto"
    infrared_range: str = "auto"
    visible_range: str = "auto"
    mending: Mend = "none"
    aligner: Aligner | None = None
    false_colour: FalseColour = "auto"


def read_pair(
    infrared: Path | str,
    visible: Path | str,
    *,
    colour: Colour = "auto",
    infrared_range: str = "auto",
    visible_range: str = "auto",
    mending: Mend = "none",
    aligner: Aligner | None = None,
    false_colour: FalseColour = "auto",
) -> Pair:
    """Read two images as a pair, which has the stem of the visible image's name.

    Where both are GeoTIFFs of other pixel grids, the infrared one is warped onto the visible one's.
    Of a radiometric file the temperatures are the infrared image; see `radiometric`. Where both
    paths are one radiometric file, the visible image is the one inside.

    Args:
        infrared: path.
        visible: path.
        colour: see `PairOptions`, as for the rest.
        infrared_range: which values become 0 and 1.
        visible_range: the same.
        mending: of the infrared image.
        aligner: of the infrared image; georeferences are not used then.
        false_colour: of the infrared image.

    Returns:
        The pair; `record["notes"]` are sentences about what was left out or assumed, if any.

    Raises:
        UserError: a file is not readable (see `read_image`), or the two do not fit or could not
            be aligned.
    """
    options = PairOptions(colour, infrared_range, visible_range, mending, aligner, false_colour)
    infrared, visible = Path(infrared), Path(visible)
    labels = shown(infrared.name), shown(visible.name)
    if infrared == visible and is_radiometric_file(infrared):
        first, second, placement = read_both(infrared, aligner)
    else:
        placement = None if aligner is not None else by_georeference(infrared, visible, labels)
        first, second = read_infrared(infrared), read_decoded(visible)
    pair = make_pair(first, second, labels, options, placement, name=visible.stem)
    # what is read as floats is written as integers
    return replace(pair, dtype=np.dtype(np.uint16)) if pair.dtype.kind == "f" else pair


def make_pair(
    infrared: Decoded,
    visible: Decoded,
    labels: tuple[str, str],
    options: PairOptions,
    placement: Placement | None = None,
    *,
    name: str = "",
    find_range: Callable[[npt.NDArray[Any]], str] | None = None,
    align: Align | None = None,
) -> Pair:
    """Make a pair of two images that were read.

    Args:
        infrared: the image.
        visible: the image.
        labels: what errors and the record call the two.
        options: how.
        placement: where the infrared image belongs, if the files tell.
        name: of the pair.
        find_range: gives the infrared range of the mended image, in place of the options'.
        align: brings the mended image onto the visible one, in place of the options' aligner.

    Raises:
        UserError: see `read_pair`.
    """
    notes = [f"{labels[0]} {note}." for note in infrared.notes]
    notes += [f"{labels[1]} {note}." for note in visible.notes]
    pixels, found = _without_palette(infrared.pixels, visible.pixels, labels, options, notes)
    if infrared.valid is not None and not infrared.valid.any():
        raise UserError(f"{labels[0]} has no pixel that holds data.")
    pixels, mended = mend(_filled(pixels, infrared.valid), options.mending)
    image = replace(infrared, pixels=pixels)
    infrared_range = find_range(pixels) if find_range else options.infrared_range
    if placement is not None:
        notes.append(placement.note)
    if placement is not None and placement.matrix is not None:
        matrix, facts, shape = placement.matrix, placement.facts, visible.pixels.shape[:2]
        aligned, valid = carry(image, lambda given: _warp(given, matrix, facts, shape, labels))
    else:

        def bring(given: npt.NDArray[Any]) -> Aligned:
            if align is not None:
                return align(given, visible.pixels, labels)
            return bring_together(given, visible.pixels, options.aligner, labels)

        aligned, valid = carry(image, bring)
    pair = Pair.from_arrays(
        _masked(aligned.image, valid),
        _masked(visible.pixels, visible.valid),
        colour=options.colour,
        infrared_range=infrared_range,
        visible_range=options.visible_range,
        name=name,
        labels=labels,
        cover=_least(aligned.cover, None if valid is None else cover_of(valid)),
    )
    pair.record["infrared"] |= found | mended | infrared.facts | aligned.record
    for side, image, label in zip(
        ("infrared", "visible"), (infrared, visible), labels, strict=True
    ):
        if image.stored:
            pair.record[side]["dtype"] = image.stored
        asked = options.infrared_range if side == "infrared" else options.visible_range
        kind = parse_range(asked, side)[0]
        if kind in ("fixed", "bits"):
            low, high = pair.record[side]["range"]
            given = pixels if side == "infrared" else image.pixels  # without false colours
            values = values_of(_masked(given, image.valid))
            notes += note_missed(values, low, high, label, f"--{side}-range")
            if kind == "bits" and values.max() > high:
                notes.append(
                    f"{label} has values up to {values.max():g}, more than {asked} hold: all above "
                    f"{high:g} are white (--{side}-range)."
                )
        if "nodata_pixels" in pair.record[side]:
            count = pair.record[side]["nodata_pixels"]
            notes.append(
                f"{label} has {count} pixels without data, which count in no range; there the "
                "fused image is the visible one, and a TIFF's mask marks them."
            )
    rule = pair.record["visible"]["rule"]
    if rule.endswith(" bits") and options.visible_range == "auto":
        notes.append(
            f"{labels[1]} was taken for a camera image of {rule} in 16, since no value is larger; "
            "--visible-range full takes it as it is."
        )
    # who asks for the infrared image's colours knows that it has some
    if options.colour != "infrared" and seems_swapped(infrared.pixels, visible.pixels):
        pair.record["seems_swapped"] = True
        notes.append(note_swapped(labels))
    if notes:
        pair.record["notes"] = notes
    return pair


def note_swapped(labels: tuple[str, str], pairs: int = 0) -> str:
    """What is said of a pair that seems to be in the wrong order, or of many at once.

    Args:
        labels: what its record calls the two.
        pairs: how many of a folder seem to be, of which this is the first; 0 for two files.
    """
    where = "The order seems wrong: "
    if pairs:
        where = f"The order seems wrong in {pairs} {'pair' if pairs == 1 else 'pairs'}. First, "
    return (
        f"{where}{labels[0]}, which was given as the infrared image, has the colours of a "
        f"photograph, and {labels[1]}, which was given as the visible one, has none; give the "
        f"infrared {'images' if pairs else 'image'} first."
    )


def read_infrared_values(path: Path | str) -> npt.NDArray[Any]:
    """The values of an infrared image that is to be compared with a visible one.

    They are those that `make_pair` begins with, so that sizes and contours are the same; where
    there are none, they are the neighbours'.

    Raises:
        UserError: see `read_infrared`.
    """
    return np.asarray(infrared_values(read_infrared(path), PairOptions()))


def infrared_values(image: Decoded, options: PairOptions) -> npt.NDArray[Any]:
    """The values of an infrared image as `make_pair` scales them, masked where there are none.

    A range over many images is found of them.
    """
    pixels, valid = image.pixels, image.valid
    if options.false_colour != "off" and options.colour != "infrared":
        palette = recognise(pixels).palette
        pixels = _undo(pixels, palette, options) if palette else pixels
    return _masked(mend(_filled(pixels, valid), options.mending)[0], valid)


def _without_palette(
    infrared: npt.NDArray[Any],
    visible: npt.NDArray[Any],
    labels: tuple[str, str],
    options: PairOptions,
    notes: list[str],
) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """The infrared image with its palette undone, unless its colours are wanted."""
    if options.false_colour == "off" or options.colour == "infrared":
        return infrared, {}
    fit = recognise(infrared)
    if not fit.coloured:
        return infrared, {}
    # PET and SPECT beside a grey MRI lend the fused image their colours
    lends = options.colour == "auto" and not _is_coloured(visible)
    if fit.palette and (not lends or fit.palette in MISLEADING):
        notes.append(
            f"{labels[0]} is coloured by the palette {fit.palette}; it was turned back into the "
            f"values that the colours stand for{_ends(fit.palette, options)}. --false-colour "
            f"{'auto' if options.false_colour == 'reversed' else 'reversed'} takes the other end "
            "for hot, --false-colour off takes its brightness."
        )
        facts: dict[str, Any] = {"false_colour": fit.palette}
        facts |= {"reversed": True} if options.false_colour == "reversed" else {}
        return _undo(infrared, fit.palette, options), facts
    if not lends and options.colour != "none" and not fit.palette:
        notes.append(
            f"{labels[0]} is coloured, by no palette that is known; its brightness was used, which "
            "may not rise with the temperature. Export it from the camera in grey (white hot) or "
            "as temperatures."
        )
    return infrared, {}


def _undo(
    image: npt.NDArray[np.uint8], palette: str, options: PairOptions
) -> npt.NDArray[np.uint8]:
    """The values that an image in a palette shows."""
    levels = levels_of(image, palette)
    return 255 - levels if options.false_colour == "reversed" else levels


def _ends(palette: str, options: PairOptions) -> str:
    """Which end of a rainbow was taken for hot: programs run it either way."""
    if palette != "rainbow":
        return ""
    return ", red for " + ("the hottest" if options.false_colour == "reversed" else "the coldest")


def _is_coloured(image: npt.NDArray[Any]) -> bool:
    """Whether an image has colour, of whatever dtype."""
    if image.ndim != 3:
        return False
    rgb = image[..., :3].astype(np.float32)
    top = 1.0 if image.dtype.kind == "f" else np.float32(max(1, int(image.max())))
    return is_coloured(rgb / top)


def carry(
    image: Decoded, bring: Callable[[npt.NDArray[Any]], Aligned]
) -> tuple[Aligned, npt.NDArray[np.bool_] | None]:
    """Bring an image onto another grid, and where it holds data with it.

    Args:
        image: the image.
        bring: what brings an array there.

    Returns:
        What `bring` gave, and (H, W), where it holds data; None for everywhere that it reaches.
    """
    pixels, valid = image.pixels, image.valid
    if valid is None:
        return bring(pixels), None
    # as the alpha of the image, so that one transform holds for both
    top = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    filled = _filled(pixels, valid)
    rgb = filled[..., :3] if filled.ndim == 3 else np.repeat(filled[..., None], 3, axis=2)
    aligned = bring(np.dstack([rgb, valid.astype(pixels.dtype) * pixels.dtype.type(top)]))
    brought = aligned.image[..., :3] if pixels.ndim == 3 else aligned.image[..., 0]
    # a pixel that any part of a missing one went into is missing
    return replace(aligned, image=brought), aligned.image[..., 3] >= top


def _warp(
    image: npt.NDArray[Any],
    matrix: Matrix,
    facts: dict[str, Any],
    size: tuple[int, int],
    labels: tuple[str, str],
) -> Aligned:
    """The infrared image where the files put it on the visible one's grid."""
    if max(*image.shape[:2], *size) > _WIDEST:
        raise UserError(
            f"{labels[0]} and {labels[1]} have different pixel grids and are too wide to be "
            f"warped (more than {_WIDEST} pixels): bring them onto one grid with gdalwarp."
        )
    return place(image, matrix, size, facts)


def _filled(image: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None) -> npt.NDArray[Any]:
    """An image whose pixels without data have their neighbours' value."""
    return image if valid is None or not valid.any() else fill(image, valid)


def _masked(image: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None) -> npt.NDArray[Any]:
    """A masked array where some pixels hold no data."""
    if valid is None or valid.all():
        return image
    missing = ~valid if image.ndim == 2 else np.broadcast_to(~valid[..., None], image.shape)
    masked: npt.NDArray[Any] = np.ma.masked_array(image, mask=missing)
    return masked


def _least(first: FloatArray | None, second: FloatArray | None) -> FloatArray | None:
    """The smaller of two covers."""
    if first is None or second is None:
        return second if first is None else first
    return np.minimum(first, second)
