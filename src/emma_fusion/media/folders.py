"""Two folders of pictures, matched by stem."""

from __future__ import annotations

from pathlib import Path

from emma_fusion.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def list_pictures(folder: Path | str) -> dict[str, Path]:
    """List the pictures of a folder (not of folders in it) by stem, in the order of the stems.

    A picture is a file with a suffix of `SUFFIXES` in small or capital letters; hidden files are
    left out, so what a killed process left of a half-written picture is never an input.

    Raises:
        UserError: the folder is missing or is no folder, or two of its pictures share a stem.
    """
    folder = Path(folder)
    if not folder.exists():
        raise UserError(f"The folder {folder} does not exist.")
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith("."):
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
    """Match the pictures of two folders by stem; the suffixes may differ.

    Returns:
        The pairs as (stem, path in A, path in B) in the order of the stems, and the pictures that
        have no partner.

    Raises:
        UserError: a folder is missing, two pictures of a folder share a stem, or there is no pair.
    """
    a, b = list_pictures(folder_a), list_pictures(folder_b)
    pairs = [(stem, a[stem], b[stem]) for stem in a if stem in b]
    if not pairs:
        raise UserError(
            f"No pairs: {folder_a} has {len(a)} pictures and {folder_b} has {len(b)}, and no "
            "two of them share a stem (001.png goes with 001.jpg). Pictures are "
            f"{', '.join(suffix[1:] for suffix in SUFFIXES)}."
        )
    unmatched = [path for stem, path in a.items() if stem not in b]
    unmatched += [path for stem, path in b.items() if stem not in a]
    return pairs, unmatched


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
