"""Pairs that cannot be used: all of them told at once, or left out if that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emma_fusion.errors import UserError

_NAMED = 50  # how many a sentence lists


@dataclass
class BadPairs:
    """What is wrong with the pairs of a run, gathered while they are read.

    Attributes:
        skip: Whether the others are gone on with.
        found: ``STEM: what is wrong``, a pair each.
    """

    skip: bool = False
    found: list[str] = field(default_factory=list)

    @contextmanager
    def noting(self, stem: str) -> Iterator[None]:
        """Notes what is wrong with a pair, in place of ending at it."""
        try:
            yield
        except UserError as error:
            self.found.append(f"{stem}: {error}")

    def settle(self, total: int, can_skip: bool = True) -> None:
        """To be called when all were read, before anything is made of them.

        Args:
            total: How many were read.
            can_skip: Whether there is an option to skip them.

        Raises:
            UserError: Some are bad and none is to be skipped, or no pair is left.
        """
        if not self.found or (self.skip and len(self.found) < total):
            return
        listed = self.found[:_NAMED]
        if len(self.found) > _NAMED:
            listed.append(f"and {len(self.found) - _NAMED} more")
        way_out = ""
        if can_skip and len(self.found) < total:
            way_out = ", or go on with the rest: --skip-bad (run.skip_bad in a configuration)"
        raise UserError(
            f"{len(self.found)} of {total} pairs cannot be used. Mend or remove them{way_out}.\n"
            + "\n".join(listed)
        )


def check_pairs(pairs: Mapping[str, tuple[Path, Path]]) -> None:
    """Reads pairs that are needed only after hours of work, to see whether all can be read.

    Args:
        pairs: Stem -> infrared and visible file.

    Raises:
        UserError: Some cannot be used; all of them are named.
    """
    from emma_fusion.images.raster import read_pair

    bad = BadPairs()
    for stem, (infrared, visible) in pairs.items():
        with bad.noting(stem):
            read_pair(infrared, visible, colour="none")
    bad.settle(len(pairs), can_skip=False)
