"""The shelf: what visitors gave and what was made for them, under random tokens."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emma_fusion.errors import UserError


@dataclass
class Item:
    """One file on the shelf.

    Attributes:
        path: Where it lies; its name is the token, so nothing of it comes from outside.
        name: What the visitor calls it, to be shown and to be the name of a download.
        media_type: For the browser.
        used: When it was last asked for.
        size: In bytes.
    """

    path: Path
    name: str
    media_type: str
    used: float
    size: int = 0


class Shelf:
    """Files in a folder of their own, each under a token that cannot be guessed.

    Whoever knows a token may have the file, nobody else: this is what keeps visitors apart. The
    folder goes when the shelf is closed.

    Args:
        most_bytes: Of all files together; those not asked for the longest make room.
        seconds: After which a file that nobody asks for goes.
        clock: Seconds, steadily growing.
    """

    def __init__(
        self,
        most_bytes: int,
        seconds: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_bytes, self._seconds, self._clock = most_bytes, seconds, clock
        self._folder = Path(tempfile.mkdtemp(prefix="emma-serve-"))  # for this user alone
        self._items: dict[str, Item] = {}
        self._lock = threading.Lock()

    def reserve(self, suffix: str = "") -> tuple[str, Path]:
        """A new token and the path to write its file to, before `place`.

        Args:
            suffix: Of the path, one of ours and not from outside.
        """
        token = secrets.token_urlsafe(24)
        return token, self._folder / f"{token}{suffix}"

    def place(self, token: str, path: Path, name: str, media_type: str) -> None:
        """Take the file that was written to a reserved path."""
        with self._lock:
            self._items[token] = Item(path, name, media_type, self._clock(), path.stat().st_size)
            self._make_room(token)

    def put(self, data: bytes, name: str, media_type: str) -> str:
        """Keep bytes; their token."""
        token, path = self.reserve()
        path.write_bytes(data)
        self.place(token, path, name, media_type)
        return token

    def get(self, token: str) -> Item:
        """The item of a token.

        Raises:
            UserError: There is none, or not any more.
        """
        with self._lock:
            item = self._items.get(token)
            if item is None:
                raise UserError("This file is no longer kept here: please give it once more.")
            item.used = self._clock()
            return item

    def read(self, token: str) -> bytes:
        """The bytes of a token's file.

        Raises:
            UserError: See `get`.
        """
        try:
            return self.get(token).path.read_bytes()
        except FileNotFoundError:  # it made room in this moment
            return self.get("").path.read_bytes()

    def drop(self, token: str) -> None:
        """Give a token up, if it is there."""
        with self._lock:
            self._remove(token)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._items.clear()

    def _make_room(self, newest: str) -> None:
        now = self._clock()
        for token in [t for t, item in self._items.items() if now - item.used > self._seconds]:
            self._remove(token)
        total = sum(item.size for item in self._items.values())
        for token, item in sorted(self._items.items(), key=lambda entry: entry[1].used):
            if total <= self._most_bytes:
                return
            if token != newest:
                total -= item.size
                self._remove(token)

    def _remove(self, token: str) -> None:
        item = self._items.pop(token, None)
        if item is not None:
            item.path.unlink(missing_ok=True)
