"""Where results go: may they be written there? Asked here for every verb and every engine.

A result replaces no input, under whatever name it is reached; nothing that exists without
`overwrite`, and the record beside an image likewise; and two results are two files on any system.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from emma_fusion.errors import UserError
from emma_fusion.images.folders import SUFFIXES, AnyPath, Pairing, pair_folders
from emma_fusion.images.names import fold
from emma_fusion.images.record import INSIDE, beside, check_beside
from emma_fusion.jobs.messages import Messages
from emma_fusion.jobs.options import PairingOptions


class Files(NamedTuple):
    """The files of a pair: two that are read, and the one that is written."""

    infrared: Path
    visible: Path
    target: Path


class Targets:
    """Says of files and folders whether a run may write to them.

    Args:
        inputs: The files and folders that the run reads, and with a folder the files in it.
        overwrite: Whether the user wants what exists to be replaced.
        recursive: Whether the run reads the folders in its folders too.
    """

    def __init__(self, inputs: Iterable[Path], overwrite: bool, recursive: bool = False) -> None:
        self._overwrite = overwrite
        self._walked = []
        self._inputs = set()
        for path in filter(Path.exists, inputs):
            files: Iterable[Path] = ()
            if path.is_dir():
                files = filter(Path.is_file, path.rglob("*") if recursive else path.iterdir())
                self._walked += [path.resolve()] if recursive else []
            self._inputs |= {_identity(path), *map(_identity, files)}

    def check(self, target: Path) -> None:
        """Check that a file may be written, and the record beside it if it is an image.

        Raises:
            UserError: It is an input, it exists, or another file is where its record goes.
        """
        self.check_apart(target)
        if target.exists() and not self._overwrite:
            raise UserError(
                f"{target} exists: write to another file, or replace it with --overwrite."
            )
        if _record(target):
            check_record(target, self._overwrite)

    def check_apart(self, target: Path) -> None:
        """Check that neither a file nor the record beside it is an input.

        Links of both kinds lead to the file that they stand for.

        Raises:
            UserError: One of them is.
        """
        for path in (target, _record(target)):
            if path and path.exists() and _identity(path) in self._inputs:
                raise UserError(f"{path} is one of the inputs: write to another file.")

    def check_folder(self, folder: Path) -> None:
        """Check that a folder may be written into.

        Raises:
            UserError: It is a file, an input, or within one that is walked.
        """
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file, but the results need a folder.")
        if folder.exists() and _identity(folder) in self._inputs:
            raise UserError(f"{folder} is one of the inputs: write to another folder.")
        if any(folder.resolve().is_relative_to(walked) for walked in self._walked):
            raise UserError(
                f"{folder} lies within one of the inputs, whose folders are read with --recursive: "
                "write to another folder."
            )

    def check_all(self, targets: Sequence[Path]) -> None:
        """Check that the files of one folder are apart from the inputs and from each other.

        Raises:
            UserError: One is an input, or two are one file on some system.
        """
        check_names(str(target) for target in targets)
        for target in targets:
            self.check_apart(target)

    def choose(self, jobs: Sequence[Files], messages: Messages) -> list[Files]:
        """The jobs of a folder that are to be done: all, or those whose target does not exist.

        The record beside each is left to `check_record` when its turn comes, so that one that is
        in the way fails alone.

        Raises:
            UserError: A target is an input, or two are one file on some system.
        """
        self.check_all([job.target for job in jobs])
        todo = [job for job in jobs if self._overwrite or not job.target.exists()]
        tell_skipped(len(jobs) - len(todo), messages)
        return todo


def check_record(target: Path, overwrite: bool) -> None:
    """Check that the record beside an image replaces nothing but an older record.

    Raises:
        UserError: Another file is there.
    """
    if not overwrite:
        check_beside(target)


def check_names(names: Iterable[str]) -> None:
    """Check that the names or paths of files differ on every system.

    Raises:
        UserError: Two are one on Windows and macOS.

    >>> check_names(["a.png", "b.png"])
    """
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(fold(name), name)
        if other != name:
            raise UserError(
                f"{other} and {name} would be the same file on Windows and macOS: rename one "
                "of them."
            )


def check_exist(*paths: Path | str) -> None:
    """Check that inputs exist.

    Raises:
        UserError: One does not.
    """
    for path in paths:
        if not os.path.exists(path):  # False, not an error, for a name that no disk could hold
            raise UserError(f"{path} does not exist.")


def check_inputs(infrared: Path, visible: Path) -> bool:
    """Check that two inputs exist and are of one kind; whether they are folders.

    Raises:
        UserError: One does not exist, or one is a folder and the other a file.
    """
    check_exist(infrared, visible)
    if infrared.is_dir() != visible.is_dir():
        folder, file = (infrared, visible) if infrared.is_dir() else (visible, infrared)
        raise UserError(
            f"{folder} is a folder and {file} is a file: give two files or two folders."
        )
    return infrared.is_dir()


def find_pairs(
    infrared: Path, visible: Path, messages: Messages, options: PairingOptions | None = None
) -> list[tuple[str, Path, Path]]:
    """The pair of two files, or those of two folders.

    It is said what was paired by names that differ, and which images have no partner.

    Returns:
        The stem of each pair's visible image, its infrared and its visible file.

    Raises:
        UserError: See `check_inputs` and `images.folders.pair_folders`.
    """
    options = options or PairingOptions()
    if not check_inputs(infrared, visible):
        check_pairing(options)
        return [(visible.stem, infrared, visible)]
    found = pair_folders(infrared, visible, pattern=options.match, recursive=options.recursive)
    tell_pairing(found, messages)
    return found.pairs


def check_pairing(options: PairingOptions) -> None:
    """Refuse options for two folders where there are none.

    Raises:
        UserError: One is given.
    """
    if options != PairingOptions():
        raise UserError("--match and --recursive are for two folders of images: leave them out.")


def tell_pairing(found: Pairing[AnyPath], messages: Messages) -> None:
    """Say what was paired by names that differ, and name the images that have no partner."""
    for note in found.notes:
        messages.say(note)
    for path in found.unmatched:
        messages.say(f"No partner for {path}")


def tell_skipped(skipped: int, messages: Messages) -> None:
    """Say how many results exist and are left as they are."""
    if skipped:
        messages.say(f"Skipped {skipped} that exist; --overwrite replaces them.")


def _record(target: Path) -> Path | None:
    """Where the record of an image goes if it is not inside; None for that and other files."""
    suffix = target.suffix.lower()
    return beside(target) if suffix in SUFFIXES and suffix not in INSIDE else None


def _identity(path: Path) -> tuple[int, int]:
    """What two names of one file have in common, whatever links lead to it."""
    found = path.stat()
    return found.st_dev, found.st_ino
