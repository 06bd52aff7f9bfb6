"""Where the field's labelled datasets keep their images, and what is missing of them here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from emma_fusion.errors import UserError
from emma_fusion.images.folders import list_images
from emma_fusion.training.settings import read_settings


@dataclass(frozen=True)
class Scene:
    """A pair of images and its labels.

    Attributes:
        stem: Its name.
        infrared: File.
        visible: File.
        label: Mask (segmentation), VOC xml or YOLO txt (detection).
    """

    stem: str
    infrared: Path
    visible: Path
    label: Path


@dataclass(frozen=True)
class Dataset:
    """A labelled dataset with its split.

    Attributes:
        title: As the field writes it.
        task: segment or detect.
        classes: Names, in the order of their numbers.
        first: Number in the files of the first class (segmentation); below it is unlabelled.
        train: Scenes to learn from.
        test: Scenes to measure on.
        labels: What its infrared and its visible images are.
        missing: What is not there, a sentence each; the scenes concerned are left out.
    """

    title: str
    task: str
    classes: tuple[str, ...]
    first: int = 0
    train: list[Scene] = field(default_factory=list)
    test: list[Scene] = field(default_factory=list)
    labels: tuple[str, str] = ("infrared", "visible")
    missing: list[str] = field(default_factory=list)

    def limited(self, count: int | None) -> Dataset:
        """With so many scenes of each split at most, evenly spread."""
        if count is None:
            return self
        few = [
            [s[k * len(s) // count] for k in range(min(count, len(s)))] if count < len(s) else s
            for s in (self.train, self.test)
        ]
        return replace(self, train=few[0], test=few[1])


#: Layout -> the names that its folder may have; and what it is without its scenes.
LAYOUTS: dict[str, tuple[tuple[str, ...], Dataset]] = {
    "msrs": (
        ("MSRS", "MSRS-main"),
        Dataset(
            "MSRS",
            "segment",
            (
                *("background", "car", "person", "bike", "curve", "car stop", "guardrail"),
                *("colour cone", "bump"),
            ),
        ),
    ),
    "fmb": (
        ("FMB",),
        Dataset(
            "FMB",
            "segment",
            (
                *("road", "sidewalk", "building", "lamp", "sign", "vegetation", "sky", "person"),
                *("car", "truck", "bus", "motorcycle", "bicycle", "pole"),
            ),
            first=1,
        ),
    ),
    "cwfid": (
        ("CWFID", "cwfid"),
        Dataset("CWFID", "segment", ("soil", "crop", "weed"), labels=("near-infrared", "red")),
    ),
    "m3fd": (
        ("M3FD_Detection", "M3FD"),
        Dataset("M3FD", "detect", ("People", "Car", "Bus", "Lamp", "Motorcycle", "Truck")),
    ),
    "llvip": (("LLVIP",), Dataset("LLVIP", "detect", ("person",))),
}
#: Layout -> scenes to train and to test on, as published.
COUNTS = {
    "msrs": (1083, 361),
    "fmb": (1220, 280),
    "cwfid": (39, 21),
    "llvip": (12025, 3463),
}


def open_dataset(layout: str, root: Path) -> Dataset:
    """Find a dataset's scenes.

    Published layouts, relative to the dataset's folder (its case does not matter):

    - msrs: ``{train,test}/{ir,vi,Segmentation_labels}``
    - fmb: ``{train,test}/{Infrared,Visible,Label}``
    - cwfid: ``{nir,red,label}`` and ``split.yaml`` (or ``train_test_split.yaml``) with two lists
      of numbers; a number in both is for testing
    - m3fd: ``{Ir,Vis,Annotation}`` (VOC xml) or ``{ir,vi,labels}`` (YOLO txt), and
      ``meta/{train,val}.txt``, a file name a line
    - llvip: ``{infrared,visible}/{train,test}`` and ``Annotations`` (VOC xml)

    Args:
        layout: A key of `LAYOUTS`.
        root: The dataset's folder, or the one that it is in.

    Returns:
        The dataset; what is incomplete is left out and told in `Dataset.missing`.

    Raises:
        UserError: A folder or a list is missing, or a split has no complete scene; the sentence
            says all that is missing.
    """
    if not root.is_dir():
        raise UserError(f"The folder {root} does not exist.")
    names, bare = LAYOUTS[layout]
    home = next((root / name for name in names if (root / name).is_dir()), root)
    missing: list[str] = []
    parts = {"train": _FINDERS[layout](home, "train", missing)}
    parts["test"] = _FINDERS[layout](home, "test", missing)
    for split, scenes in parts.items():
        if not scenes:
            missing.append(f"no complete scene to {split} on")
    if not all(parts.values()):
        told = "\n".join(f"  {text}" for text in dict.fromkeys(missing))
        raise UserError(f"{bare.title} is not complete in {home}:\n{told}")
    here = tuple(len(scenes) for scenes in parts.values())
    if layout in COUNTS and here != COUNTS[layout]:
        wanted = COUNTS[layout]
        missing.append(
            f"{here[0]} scenes to train and {here[1]} to test on are here; published are "
            f"{wanted[0]} and {wanted[1]}"
        )
    return replace(
        bare, train=parts["train"], test=parts["test"], missing=list(dict.fromkeys(missing))
    )


def _msrs(home: Path, split: str, missing: list[str]) -> list[Scene]:
    part = home / split
    return _scenes(part / "ir", part / "vi", part / "Segmentation_labels", missing)


def _fmb(home: Path, split: str, missing: list[str]) -> list[Scene]:
    part = home / split
    return _scenes(part / "Infrared", part / "Visible", part / "Label", missing)


def _cwfid(home: Path, split: str, missing: list[str]) -> list[Scene]:
    lists = next(
        (home / name for name in ("split.yaml", "train_test_split.yaml") if (home / name).exists()),
        None,
    )
    if lists is None:
        missing.append(f"the split {home / 'split.yaml'}")
        return []
    numbers = read_settings(lists)
    try:
        test, train = ({f"{int(n):03d}" for n in numbers[name]} for name in ("test", "train"))
    except (KeyError, TypeError, ValueError):
        missing.append(f"two lists of numbers, train and test, in {lists}")
        return []
    wanted = test if split == "test" else train - test
    return _scenes(home / "nir", home / "red", home / "label", missing, wanted)


def _m3fd(home: Path, split: str, missing: list[str]) -> list[Scene]:
    names = "val" if split == "test" else split
    lists = home / "meta" / f"{names}.txt"
    if not lists.is_file():
        missing.append(f"the list {lists}: the archive has none, TarDAL's repository has one")
        return []
    wanted = {Path(line.strip()).stem for line in lists.read_text("utf-8").split("\n") if line}
    labels = home / "Annotation" if (home / "Annotation").is_dir() else home / "labels"
    return _scenes(home / "Ir", _either(home, "Vis", "vi"), labels, missing, wanted)


def _llvip(home: Path, split: str, missing: list[str]) -> list[Scene]:
    return _scenes(
        home / "infrared" / split,
        home / "visible" / split,
        home / "Annotations",
        missing,
        shared=True,
    )


_FINDERS = {"msrs": _msrs, "fmb": _fmb, "cwfid": _cwfid, "m3fd": _m3fd, "llvip": _llvip}


def _either(home: Path, *names: str) -> Path:
    return next((home / n for n in names if _cased(home / n) is not None), home / names[0])


def _cased(folder: Path) -> Path | None:
    """The folder of that name, whatever the case of its letters."""
    if folder.is_dir() or not folder.parent.is_dir():
        return folder if folder.is_dir() else None
    same = [p for p in folder.parent.iterdir() if p.name.lower() == folder.name.lower()]
    return next((path for path in sorted(same) if path.is_dir()), None)


def _scenes(
    infrared: Path,
    visible: Path,
    labels: Path,
    missing: list[str],
    wanted: Iterable[str] | None = None,
    shared: bool = False,
) -> list[Scene]:
    """The scenes that have both images and labels.

    Args:
        infrared: Folder.
        visible: Folder.
        labels: Folder of images (masks), xml or txt files.
        missing: Takes a sentence for all that is not there.
        wanted: Stems of the split; all if None.
        shared: Whether the labels of other splits are in their folder too, so that one without
            an image is as it should be.
    """
    files: list[dict[str, Path]] = []
    for folder in (infrared, visible, labels):
        found = _cased(folder)
        if found is None:
            missing.append(f"the folder {folder}")
            continue
        files.append(_by_stem(found))
    if len(files) < 3:
        return []
    i, v, label = files
    stems = set(i) | set(v) | (set() if shared else set(label)) if wanted is None else set(wanted)
    for name, folder, there in (
        ("infrared image", infrared, i),
        ("visible image", visible, v),
        ("label", labels, label),
    ):
        absent = sorted(stems - there.keys())
        if absent:
            few = ", ".join(absent[:5]) + (", ..." if absent[5:] else "")
            missing.append(f"{len(absent)} times the {name} in {folder}: {few}")
    complete = sorted(stem for stem in stems if stem in i and stem in v and stem in label)
    return [Scene(stem, i[stem], v[stem], label[stem]) for stem in complete]


def _by_stem(folder: Path) -> dict[str, Path]:
    """Images by stem, or where there are none the xml or txt files."""
    images = list_images(folder)
    if images:
        return images
    return {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in (".xml", ".txt")}
