"""Many images at once: a zip, or the files of a folder that were given one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from emma_fusion.errors import UserError
from emma_fusion.images.radiometric import is_radiometric
from emma_fusion.web.archives import Archive, Match, NoPairs, leads_out, match_paths
from emma_fusion.web.limits import Limits
from emma_fusion.web.names import shown_name, stem
from emma_fusion.web.shelf import Shelf


class Source(Protocol):
    """Files by path."""

    @property
    def paths(self) -> list[str]:
        """The paths, with `/` between folders."""

    def read(self, path: str) -> bytes:
        """The bytes of one."""

    def close(self) -> None:
        """Let it go."""


class Folder:
    """The files of a folder, each on the shelf; a path is only a key here.

    Args:
        files: As the page lists them: {"path": ..., "token": ...} each.
        shelf: Where they are.

    Raises:
        UserError: A path leads out of the folder, or the list is none.
    """

    def __init__(self, files: Any, shelf: Shelf) -> None:
        self._shelf, self._tokens = shelf, dict[str, str]()
        if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
            raise UserError("The list of the folder's files is none.")
        for file in files:
            path = str(file.get("path"))
            if leads_out(path):
                raise UserError(f"The folder is refused: {shown_name(path)} leads out of it.")
            self._tokens[path] = str(file.get("token"))

    @property
    def paths(self) -> list[str]:
        """The paths."""
        return list(self._tokens)

    def read(self, path: str) -> bytes:
        """The bytes of a file."""
        return self._shelf.read(self._tokens[path])

    def close(self) -> None:
        """Give the files up: they were for this once."""
        for token in self._tokens.values():
            self._shelf.drop(token)


def open_source(form: Mapping[str, Any], shelf: Shelf, limits: Limits) -> Source:
    """The zip or the folder that a form is about.

    Raises:
        UserError: It is refused; see `Archive` and `Folder`.
    """
    if "zip" in form:
        return Archive(shelf.get(str(form["zip"])).path, limits)
    return Folder(form.get("files"), shelf)


def find_pairs(source: Source) -> tuple[list[Match], list[str]]:
    """The pairs of a source by their names, or else its radiometric files, each of which is one.

    Returns:
        The pairs, and the images without a partner.

    Raises:
        UserError: See `match_paths`.
    """
    try:
        return match_paths(source.paths)
    except NoPairs as error:
        images = sorted(path for path in source.paths if _is_jpeg(path))
        found = [path for path in images if is_radiometric(source.read(path))]
        if not found:
            raise error from None
    return [Match(stem(path), path, path) for path in found], [
        path for path in images if path not in set(found)
    ]


def _is_jpeg(path: str) -> bool:
    """Whether a path is named as a JPEG."""
    return path.lower().endswith((".jpg", ".jpeg"))
