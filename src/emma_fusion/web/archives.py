"""Folders and zip files from outside: what is in them, checked before anything is unpacked."""

from __future__ import annotations

import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from emma_fusion.errors import UserError
from emma_fusion.images.folders import SUFFIXES
from emma_fusion.images.names import match_names, split_mark
from emma_fusion.web.limits import MEGA, Limits
from emma_fusion.web.names import shown_name

# Names of folders, in small letters, that say which image of a pair is in them.
INFRARED = frozenset(
    ["infrared", "ir", "thermal", "lwir", "cropinfrared", "crop_infrared", "pet", "spect", "ct"]
)
VISIBLE = frozenset(["visible", "visual", "vis", "vi", "rgb", "crop_lr_visible", "mri"])

# An entry of the directory takes 46 bytes and its name; this is room for some 50,000 of them.
_DIRECTORY_BYTES = 8 * MEGA


# What the decompressors raise of a damaged entry; OSError is bzip2's.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)


@dataclass(frozen=True)
class Match:
    """Two images that belong together.

    Attributes:
        name: Of the pair, for the fused image; with the folders that tell pairs apart.
        infrared: Path in the folder or zip.
        visible: Path in the folder or zip.
    """

    name: str
    infrared: str
    visible: str


def match_paths(paths: Iterable[str]) -> tuple[list[Match], list[str]]:
    """Match images by the folders that they are in and by their stems.

    A folder of a name in `INFRARED` or `VISIBLE`, the innermost where there are several, says which
    image it is, or else a mark in the file's name (`_T`, `_W`); the rest of the path must be the
    same, but for the suffix and for what `match_names` sees past.

    Args:
        paths: With `/` between folders. What is no image, and hidden files, are left out.

    Returns:
        The pairs in the order of their names, and the images without a partner.

    Raises:
        NoPairs: There is no pair.
        UserError: Two images would be one side of the same.

    >>> pairs, alone = match_paths(["x/ir/1.png", "x/vi/1.jpg", "x/vi/2.jpg", "x/notes.txt"])
    >>> pairs, alone
    ([Match(name='1', infrared='x/ir/1.png', visible='x/vi/1.jpg')], ['x/vi/2.jpg'])
    """
    sides: tuple[dict[str, str], dict[str, str]] = ({}, {})
    lost = []
    for path in paths:
        parts = PurePosixPath(path).parts
        if not parts or any(part.startswith((".", "__MACOSX")) for part in parts):
            continue
        if PurePosixPath(path).suffix.lower() not in SUFFIXES:
            continue
        place, stem = _find_side(parts[:-1]), PurePosixPath(path).stem
        if place is not None:
            side, index = place
        elif mark := split_mark(stem)[1]:
            side, index = int(mark == "second"), len(parts)
        else:
            lost.append(path)
            continue
        key = "/".join((*parts[:-1][:index], *parts[index + 1 : -1], stem))
        if key in sides[side]:
            raise UserError(
                f"{shown_name(sides[side][key])} and {shown_name(path)} have the same stem in "
                "folders for the same camera, so it is unclear which one belongs to the pair."
            )
        sides[side][key] = path
    infrared, visible = sides
    found = sorted(match_names(infrared, visible).pairs, key=lambda names: names[1])
    if not found:
        raise NoPairs(
            f"There are no pairs in it: {len(infrared)} infrared, {len(visible)} visible and "
            f"{len(lost)} other images were found. Put the infrared images into a folder named "
            "infrared (or ir, thermal, PET, SPECT, CT) and the visible ones into a folder named "
            "visible (or vi, vis, rgb, MRI), with the same file names."
        )
    names = [other.split("/") for _, other in found]
    common = _common_length([name[:-1] for name in names])
    pairs = [
        Match("_".join(name[common:]), infrared[one], visible[other])
        for name, (one, other) in zip(names, found, strict=True)
    ]
    used = {path for pair in pairs for path in (pair.infrared, pair.visible)}
    lost += [path for side in sides for path in side.values() if path not in used]
    return pairs, lost


class NoPairs(UserError):
    """None of the names go together."""


