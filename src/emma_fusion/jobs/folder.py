"""Two folders of images, fused pair after pair; one bad pair does not cost the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images
from emma_fusion.images.pairing import infrared_values, note_swapped
from emma_fusion.images.radiometric import is_radiometric_file, read_infrared
from emma_fusion.images.raster import count_pages, open_pages
from emma_fusion.jobs import image
from emma_fusion.jobs.image import Fused, Recipe, choose_suffix, open_fuser, tell_notes
from emma_fusion.jobs.messages import Messages, Outcome
from emma_fusion.jobs.overlap import overlapped
from emma_fusion.jobs.overlay import overlay_beside
from emma_fusion.jobs.pages import fuse_pages
from emma_fusion.jobs.targets import Files, Targets, find_pairs
from emma_fusion.jobs.visible_range import settle_visible_folder
from emma_fusion.pair import Pair
from emma_fusion.values.ranges import common_range, parse_shares

if TYPE_CHECKING:
    from emma_fusion.fuser import Fuser

# Pixels of a pair beyond which no other is read while it is in memory.
_HEAVY = 2**23
Place = TypeVar("Place")


def fuse_folder(recipe: Recipe, messages: Messages) -> Outcome:
    """Fuse the pairs of two folders into a third.

    Raises:
        UserError: A folder cannot be listed, there is no pair, or the model cannot be opened.
    """
    jobs, pairs = plan(recipe, messages)
    if not jobs:
        return Outcome()
    recipe = settle_range((infrared for infrared, _ in pairs), recipe, messages)
    if recipe.request.visible_range == "folder":
        visible = [visible for _, visible in pairs]
        recipe = settle_visible_folder(visible, recipe, "folder", messages)
    fuser = open_fuser(recipe.request.network)
    failures = []
    with messages.bar("Fusing") as show:
        outcomes = fuse_all(jobs, fuser, recipe, lambda job: job, lambda *_: None, messages)
        for number, (job, error) in enumerate(outcomes, 1):
            if error:
                failures.append(f"{job.visible.stem}: {str(error) or type(error).__name__}")
            show(number, len(jobs))
    return report("Fused", failures, len(jobs), recipe.request.output, messages)


def plan(recipe: Recipe, messages: Messages) -> tuple[list[Files], list[tuple[Path, Path]]]:
    """What is to be done; the rest is named.

    Returns:
        The files of each pair that is to be fused; and the two images of all pairs.

    Raises:
        UserError: See `Targets` and `find_pairs`.
    """
    request = recipe.request
    infrared, visible, output = map(Path, (request.infrared, request.visible, request.output))
    targets = Targets((infrared, visible), request.overwrite, request.pairing.recursive)
    targets.check_folder(output)
    pairs = []
    if infrared == visible and not request.pairing.match:
        files = find_radiometric(infrared, request.pairing.recursive, messages)
        pairs = [(stem, path, path) for stem, path in files.items()]
    pairs = pairs or find_pairs(infrared, visible, messages, request.pairing)
    jobs = [Files(i, v, output / (stem + choose_suffix(request, v.suffix))) for stem, i, v in pairs]
    if request.overlay is not None:
        fused = [job.target for job in jobs]
        laid = [overlay_beside(target) for target in fused]
        if both := set(fused) & set(laid):
            raise UserError(
                f"{min(both).name} would be a fused image and the overlay of another: rename one "
                "of the inputs, or leave out --overlay."
            )
        targets.check_all([*fused, *laid])
    return targets.choose(jobs, messages), [(i, v) for _, i, v in pairs]


def find_radiometric(folder: Path, recursive: bool, messages: Messages) -> dict[str, Path]:
    """The radiometric files of a folder by stem; others beside them are named.

    Raises:
        UserError: See `list_images`.
    """
    images = list_images(folder, recursive)
    found = {stem: path for stem, path in images.items() if is_radiometric_file(path)}
    if found and len(found) < len(images):
        left = next(path for stem, path in images.items() if stem not in found)
        messages.say(
            f"{folder} has {len(images) - len(found)} images without temperatures, such as "
            f"{left.name}, which are left out."
        )
    return found


def settle_range(infrared: Iterable[Path], recipe: Recipe, messages: Messages) -> Recipe:
    """The recipe with the range "folder" as values, found over all images that can be read.

    Raises:
        UserError: See `common_range`.
    """
    shares = parse_shares(recipe.infrared_range)
    if shares is None:
        return recipe

    def images() -> Iterator[npt.NDArray[np.generic]]:
        for path in infrared:
            with suppress(UserError):  # what cannot be read fails, and is listed, in its turn
                if is_radiometric_file(path):
                    yield infrared_values(read_infrared(path), recipe.options)
                    continue
                with open_pages(path) as pages:
                    yield from (infrared_values(page, recipe.options) for page in pages)

    low, high = common_range(images(), shares)
    messages.say(f"Infrared range over the folder: {low:g} to {high:g}")
    rule = f"folder:{shares[0]:g}:{shares[1]:g}"
    return replace(recipe, infrared_range=f"{low!r}:{high!r}", range_rule=rule)


def fuse_all(
    jobs: Iterable[Place],
    fuser: Fuser,
    recipe: Recipe,
    fetch: Callable[[Place], Files],
    store: Callable[[Place, Files], None],
    messages: Messages,
) -> Iterator[tuple[Place, Exception | None]]:
    """Fuse pairs, the next of which is read while the last is written.

    Args:
        jobs: What is to be done.
        fuser: Fuses.
        recipe: What is asked for.
        fetch: Gives files of a job that are here, where it names others.
        store: Puts the fused file where the job wants it, where that is not here.
        messages: Takes what is to be said of single pairs.

    Yields:
        Each job when it is done, in order, and the exception that it failed by, or None.
    """
    told: set[str] = set()
    swapped: list[tuple[str, str]] = []
    ranges: set[tuple[float, float]] = set()

    def read(place: Place) -> tuple[Files, Pair | None]:
        files = fetch(place)
        if max(count_pages(files.infrared), count_pages(files.visible)) > 1:
            return files, None  # many pages are read when it is their turn
        return files, image.read(files, recipe)

    def work(place: Place, item: tuple[Files, Pair | None]) -> tuple[Files, Fused | None]:
        files, pair = item
        if pair is None:
            fuse_pages(files, recipe, fuser, messages)
            return files, None
        tell_notes(_without_swapped(pair.record, swapped), messages, told)
        _tell_own_ranges(pair.record, ranges, messages)
        return files, image.finish(pair, recipe, fuser)

    def write(place: Place, result: tuple[Files, Fused | None]) -> None:
        files, fused = result
        if fused is not None:
            image.write(files, fused, recipe)
        store(place, files)

    def heavy(item: tuple[Files, Pair | None]) -> bool:
        return item[1] is None or item[1].visible.size > _HEAVY

    yield from overlapped(jobs, read, work, write, heavy)
    if swapped:
        messages.say(note_swapped(swapped[0], len(swapped)))


def _without_swapped(record: dict[str, Any], swapped: list[tuple[str, str]]) -> dict[str, Any]:
    """A pair's record without the note that its order seems wrong, which is said at the end.

    Args:
        record: Of the pair.
        swapped: The names of such pairs; this one's are added.
    """
    if not record.get("seems_swapped"):
        return record
    names = record["infrared"]["name"], record["visible"]["name"]
    swapped.append(names)
    said = note_swapped(names)
    return record | {"notes": [note for note in record["notes"] if note != said]}


def _tell_own_ranges(
    record: dict[str, Any], ranges: set[tuple[float, float]], messages: Messages
) -> None:
    """Say once that infrared images have ranges of their own, when the second one is seen.

    Args:
        record: of a pair.
        ranges: those seen before; this pair's is added.
        messages: takes the line.
    """
    facts = record["infrared"]
    if len(ranges) > 1 or not facts["rule"].startswith("percentile"):
        return
    ranges.add((facts["range"][0], facts["range"][1]))
    if len(ranges) > 1:
        found = " and ".join(f"{low:g} to {high:g}" for low, high in sorted(ranges))
        messages.say(
            f"Each infrared image has a range of values of its own, such as {found}, so their "
            "brightness does not compare: --infrared-range folder gives all of them one."
        )


def report(
    done: str,
    failures: list[str],
    number: int,
    output: Path | str,
    messages: Messages,
    of: str = "pairs",
) -> Outcome:
    """Say how many pairs were done and which were not.

    Args:
        done: What was done with them, such as "Fused".
        failures: A sentence for each that was not.
        number: How many there were.
        output: Where the results are.
        messages: Takes the lines.
        of: What was done.
    """
    messages.say(f"{done} {number - len(failures)} of {number} {of} into {output}")
    for failure in failures:
        messages.say(f"Failed {failure}")
    return Outcome(tuple(failures))
