"""Measure how far pairs that count as registered are off, into docs/alignment.md.

    python benchmarks/registered.py [--root ../shared/data] [--every 4]

The shift, of at most 9 pixels each way, at which infrared and visible picture tell most of each
other: by the mutual information of their values, and of their gradients' magnitudes. Nothing of
emma_fusion's alignment is in these two; the shift that it finds stands beside them.
"""

import argparse
import os
from pathlib import Path

import cv2
import numpy as np

from emma_fusion import __version__
from emma_fusion.media.alignment import register
from emma_fusion.media.alignment.registration import plane_of
from emma_fusion.media.folders import match_pairs
from emma_fusion.media.rasters import read_picture
from marked import put

HERE = Path(__file__).resolve().parents[1]
SETS = {"roadscene/test": "RoadScene, test", "llvip": "LLVIP"}
REACH, COARSE, BINS = 9, 3, 48


def information(a: np.ndarray, b: np.ndarray) -> float:
    """The mutual information of two planes' values, in nats."""
    counts = np.histogram2d(a.ravel(), b.ravel(), BINS)[0]
    joint = counts / counts.sum()
    apart = joint.sum(1, keepdims=True) @ joint.sum(0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / apart[seen])).sum())


def best_shift(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """``(x, y)`` to move the infrared picture by: coarse, then all within 2 pixels of the best."""
    margin = REACH + 1
    height, width = visible.shape
    fixed = visible[margin : height - margin : 2, margin : width - margin : 2]
    found: dict[tuple[int, int], float] = {}

    def look(x: int, y: int) -> None:
        rows = slice(margin - y, height - margin - y, 2)
        columns = slice(margin - x, width - margin - x, 2)
        found[x, y] = information(infrared[rows, columns], fixed)

    for y in range(-REACH, REACH + 1, COARSE):
        for x in range(-REACH, REACH + 1, COARSE):
            look(x, y)
    about_x, about_y = max(found, key=found.__getitem__)
    for y in range(max(-REACH, about_y - 2), min(REACH, about_y + 2) + 1):
        for x in range(max(-REACH, about_x - 2), min(REACH, about_x + 2) + 1):
            look(x, y)
    return np.array(max(found, key=found.__getitem__), float)


def steepness(plane: np.ndarray) -> np.ndarray:
    """The square root of the gradient's magnitude."""
    smooth = cv2.GaussianBlur(plane, (0, 0), 1.5)
    return np.sqrt(np.hypot(cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1)))


def shifts(infrared: Path, visible: Path) -> np.ndarray:
    """By values, by gradients, by emma: ``(3, 2)``."""
    planes = [plane_of(read_picture(path)).astype(np.float32) for path in (infrared, visible)]
    ours = -register(*planes, "translation").matrix[:2, 2]  # it leads from visible to infrared
    by_gradients = best_shift(*(steepness(plane) for plane in planes))
    return np.array([best_shift(*planes), by_gradients, ours])


def row(name: str, found: np.ndarray) -> str:
    """A set's line of the table."""
    lengths = np.median(np.linalg.norm(found, axis=2), axis=0)
    apart = np.median(np.linalg.norm(found[:, 2] - found[:, 1], axis=1))
    values = " | ".join(f"{value:.1f}" for value in (*lengths, apart))
    mean = ", ".join(f"{value:+.1f}" for value in found[:, 1].mean(0))
    return f"| {name} | {len(found)} | {values} | {mean} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=os.environ.get("EMMA_DATA"))
    parser.add_argument("--every", type=int, default=4, help="only each so-manieth pair")
    arguments = parser.parse_args()
    root = Path(arguments.root or HERE.parent / "shared" / "data")
    lines = [
        "Median length in pixels of the shift found in undisplaced pairs: where the mutual "
        "information of the pictures' values is greatest, where that of their gradients is, and by "
        "`--align translation`; then the median distance of the last two, and the mean shift by "
        f"gradients (right, down). emma-fusion {__version__}.",
        "",
        "| pairs | count | by values | by gradients | emma | emma to gradients | mean shift |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for folder, name in SETS.items():
        pairs = match_pairs(root / folder / "ir", root / folder / "vi")[0][:: arguments.every]
        lines.append(row(name, np.array([shifts(*files) for _, *files in pairs])))
        print(lines[-1])
    put(HERE / "docs" / "alignment.md", "registered", "\n".join(lines))


if __name__ == "__main__":
    main()