class Archive:
    """A zip file from outside, checked when it is opened; nothing is ever unpacked to a disk.

    Refused whole are: what is no zip, a path that leads out of it or is absolute, a link, two
    entries of one path, a password, and more than the limits by what the directory declares. An
    entry is read no further than it declares, so that no more can come out than was checked.

    Args:
        path: The file.
        limits: What may come out.

    Raises:
        UserError: It is refused.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._limits = limits
        size = _directory_size(path)
        if size is None:
            raise UserError("This is no zip file, or it is cut short: make it anew.")
        if size > _DIRECTORY_BYTES:
            raise UserError("The zip has too many entries: split it into several.")
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            raise UserError("The zip is damaged: its directory cannot be read.") from error
        try:
            self._entries = self._check()
        except UserError:
            self._zip.close()
            raise

    @property
    def paths(self) -> list[str]:
        """The paths of the files in it."""
        return list(self._entries)

    def read(self, path: str) -> bytes:
        """The bytes of a file in it.

        Raises:
            UserError: It is damaged, or larger than an image may be.
        """
        info = self._entries[path]
        name = shown_name(path)
        if info.file_size > self._limits.image_bytes:
            raise UserError(
                f"{name} has {info.file_size / MEGA:.0f} MB; an image may have "
                f"{self._limits.image_megabytes}."
            )
        try:
            with self._zip.open(info) as file:
                data = file.read(info.file_size + 1)
        except NotImplementedError as error:
            raise UserError(f"{name} is packed in a way that cannot be read here.") from error
        except _DAMAGE as error:
            raise UserError(f"{name} is damaged within the zip.") from error
        if len(data) != info.file_size:
            raise UserError(f"{name} has not the size that the zip declares.")
        return data

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def _check(self) -> dict[str, zipfile.ZipInfo]:
        entries: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for info in self._zip.infolist():
            # orig_filename is as written: a NUL in it ends `filename`, on Windows \ becomes /
            path, name = info.orig_filename, shown_name(info.orig_filename)
            if leads_out(path):
                raise UserError(
                    f"The zip is refused: the path of {name} leads out of it or is absolute. Make "
                    "it of folders with plain names."
                )
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UserError(f"The zip is refused: {name} is a link and not a file.")
            if info.is_dir():
                continue
            if info.flag_bits & 0x1:
                raise UserError("The zip has a password: make it without one.")
            if path in entries:
                raise UserError(f"The zip is refused: it has {name} twice at the same place.")
            entries[path] = info
            total += info.file_size
            if total > self._limits.upload_bytes:
                raise UserError(
                    f"Unpacked, the zip has more than {self._limits.upload_megabytes} MB: split "
                    "it into several."
                )
        return entries


def leads_out(path: str) -> bool:
    r"""Whether a path is absolute, goes up, or has what another system may read so.

    >>> [leads_out(p) for p in ("a/b.png", "../a.png", "a/../../b", "/a", "C:a", "a\\b", "a\0b")]
    [False, True, True, True, True, True, True]
    """
    odd = "\\" in path or "\0" in path or path.startswith("/") or re.match(r"[A-Za-z]:", path)
    return bool(odd) or ".." in path.split("/")


def _find_side(folders: tuple[str, ...]) -> tuple[int, int] | None:
    """Which side the innermost telling folder stands for, and which of the folders it is."""
    for index in reversed(range(len(folders))):
        for side, names in enumerate((INFRARED, VISIBLE)):
            if folders[index].lower() in names:
                return side, index
    return None


def _common_length(folders: list[list[str]]) -> int:
    """How many folders all paths begin with."""
    length = 0
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        length += 1
    return length


def _directory_size(path: Path) -> int | None:
    """How many bytes a zip file's directory has, before it is read; None where there is none.

    The end record is that of APPNOTE.TXT 4.3.16, with a 64-bit one (4.3.14) where a locator
    (4.3.15) stands right before it.
    """
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - 65_557))
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) - at < 22:
            return None
        (size,) = struct.unpack_from("<I", tail, at + 12)
        if at >= 20 and tail[at - 20 : at - 16] == b"PK\6\7":
            (offset,) = struct.unpack_from("<Q", tail, at - 12)
            if offset > end:
                return None
            file.seek(offset)
            record = file.read(56)
            if len(record) < 56 or not record.startswith(b"PK\6\6"):
                return None
            (wide,) = struct.unpack_from("<Q", record, 40)
            size = max(size if size != 0xFFFFFFFF else 0, wide)
        return int(size)
