"""Folders of images, and which images of two of them belong together."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Generic, TypeVar

from emma_fusion.errors import UserError
from emma_fusion.images.names import UnclearNumbers, match_names

_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in range(10)
}
AnyPath = TypeVar("AnyPath", bound=PurePath)

_WAY_OUT = "say how the names go together, as in --match '*_T=*_W' or 'IR_{n}=DC_{n+1}'."
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Pairing(Generic[AnyPath]):
    """The images of two folders that belong together, and what is to be said about that.

    Attributes:
        pairs: (stem of the second, first, second), in the order of the first.
        unmatched: images without a partner.
        notes: sentences for the user: which pairs have not the same name, and what was left out.
    """

    pairs: list[tuple[str, AnyPath, AnyPath]]
    unmatched: list[AnyPath]
    notes: list[str]


def list_images(folder: Path | str, recursive: bool = False) -> dict[str, Path]:
    """List the images of a folder by stem, in the order of the stems.

    An image is a file with a suffix of `SUFFIXES` in small or capital letters; hidden files are
    left out, so what a killed process left of a half-written image is never an input.

    Args:
        folder: where they are.
        recursive: whether those of the folders in it are listed too, but not of hidden folders and
            of links; their stems begin with the folder: "night/001".

    Raises:
        UserError: the folder is missing or is no folder, or two of its images share a stem.
    """
    folder = Path(folder)
    if not folder.exists():
        raise UserError(f"The folder {folder} does not exist.")
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder.")
    if not recursive:
        return by_stem((path for path in folder.iterdir() if path.is_file()), folder)
    found: dict[str, Path] = {}
    for here, files in _walk(folder):
        before = "" if here == folder else f"{here.relative_to(folder).as_posix()}/"
        images = by_stem((path for path in files if path.is_file()), here)
        found |= {before + stem: path for stem, path in images.items()}
    return dict(sorted(found.items()))


def by_stem(files: Iterable[AnyPath], folder: object) -> dict[str, AnyPath]:
    """Those of a folder's files that `list_images` lists, wherever the folder is.

    Raises:
        UserError: two share a stem.
    """
    found: dict[str, AnyPath] = {}
    for path in sorted(files):
        if _is_image(path):
            if path.stem in found:
                raise UserError(
                    f"{found[path.stem].name} and {path.name} in {folder} have the same stem, so "
                    "it is unclear which one belongs to the pair: move or rename one of them."
                )
            found[path.stem] = path
    return dict(sorted(found.items()))


def pair_folders(
    folder_a: Path | str,
    folder_b: Path | str,
    *,
    pattern: str | None = None,
    recursive: bool = False,
) -> Pairing[Path]:
    """Match the images of two folders by their stems; the suffixes may differ.

    What has no partner of exactly its stem gets one whose stem differs in case, in a mark of the
    camera or in leading zeros, if it is the only one; see `names.match_names`.

    Args:
        folder_a: the infrared images'.
        folder_b: the visible images'; the same folder, if the names tell the two apart.
        pattern: how the names go together; see `names.match_names`.
        recursive: whether folders in the folders are walked too. Without it, a note names those
            that hold images.

    Raises:
        UserError: a folder is missing, two images of a folder share a stem, it is unclear which
            images belong together, or there is no pair.
    """
    a, b = list_images(folder_a, recursive), list_images(folder_b, recursive)
    notes = []
    if not recursive:
        folders = dict.fromkeys((Path(folder_a), Path(folder_b)))
        notes = [note for folder in folders if (note := _tell_subfolders(folder))]
    one_folder = Path(folder_a).samefile(folder_b)
    try:
        found = pair_stems(a, b, folder_a, folder_b, pattern=pattern, one_folder=one_folder)
    except UserError as error:
        raise UserError(" ".join([str(error), *notes])) from None
    return Pairing(found.pairs, found.unmatched, found.notes + notes)


def pair_stems(
    a: dict[str, AnyPath],
    b: dict[str, AnyPath],
    folder_a: object,
    folder_b: object,
    *,
    pattern: str | None = None,
    one_folder: bool = False,
) -> Pairing[AnyPath]:
    """Match what `by_stem` gave of two folders; see `pair_folders`.

    Args:
        a: the infrared images.
        b: the visible images.
        folder_a: what errors call the first folder.
        folder_b: what errors call the second folder.
        pattern: see `names.match_names`.
        one_folder: whether both are the images of one folder, where none is its own partner.

    Raises:
        UserError: it is unclear which images belong together, or there is no pair.
    """
    try:
        found = match_names(a, b, pattern)
    except UnclearNumbers:  # which says how already
        raise
    except UserError as error:
        raise UserError(str(error) if pattern else f"{error} Or {_WAY_OUT}") from None
    matched = [
        (one, other, how)
        for (one, other), how in zip(found.pairs, found.how, strict=True)
        if not (one_folder and one == other)
    ]
    if not matched:
        raise UserError(_no_pairs(a, b, folder_a, folder_b, pattern, one_folder))
    taken = {one for one, *_ in matched}, {other for _, other, _ in matched}
    if one_folder:
        taken = (taken[0] | taken[1],) * 2
    differing = [(a[one], b[other]) for one, other, how in matched if how != "name"]
    notes = _tell_matches(differing, advise=pattern is None)
    unmatched: list[AnyPath] = []
    for paths, left_out, used, kind, folder in (
        (a, found.left_out_of_first, taken[0], "visible", folder_a),
        (b, found.left_out_of_second, taken[1], "infrared", folder_b),
    ):
        left = [paths[name].name for name in left_out if name not in used]
        if left:
            notes.append(
                f"{folder} has {len(left)} images that are {kind} by their names, such as "
                f"{left[0]}: they are left out."
            )
        if paths is a or not one_folder:  # of one folder, each once
            unmatched += [paths[n] for n in paths if n not in used and n not in left_out]
    pairs = [(other, a[one], b[other]) for one, other, _ in matched]
    return Pairing(pairs, unmatched, notes)


def _tell_matches(pairs: Sequence[tuple[PurePath, PurePath]], advise: bool) -> list[str]:
    """A sentence about the pairs whose names differ, if there are any."""
    if not pairs:
        return []
    shown = ", ".join(f"{one.name} with {other.name}" for one, other in pairs[:3])
    more = f", and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    advice = (
        " If that is wrong, rename the files to the same names, or say how they go together with "
        "--match."
    )
    return [f"Paired, though the names differ: {shown}{more}.{advice if advise else ''}"]


def _no_pairs(
    a: Collection[str],
    b: Collection[str],
    folder_a: object,
    folder_b: object,
    pattern: str | None,
    one_folder: bool,
) -> str:
    """Why there is no pair, and what to do."""
    if one_folder:
        return (
            f"{folder_a} is given as both folders, and the names of its {len(a)} images do not say "
            f"which are infrared and which are visible. Give two folders, or {_WAY_OUT}"
        )
    what = f"fit the pattern {pattern}" if pattern else "share a stem (001.png goes with 001.jpg)"
    examples = ""
    if a and b:
        examples = f" One of the first is {next(iter(a))}, one of the second {next(iter(b))}."
    return (
        f"No pairs: {folder_a} has {len(a)} images and {folder_b} has {len(b)}, and no two of "
        f"them {what}.{examples} Rename them, or {_WAY_OUT} Images are "
        f"{', '.join(suffix[1:] for suffix in SUFFIXES)}."
    )


def match_pairs(
    folder_a: Path | str, folder_b: Path | str, pattern: str | None = None
) -> tuple[list[tuple[str, Path, Path]], list[Path]]:
    """The pairs of `pair_folders`, and the images that have no partner.

    Raises:
        UserError: see `pair_folders`.
    """
    found = pair_folders(folder_a, folder_b, pattern=pattern)
    return found.pairs, found.unmatched


def _is_image(path: PurePath) -> bool:
    """Whether a file is an image by its name."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _walk(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """A folder and those in it, each with its files; hidden ones and links are left out."""
    for place, inside, files in os.walk(folder):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        yield Path(place), [Path(place) / name for name in files]


def _tell_subfolders(folder: Path) -> str:
    """A sentence about a folder's subfolders, if there are images in them."""
    counts = {}
    for here, files in _walk(folder):
        if here != folder and (count := sum(map(_is_image, files))):
            counts[here.relative_to(folder).as_posix()] = count
    if not counts:
        return ""
    number, place = sum(counts.values()), next(iter(counts))
    left = "1 image is" if number == 1 else f"{number} images are"
    return (
        f"{folder} has folders with images in it, such as {place}: {left} left out. Commands with "
        "the option --recursive can take them too."
    )


def check_name(name: str) -> None:
    """Check that a name that a user made up can be a file's or folder's on any system.

    Letters, digits, spaces and - _ . + are allowed; not a dot in front, a dot or space at the end,
    or the names that Windows keeps for devices.

    Raises:
        UserError: It cannot.
    """
    allowed = all(letter.isalnum() or letter in " -_.+" for letter in name)
    ends = name[:1] not in ("", ".", " ") and name[-1:] not in (".", " ")
    if not (allowed and ends):
        raise UserError(
            f"The name {name!r} is used for files: write it with letters, digits, - _ . and + only."
        )
    if name.split(".")[0].strip().upper() in _DEVICES:
        raise UserError(f"The name {name!r} is used for files, and Windows keeps it for a device.")


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it is in, where it does not exist.

    Raises:
        UserError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserError(f"{folder} is a file, so nothing can be written into it.") from error
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be made: {error.strerror}.") from error
