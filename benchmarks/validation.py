"""Score models and teachers on the validation pairs of a training, and keep the images to look at.

    python benchmarks/validation.py -o OUT base runs/base mmdrfuse aptp additive

Names are shipped models, folders of runs, classical methods, and teachers that lie beside the pairs
(`teachers/NAME`). The pairs are those that configs/base.yaml keeps out of training, at most 24,
evenly from all sets. OUT gets the folders ir, vi and one a method, of PNG files, and a table. With
--spread the contrast of the PNG files is what emma fuse gives by default; the table stays as it is.
No test set is read.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from emma_fusion import Fuser, baselines, models
from emma_fusion.bench.tables import markdown_grid
from emma_fusion.images.folders import match_pairs
from emma_fusion.training.config import Pairs, load_config
from emma_fusion.training.patches import evenly_spaced, held_out, read_planes
from emma_fusion.training.teachers import Teachers
from emma_fusion.training.validation import validation_row
from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.contrast import Contrast, spread

ROOT = Path(__file__).resolve().parents[1]


def validation_pairs(
    sets: list[Pairs], most: int
) -> list[tuple[Pairs, str, FloatArray, FloatArray]]:
    """The pairs that are kept out of training, as a run's previews have them."""
    found = []
    for pairs in sets:
        matched = match_pairs(pairs.infrared, pairs.visible)[0]
        for index in sorted(held_out(pairs, [stem for stem, *_ in matched])):
            found.append((pairs, *matched[index]))
    chosen = [found[index] for index in evenly_spaced(len(found), most)]
    read = []
    for of_set, stem, *paths in chosen:
        infrared, visible = read_planes(of_set, *paths)
        read.append((of_set, stem, infrared, visible))
    return read


def teacher_folder(pairs: Pairs, name: str) -> Path | None:
    """The folder of a teacher's images beside a set of pairs."""
    for above in (pairs.infrared.parent, pairs.infrared.parent.parent):
        if (above / "teachers" / name).is_dir():
            return above / "teachers" / name
    return None


def fused_by(
    method: str, pairs: list[tuple[Pairs, str, FloatArray, FloatArray]]
) -> list[FloatArray | None]:
    """What a model, a classical method or a teacher makes of each pair; None where it has none."""
    if method in models.shipped() or Path(method).exists():
        fuser = Fuser.from_pretrained(method, runtime="torch", precision="fp32")
        return [np.asarray(fuser(i, v), np.float32) for _, _, i, v in pairs]
    if method in baselines.BASELINES:
        return [np.asarray(baselines.fuse(method, i, v), np.float32) for _, _, i, v in pairs]
    return [of_teacher(method, *pair) for pair in pairs]


def of_teacher(
    name: str, of_set: Pairs, stem: str, infrared: FloatArray, visible: FloatArray
) -> FloatArray | None:
    """A teacher's image of a pair; None where the teacher has none."""
    folder = teacher_folder(of_set, name)
    if folder is None:
        return None
    teachers = Teachers(Pairs(infrared=of_set.infrared, visible=of_set.visible, teachers=[folder]))
    return None if teachers.missing(stem) else teachers.fuse(stem, infrared, visible)[0]


def write_rows(
    methods: list[str],
    pairs: list[tuple[Pairs, str, FloatArray, FloatArray]],
    output: Path,
    more: Callable[[FloatArray, FloatArray, FloatArray], dict[str, float]] | None = None,
    contrast: Contrast = "none",
) -> None:
    """Fuses and scores pairs with every method; writes images and table.md to a folder.

    Args:
        methods: See `fused_by`.
        pairs: Of `validation_pairs`.
        output: The folder; made here.
        more: Further measures of a fused image and its two sources.
        contrast: Of the fused images where they are written; the scores are of them as they are.
    """
    rows, names = [], []
    for method in methods:
        name = Path(method).name
        images = []
        for (of_set, stem, infrared, visible), fused in zip(
            pairs, fused_by(method, pairs), strict=True
        ):
            if fused is None:
                continue
            images.append((fused, infrared, visible))
            written = spread(fused, contrast=contrast)
            for kind, plane in (("ir", infrared), ("vi", visible), (name, written)):
                (output / kind).mkdir(parents=True, exist_ok=True)
                path = output / kind / f"{of_set.infrared.parent.name}_{stem}.png"
                cv2.imwrite(str(path), np.rint(np.asarray(plane) * 255).astype(np.uint8))
        row = validation_row(images)
        if more:
            further = [more(*image) for image in images]
            row |= {key: float(np.mean([part[key] for part in further])) for key in further[0]}
        names = list(row)
        rows.append([name, str(len(images)), *(f"{value:.3f}" for value in row.values())])
        print(" ".join(rows[-1]), flush=True)
    table = markdown_grid(["method", "images", *names], rows)
    (output / "table.md").write_text(table, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="+", metavar="METHOD")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "base.yaml")
    parser.add_argument("--most", type=int, default=24)
    parser.add_argument("--spread", action="store_true")
    arguments = parser.parse_args()
    pairs = validation_pairs(load_config("cpu", arguments.config).pairs, arguments.most)
    contrast: Contrast = "auto" if arguments.spread else "none"
    write_rows(arguments.methods, pairs, arguments.output, contrast=contrast)


if __name__ == "__main__":
    main()
