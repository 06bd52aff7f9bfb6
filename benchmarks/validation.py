"""Score models and teachers on the validation pairs of a training, and keep the images to look at.

    python benchmarks/validation.py -o OUT base runs/base mmdrfuse aptp additive

Names are shipped models, folders of runs, classical methods, and teachers that lie beside the pairs
(`teachers/NAME`). The pairs are those that configs/base.yaml keeps out of training, at most 24,
evenly from all sets. OUT gets the folders ir, vi and one a method, of PNG files, and a table.
No test set is read.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from emma_fusion import Fuser, baselines, models
from emma_fusion.bench.tables import markdown_grid
from emma_fusion.images.folders import match_pairs
from emma_fusion.pair import FloatArray
from emma_fusion.training.config import Pairs, load_config
from emma_fusion.training.patches import evenly_spaced, held_out, read_planes
from emma_fusion.training.teachers import Teachers
from emma_fusion.training.validation import validation_row

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
    return [(p, stem, *read_planes(p, i, v)) for p, stem, i, v in chosen]


def teacher_folder(pairs: Pairs, name: str) -> Path | None:
    """The folder of a teacher's images beside a set of pairs."""
    for above in (pairs.infrared.parent, pairs.infrared.parent.parent):
        if (above / "teachers" / name).is_dir():
            return above / "teachers" / name
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="+", metavar="METHOD")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "base.yaml")
    parser.add_argument("--most", type=int, default=24)
    arguments = parser.parse_args()
    pairs = validation_pairs(load_config("cpu", arguments.config).pairs, arguments.most)
    rows = []
    for method in arguments.methods:
        name = Path(method).name
        images = []
        fuser = None
        if method in models.shipped() or Path(method).exists():
            fuser = Fuser.from_pretrained(method, runtime="torch", precision="fp32")
        for of_set, stem, infrared, visible in pairs:
            if fuser is not None:
                fused = fuser(infrared, visible)
            elif method in baselines.BASELINES:
                fused = baselines.fuse(method, infrared, visible)
            else:
                folder = teacher_folder(of_set, method)
                if folder is None:
                    continue
                teachers = Teachers(Pairs(infrared=".", visible=".", teachers=[folder]))
                fused = teachers.fuse(stem, infrared, visible)[0]
            images.append((np.asarray(fused, np.float32), infrared, visible))
            for kind, plane in (("ir", infrared), ("vi", visible), (name, fused)):
                (arguments.output / kind).mkdir(parents=True, exist_ok=True)
                path = arguments.output / kind / f"{of_set.infrared.parent.name}_{stem}.png"
                cv2.imwrite(str(path), np.rint(np.asarray(plane) * 255).astype(np.uint8))
        row = validation_row(images)
        rows.append([name, str(len(images)), *(f"{value:.3f}" for value in row.values())])
        print(" ".join(rows[-1]), flush=True)
    header = ["method", "images", *row]
    (arguments.output / "table.md").write_text(markdown_grid(header, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
