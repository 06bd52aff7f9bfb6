"""Which files of a folder are a DICOM series."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from emma_fusion.errors import UserError
from emma_fusion.scans.dicom_file import looks_like_dicom, read_dataset, text

# Files that lie beside series as a rule and hold no slice.
_INDEXES = ("dicomdir", "thumbs.db", "desktop.ini")
_NAMED = 3  # how many files a sentence names


@dataclass(frozen=True, eq=False)
class Series:
    """The files of one series.

    Attributes:
        files: each with its header, a pydicom Dataset without pixels.
        notes: sentences on what lies beside them and was left out.
    """

    files: list[tuple[Path, Any]]
    notes: tuple[str, ...]


def find_series(path: Path) -> Series:
    """Find the one series of a folder and of the folders in it, or in one file.

    A series may be spread over folders. Where the files of one series lie in the folder itself,
    other series in folders below are left out, with a note. Files without DICOM's preamble are
    read; a file that seems to be a slice and cannot be read is refused and never left out.

    Raises:
        UserError: there is no series, or more than one, or a file of it is damaged.
    """
    series: dict[str, list[tuple[Path, Any]]] = {}
    without_image: list[tuple[Path, str]] = []
    strange: list[Path] = []
    for file in walk(path) if path.is_dir() else [path]:
        if not looks_like_dicom(file):
            strange.append(file)
            continue
        header = read_dataset(file, pixels=False)
        if "Rows" in header and "Columns" in header:
            series.setdefault(text(header, "SeriesInstanceUID"), []).append((file, header))
        else:  # an index or a report; or a slice that is cut short
            kind = text(header.file_meta, "MediaStorageSOPClassUID") or text(header, "SOPClassUID")
            without_image.append((file, kind))
    kinds = {text(header, "SOPClassUID") for found in series.values() for _, header in found}
    for file, kind in without_image:
        if kind in kinds or not kind:
            raise UserError(f"{file} is damaged: its DICOM header ends too early.")
    if not series:
        raise UserError(
            f"{path} holds no DICOM images: give the folder of a series, or a file of many slices."
        )
    notes = []
    if len(series) > 1:
        here = {
            text(header, "SeriesInstanceUID")
            for file, header in chain(*series.values())
            if file.parent == path
        }
        if len(here) != 1:
            raise UserError(
                f"{path} holds {len(series)} series ({_count(series)}): put the files of one into "
                "a folder of their own."
            )
        chosen = here.pop()
        others = {uid: found for uid, found in series.items() if uid != chosen}
        notes.append(f"Folders in {path} hold other series ({_count(others)}), which are left out.")
        series = {chosen: series[chosen]}
    files = next(iter(series.values()))
    strange = _refuse_broken(strange, [file for file, _ in files])
    if strange:
        names = ", ".join(str(file.relative_to(path)) for file in strange[:_NAMED])
        more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
        notes.append(f"What is no DICOM file in {path} is left out: {names}{more}.")
    return Series(files, tuple(notes))


def walk(folder: Path) -> Iterator[Path]:
    """The files of a folder and of the folders in it, in the order of their names.

    Hidden files and folders, links to folders, and indexes are left out.
    """
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name.lower() not in _INDEXES:
                yield Path(here) / name


def _refuse_broken(strange: list[Path], slices: list[Path]) -> list[Path]:
    """Refuse files that are named as the slices are, or lie empty among them; return the others.

    A text without suffix may lie among slices without suffix, so there only an empty file is taken
    for a slice.
    """
    (suffix, _), *_ = Counter(file.suffix.lower() for file in slices).most_common(1)
    others = []
    for file in strange:
        empty = _is_empty(file)
        if file.suffix.lower() == suffix and (empty or suffix):
            what = "is empty" if empty else "is damaged: it does not begin as a DICOM file"
            raise UserError(
                f"{file} {what}. It is named as a slice of its series is: fetch it again, or move "
                "it away to fuse the series without it."
            )
        others.append(file)
    return others


def _is_empty(file: Path) -> bool:
    """Whether a file holds nothing, or begins with nothing but zeros."""
    with file.open("rb") as opened:
        return not opened.read(2**12).strip(b"\0")


def _count(series: dict[str, list[tuple[Path, Any]]]) -> str:
    """How many files of which modality each series has."""
    return ", ".join(
        f"{len(files)} of {text(files[0][1], 'Modality') or 'unknown'}" for files in series.values()
    )
