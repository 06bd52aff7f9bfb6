"""Datasets: registered pairs of images, in two folders or in a known layout under a root."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from emma_fusion.bench.layouts import LAYOUTS, Layout
from emma_fusion.errors import UserError
from emma_fusion.images.folders import check_name, pair_folders


@dataclass(frozen=True)
class Dataset:
    """Pairs of one test set.

    Attributes:
        name: Short, as it stands in files.
        title: As it stands in tables.
        pairs: Stem -> infrared and visible file, in the order of the stems.
        warnings: What a reader of its results must know.
        stems: Of all pairs, where `pairs` are only some of them.
        labels: What its two images are called.
    """

    name: str
    title: str
    pairs: dict[str, tuple[Path, Path]]
    warnings: tuple[str, ...] = ()
    stems: frozenset[str] = frozenset()
    labels: tuple[str, str] = ("infrared", "visible")

    def first(self, number: int) -> Dataset:
        """The dataset with its first so many pairs only."""
        if number >= len(self.pairs):
            return self
        warning = f"{self.title}: only the first {number} of {len(self.pairs)} pairs."
        return replace(
            self,
            pairs=dict(list(self.pairs.items())[:number]),
            warnings=(*self.warnings, warning),
        )


def open_datasets(
    texts: list[str],
    root: Path | None = None,
    limit: int | None = None,
    match: str | None = None,
) -> list[Dataset]:
    """Find the datasets that a user means, in the order given.

    Args:
        texts: Each as in `open_dataset`.
        root: Where known layouts are looked for.
        limit: Keep only the first so many pairs of each.
        match: As in `open_dataset`.

    Raises:
        UserError: One is not found, or two have one name.
    """
    datasets = [open_dataset(text, root, match) for text in texts]
    if len({dataset.name for dataset in datasets}) < len(datasets):
        raise UserError("Two datasets have one name: write NAME=INFRARED,VISIBLE for one of them.")
    return datasets if limit is None else [dataset.first(limit) for dataset in datasets]


def open_dataset(text: str, root: Path | None = None, match: str | None = None) -> Dataset:
    """Find the dataset that a user means.

    Args:
        text: ``NAME=INFRARED,VISIBLE`` for two folders, or the name of a known layout.
        root: Where known layouts are looked for.
        match: How the names in two folders go together; see `images.names.match_names`.

    Raises:
        UserError: The name is unknown, the images are not there (with what to download), or the
            two folders have no pair.
    """
    name, equals, folders = text.partition("=")
    if equals:
        infrared, comma, visible = folders.partition(",")
        if not (name and comma and infrared and visible):
            raise UserError(
                f"The dataset {text!r} is not understood: write NAME=INFRARED,VISIBLE with two "
                "folders, such as street=photos/ir,photos/vi."
            )
        check_name(name)
        return _pair(name, name, Path(infrared).expanduser(), Path(visible).expanduser(), match)
    layout = LAYOUTS.get(text.lower())
    if layout is None:
        raise UserError(
            f"There is no dataset named {text!r}: give one of {', '.join(LAYOUTS)}, or two "
            "folders as NAME=INFRARED,VISIBLE."
        )
    dataset = _pair(layout.name, layout.title, *_find(layout, root))
    warnings = dataset.warnings
    if layout.pairs is not None and len(dataset.pairs) != layout.pairs:
        warnings += (
            f"{layout.title}: {len(dataset.pairs)} pairs are here and its usual test set has "
            f"{layout.pairs}, so the means are not those of that set.",
        )
    return replace(dataset, warnings=warnings, labels=layout.labels)


def _pair(
    name: str, title: str, infrared: Path, visible: Path, match: str | None = None
) -> Dataset:
    found = pair_folders(infrared, visible, pattern=match)
    unmatched = found.unmatched
    warnings = tuple(f"{title}: {note}" for note in found.notes)
    if unmatched:
        few = ", ".join(path.name for path in unmatched[:5]) + (", ..." if unmatched[5:] else "")
        warnings += (f"{title}: {len(unmatched)} images have no partner ({few}).",)
    files = {stem: (i, v) for stem, i, v in found.pairs}
    return Dataset(name, title, files, warnings, frozenset(files))


def _find(layout: Layout, root: Path | None) -> tuple[Path, Path]:
    """The two folders of a layout under the root, or a sentence that says how to get them."""
    if root is None:
        raise UserError(
            f"Say where to look for {layout.title}: --root FOLDER (or EMMA_DATA), the folder that "
            f"holds {layout.homes[0]}."
        )
    if not root.is_dir():
        raise UserError(f"The root {root} is not a folder.")
    for home in layout.homes:
        for places in layout.places:
            folders = [_descend(root, f"{home}/{place}") for place in places]
            if folders[0] is not None and folders[1] is not None:
                return folders[0], folders[1]
    raise UserError(
        f"{layout.title} is not under {root}. {layout.source} into {root / layout.homes[0]}; or "
        f"name two folders: {layout.name}=INFRARED,VISIBLE."
    )


def _descend(folder: Path, place: str) -> Path | None:
    """Follow a place such as ``test/ir`` whatever the case of its letters."""
    for part in place.split("/"):
        if not folder.is_dir():
            return None
        exact, other = folder / part, [p for p in folder.iterdir() if p.is_dir()]
        same = [path for path in sorted(other) if path.name.lower() == part.lower()]
        if not same:
            return None
        folder = exact if exact in same else same[0]
    return folder
