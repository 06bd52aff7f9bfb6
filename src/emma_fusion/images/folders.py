"""Two folders of images, matched by stem."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import TypeVar

from emma_fusion.errors import UserError

_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in range(10)
}
AnyPath = TypeVar("AnyPath", bound=PurePath)

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def list_images(folder: Path | str) -> dict[str, Path]:
    """List the images of a folder (not of folders in it) by stem, in the order of the stems.

    An image is a file with a suffix of `SUFFIXES` in small or capital letters; hidden files are
    left out, so what a killed process left of a half-written image is never an input.

    Raises:
        UserError: the folder is missing or is no folder, or two of its images share a stem.
    """
    folder = Path(folder)
    if not folder.exists():
        raise UserError(f"The folder {folder} does not exist.")
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder.")
    return by_stem((path for path in folder.iterdir() if path.is_file()), folder)


def by_stem(files: Iterable[AnyPath], folder: object) -> dict[str, AnyPath]:
    """Those of a folder's files that `list_images` lists, wherever the folder is.

    Raises:
        UserError: two share a stem.
    """
    found: dict[str, AnyPath] = {}
    for path in sorted(files):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            if path.stem in found:
                raise UserError(
                    f"{found[path.stem].name} and {path.name} in {folder} have the same stem, so "
                    "it is unclear which one belongs to the pair: move or rename one of them."
                )
            found[path.stem] = path
    return dict(sorted(found.items()))


def match_pairs(
    folder_a: Path | str, folder_b: Path | str
) -> tuple[list[tuple[str, Path, Path]], list[Path]]:
    """Match the images of two folders by stem; the suffixes may differ.

    What has no partner of exactly its stem gets one whose stem differs in capitals or in the form
    of its accents only, as on the disks of Windows and macOS, if it is the only one.

    Returns:
        The pairs as (stem in B, path in A, path in B) in the order of the stems in A, and the
        images that have no partner.

    Raises:
        UserError: a folder is missing, two images of a folder share a stem, or there is no pair.
    """
    return match_stems(list_images(folder_a), list_images(folder_b), folder_a, folder_b)


def match_stems(
    a: dict[str, AnyPath], b: dict[str, AnyPath], folder_a: object, folder_b: object
) -> tuple[list[tuple[str, AnyPath, AnyPath]], list[AnyPath]]:
    """Match what `by_stem` gave of two folders; see `match_pairs`.

    Raises:
        UserError: there is no pair.
    """
    partners = {stem: stem for stem in a if stem in b}
    partners |= _match_loosely([s for s in a if s not in b], [s for s in b if s not in a])
    pairs = [(partners[stem], a[stem], b[partners[stem]]) for stem in a if stem in partners]
    if not pairs:
        raise UserError(
            f"No pairs: {folder_a} has {len(a)} images and {folder_b} has {len(b)}, and no "
            "two of them share a stem (001.png goes with 001.jpg). Images are "
            f"{', '.join(suffix[1:] for suffix in SUFFIXES)}."
        )
    unmatched = [path for stem, path in a.items() if stem not in partners]
    unmatched += [path for stem, path in b.items() if stem not in partners.values()]
    return pairs, unmatched


def fold(name: str) -> str:
    """What Windows' and macOS's disks take for the same name: in one case, accents composed.

    >>> fold("Cafe\u0301.PNG") == fold("caf\u00e9.png")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _match_loosely(first: list[str], second: list[str]) -> dict[str, str]:
    """Stems of the first that are the same as one of the second when folded, and no other is."""
    found: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, stems in enumerate((first, second)):
        for stem in stems:
            found[fold(stem)][side].append(stem)
    return {a[0]: b[0] for a, b in found.values() if len(a) == len(b) == 1}


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
