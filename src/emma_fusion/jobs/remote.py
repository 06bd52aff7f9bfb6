"""Files and folders that may be elsewhere: of any store that fsspec knows."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from emma_fusion.errors import UserError
from emma_fusion.images.record import INSIDE, beside
from emma_fusion.jobs.targets import Files


@dataclass(frozen=True)
class Names:
    """A pair by its names.

    Attributes:
        infrared: URL of a file that is read.
        visible: the same.
        target: URL of the file that is written.
        size: bytes of the two.
    """

    infrared: str
    visible: str
    target: str
    size: int

    @property
    def stem(self) -> str:
        """What the pair is called."""
        return PurePosixPath(self.visible).stem


class StoredFolder:
    """A folder, here or elsewhere.

    Args:
        name: Path, or URL of a kind that fsspec knows.

    Raises:
        UserError: fsspec does not know it, or lacks a package for it.
    """

    def __init__(self, name: str) -> None:
        import fsspec

        try:
            self.files, self.root = fsspec.core.url_to_fs(name)
        except (ValueError, ImportError) as error:
            raise UserError(f"The folder {name} cannot be reached: {error}.") from error
        self.name = name

    def sizes(self) -> dict[str, int]:
        """The names of its files, and of each how many bytes it has.

        Raises:
            UserError: it is missing, or no folder.
        """
        if not self.files.isdir(self.root):
            raise UserError(f"There is no folder {self.name}.")
        found = self.files.ls(self.root, detail=True)
        return {
            PurePosixPath(file["name"]).name: int(file["size"] or 0)
            for file in found
            if file["type"] == "file"
        }

    @property
    def path(self) -> Path | None:
        """Where it is on this machine's disks, or None where it is elsewhere."""
        from fsspec.implementations.local import LocalFileSystem

        return Path(self.root) if isinstance(self.files, LocalFileSystem) else None

    def url(self, name: str) -> str:
        """The URL of a file in it."""
        url: str = self.files.unstrip_protocol(f"{self.root.rstrip('/')}/{name}")
        return url

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredFolder) and self.url("") == other.url("")

    __hash__ = None  # type: ignore[assignment]


def _reach(url: str) -> tuple[Any, str, bool]:
    """The file system of a URL, the path on it, and whether it is this machine's."""
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    files, path = fsspec.core.url_to_fs(url)
    return files, path, isinstance(files, LocalFileSystem)


def is_there(url: str) -> bool:
    """Whether there is something at a URL."""
    files, path, _ = _reach(url)
    return bool(files.exists(path))


def fetch(job: Names, folder: Path) -> Files:
    """Files that are here: those of the job themselves, or copies of remote ones in a folder."""
    own = Path(tempfile.mkdtemp(dir=folder))
    paths = []
    for side, url in (("infrared", job.infrared), ("visible", job.visible), ("out", job.target)):
        files, path, is_here = _reach(url)
        copy = own / side / PurePosixPath(path).name
        if not is_here:
            copy.parent.mkdir()
            wanted = {path: copy}
            if side == "out":  # a record that is in the way is to be seen
                record, inside = f"{path}.json", copy.suffix.lower() in INSIDE
                wanted = {record: beside(copy)} if not inside and files.exists(record) else {}
            for source, target in wanted.items():
                files.get_file(source, str(target))
        paths.append(Path(path) if is_here else copy)
    return Files(*paths)


def store(job: Names, made: Files) -> None:
    """Put a fused file where the job wants it, if that is not here; whole or not at all."""
    files, path, is_here = _reach(job.target)
    if is_here:
        return
    folder = str(PurePosixPath(path).parent)
    files.makedirs(folder, exist_ok=True)
    target = made.target
    for source in (beside(target), target):  # the record first, as `images.raster` does
        if source.exists():
            temporary = f"{folder}/.{secrets.token_hex(8)}.tmp"
            try:
                files.put_file(str(source), temporary)
                files.mv(temporary, f"{folder}/{source.name}")
            finally:
                if files.exists(temporary):
                    files.rm_file(temporary)
    shutil.rmtree(target.parents[1])
