"""The models that the page offers, opened when they are first asked for."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from emma_fusion import models
from emma_fusion.errors import UserError

if TYPE_CHECKING:
    from emma_fusion.fuser import Fuser
    from emma_fusion.pair import Pair
    from emma_fusion.values.arrays import FloatArray


class Networks:
    """The models by name; one network pass at a time, whoever asks.

    Args:
        own: A model of the user's, which then comes first, or None for those that ship.
        device: See `Fuser`.
        threads: See `Fuser`.

    Raises:
        UserError: There is no such model.

    Attributes:
        names: What can be chosen, the first one first.
        turn: Is held while a network is opened or runs.
    """

    def __init__(
        self, own: str | None = None, device: str = "auto", threads: int | None = None
    ) -> None:
        shipped = models.shipped()
        known = {name: name for name in sorted(shipped, key=lambda name: name != "base")}
        if own is not None:
            models.find(own)
            known = {Path(own).name: own} | known
        self._known, self._device, self._threads = known, device, threads
        self._opened: dict[str, Fuser] = {}
        self.turn = threading.Lock()

    @property
    def names(self) -> list[str]:
        """What can be chosen."""
        return list(self._known)

    def open(self, name: str) -> Fuser:
        """The model of that name.

        Raises:
            UserError: It is none of `names`, or cannot be opened.
        """
        from emma_fusion.fuser import Fuser

        if name not in self._known:
            raise UserError(f"There is no model {name[:40]!r}: choose {', '.join(self._known)}.")
        with self.turn:
            if name not in self._opened:
                self._opened[name] = Fuser.from_pretrained(
                    self._known[name], device=self._device, threads=self._threads
                )
            return self._opened[name]

    def fuse(self, name: str, pair: Pair) -> FloatArray:
        """The fused luminance of a pair, in turn; see `Fuser.fuse_luminance`."""
        fuser = self.open(name)
        with self.turn:
            return fuser.fuse_luminance(pair)
