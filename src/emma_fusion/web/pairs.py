"""Many pairs of a visitor's into one zip."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from emma_fusion.errors import UserError
from emma_fusion.images.pairing import note_swapped
from emma_fusion.images.record import INSIDE, to_json
from emma_fusion.jobs.image import Recipe
from emma_fusion.web.archives import Match
from emma_fusion.web.images import fuse_given, read_two
from emma_fusion.web.limits import Limits
from emma_fusion.web.names import safe_stem, shown_name
from emma_fusion.web.networks import Networks
from emma_fusion.web.sources import Source, find_pairs


def fuse_pairs(
    source: Source,
    target: Path,
    recipe: Recipe,
    networks: Networks,
    ended: Callable[[], str],
    limits: Limits,
) -> Iterator[dict[str, Any]]:
    """Fuse the pairs of a source into a zip, past those that fail, which a file in it lists.

    Args:
        source: The files.
        target: The zip, which is not left behind without a fused image.
        recipe: What is asked for.
        networks: The models.
        ended: Asked before each pair: why the zip ends there, or "".
        limits: Of pairs, and of each image.

    Yields:
        {"state": "running", ...} after each pair; last what there is to say of all of them.

    Raises:
        UserError: There are no pairs, too many, or none could be fused.
    """
    pairs, alone = find_pairs(source)
    if len(pairs) > limits.pairs:
        raise UserError(
            f"There are {len(pairs)} pairs; at once there may be {limits.pairs}: split them, or "
            "use emma fuse on the command line."
        )
    taken: set[str] = set()
    failures: list[str] = []
    swapped: list[tuple[str, str]] = []
    why, begin, done = "", time.monotonic(), 0
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
            for match in pairs:
                why = ended()
                if why:
                    break
                try:
                    _fuse_into(out, source, match, recipe, networks, limits, taken, swapped)
                except UserError as error:
                    failures.append(f"{shown_name(match.name)}: {error}")
                done += 1
                seconds = time.monotonic() - begin
                yield {
                    "state": "running",
                    "done": done,
                    "total": len(pairs),
                    "name": shown_name(match.name),
                    "left": round(seconds / done * (len(pairs) - done)),
                }
            if failures:
                out.writestr("failed.txt", "\n".join(failures) + "\n")
        if not taken:
            raise UserError(why or f"None of the pairs could be fused. {failures[0]}")
    finally:
        if not taken:
            target.unlink(missing_ok=True)
    yield {
        "fused": len(taken),
        "total": len(pairs),
        "ended": why,
        "failures": failures,
        "alone": [shown_name(other) for other in alone],
        "notes": [note_swapped(swapped[0], len(swapped))] if swapped else [],
    }


def _fuse_into(
    out: zipfile.ZipFile,
    source: Source,
    match: Match,
    recipe: Recipe,
    networks: Networks,
    limits: Limits,
    taken: set[str],
    swapped: list[tuple[str, str]],
) -> None:
    """Fuse one pair into a zip, under a name of our own making.

    Its names are added to `swapped` where its order seems wrong.
    """
    paths = dict.fromkeys((match.infrared, match.visible))  # of one file, once
    infrared, visible = read_two(*((source.read(path), path) for path in paths), limits=limits)
    fused = fuse_given(infrared, visible, recipe, networks)
    if fused.record.get("seems_swapped"):
        swapped.append((infrared.name, visible.name))
    suffix = f".{visible.format}"
    name = safe_stem(match.name, taken)
    taken.add(name.lower())
    out.writestr(name + suffix, fused.file)
    if suffix not in INSIDE:
        out.writestr(f"{name}{suffix}.json", to_json(fused.record))
