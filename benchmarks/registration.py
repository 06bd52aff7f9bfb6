"""Measure `--align auto` on pairs whose true transform is known.

    python benchmarks/registration.py [--root ../shared/data] [--half even|odd|all]
        [--set visnir|rig|board...] [--second]

`visnir` holds pairs of RGB-NIR whose near-infrared image was warped by a known similarity: turns
to 15 degrees, scales of 0.9 to 1.1. The settings of `emma_fusion.align` were chosen on the pairs
of even numbers, so the odd ones are the test. Every near-infrared image is shown with the visible
image of another place too, which must be refused. The pairs themselves are two exposures that are
not all registered quite: so with `--second`, SIFT keypoints, matched within 8 pixels of the known
warp, say where a pair really lies, in a fit of the kind that `auto` chose.

`rig` holds a thermal and a visible camera with a checkerboard of 11x8 inner corners that both see;
`board` calibrates them by it. Errors are in pixels of the infrared image: in `visnir` the mean over
the visible image's corners, in `rig` and `board` the mean over the board's.
"""

import argparse
import os
import re
import time
from pathlib import Path

import cv2
import numpy as np

from emma_fusion.align import register
from emma_fusion.align.board import calibrate_board
from emma_fusion.align.chessboard import find_corners, same_order
from emma_fusion.align.geometry import apply, corner_distance, size_of
from emma_fusion.align.registration import plane_of
from emma_fusion.images.raster import read_image, write_image

HERE = Path(__file__).resolve().parents[1]
BOARD = (11, 8)
SETS = ("visnir", "rig", "board")


def names_of(folder: Path, half: str) -> list[str]:
    """The pairs of a half: those of even or odd numbers, or all."""
    names = sorted(path.name[: -len("_nir.npy")] for path in folder.glob("*_nir.npy"))
    parity = {"even": (0,), "odd": (1,), "all": (0, 1)}[half]
    return [name for name in names if int(re.findall(r"\d+", name)[-1]) % 2 in parity]


def measure(infrared: np.ndarray, visible: np.ndarray) -> tuple:
    """The alignment, and the seconds of a CPU core that it took."""
    begun = time.process_time()
    found = register(plane_of(infrared), plane_of(visible))
    return found, time.process_time() - begun


def by_keypoints(
    infrared: np.ndarray, visible: np.ndarray, truth: np.ndarray, model: str
) -> tuple[np.ndarray, int, int, int] | None:
    """Where SIFT puts a pair: the transform, matches, and those within 1.5 pixels of a similarity
    and of a homography. None where it finds too few."""
    sift = cv2.SIFT_create(8000, contrastThreshold=0.01)
    points, features = [], []
    for image in (infrared, visible):
        keypoints, found = sift.detectAndCompute((255 * plane_of(image)).astype(np.uint8), None)
        points.append(np.array([one.pt for one in keypoints], np.float64))
        features.append(found)
    matches = [pair[0] for pair in cv2.BFMatcher().knnMatch(features[1], features[0], k=1)]
    there = points[0][[one.trainIdx for one in matches]]
    here = points[1][[one.queryIdx for one in matches]]
    near = np.linalg.norm(apply(truth, here) - there, axis=1) < 8
    if near.sum() < 30:
        return None
    here, there = here[near], there[near]
    cv2.setRNGSeed(0)
    similarity, fitting = cv2.estimateAffinePartial2D(
        here, there, ransacReprojThreshold=1.5, maxIters=5000, refineIters=30
    )
    homography, fitting_too = cv2.findHomography(here, there, cv2.RANSAC, 1.5, maxIters=5000)
    matrix = homography if model == "homography" else np.vstack([similarity, [0, 0, 1]])
    return matrix, len(here), int(fitting.sum()), int(fitting_too.sum())


def visnir(root: Path, half: str, others: int, second: bool) -> None:
    """Near-infrared of known warps, and the same with visible images of other places."""
    folder, names = root / "registration" / "visnir", names_of(root / "registration/visnir", half)
    errors, wrong, seconds, apart, tried = [], [], [], [], 0
    for index, name in enumerate(names):
        infrared = read_image(folder / f"{name}_nir.jpg")
        visible = read_image(folder / f"{name}_rgb.jpg")
        truth = np.vstack([np.load(folder / f"{name}_nir.npy"), [0, 0, 1]])
        found, took = measure(infrared, visible)
        error = corner_distance(found.matrix, truth, size_of(visible))
        seconds.append(took)
        if found.trusted:
            errors.append(error)
        state = "accepted" if found.trusted else "REFUSED"
        line = f"{name:17} {error:7.2f} px  {found.model:11} {found.confidence:5.0%}  {state:8}"
        if second:
            line += "  SIFT: "
            seen = by_keypoints(infrared, visible, truth, found.model)
            if seen is None:
                line += "too few matches"
            else:
                there, count, of_similarity, of_homography = seen
                itself = corner_distance(there, truth, size_of(visible))
                to_it = corner_distance(there, found.matrix, size_of(visible))
                apart.append(to_it)
                line += (
                    f"{itself:5.2f} px from the known warp, {to_it:5.2f} px from ours; {count} "
                    f"matches, {of_similarity} fit a similarity, {of_homography} a homography"
                )
        if index % others == 0:
            elsewhere = names[(index + len(names) // 2) % len(names)]
            other = measure(infrared, read_image(folder / f"{elsewhere}_rgb.jpg"))[0]
            line += f"  with {elsewhere}: {other.confidence:4.0%}"
            tried += 1
            if other.trusted:
                wrong.append(f"{name} with {elsewhere}")
        print(line, flush=True)
    print(
        f"visnir, {half}: {len(errors)} of {len(names)} accepted, median {np.median(errors):.2f} "
        f"px, nine of ten under {np.percentile(errors, 90):.2f} px, "
        f"{int((np.array(errors) < 1.5).sum())} under 1.5 px; of another place "
        f"{len(wrong)} of {tried} accepted {wrong or ''}; "
        f"{np.median(seconds):.1f} s of a core a pair"
    )
    if apart:
        print(f"visnir, {half}: {np.median(apart):.2f} px from where SIFT puts the pair (median)")


def rig(root: Path) -> None:
    """A thermal and a visible camera that see the same checkerboard."""
    folder = root / "registration" / "rig"
    for path in sorted((folder / "ir").iterdir()):
        infrared = read_image(path)
        visible = read_image(folder / "vi" / f"{path.stem}.jpg")
        found, _ = measure(infrared, visible)
        there, here = (find_corners(plane_of(image), BOARD) for image in (infrared, visible))
        if there is None or here is None:
            print(f"rig {path.stem}: no board")
            continue
        here = same_order(here, there)
        error = np.linalg.norm(apply(found.matrix, here) - there, axis=1).mean()
        state = "accepted" if found.trusted else "REFUSED"
        print(
            f"rig {path.stem:12} {error:7.2f} px  {found.model:11} {found.confidence:5.0%}  {state}"
        )


def board(root: Path, picture: Path | None) -> None:
    """The rig of the two cameras from the checkerboard, each board left out in turn."""
    folder = root / "registration" / "rig"
    names = sorted(path.stem for path in (folder / "ir").iterdir())
    images = (
        (name, read_image(folder / "ir" / f"{name}.png"), read_image(folder / "vi" / f"{name}.jpg"))
        for name in names
    )
    found = calibrate_board(images, BOARD)
    for one in found.boards:
        state = "used" if one.used else "CONTRADICTS"
        print(
            f"board {one.name:10} {one.error:7.2f} px  {one.plain:5.2f} px at one distance for "
            f"all  {one.distance:5.1f} squares away  {state}"
        )
    print(
        f"board: {found.error:.2f} px on boards left out; lenses: {', '.join(found.lenses)}; "
        f"right at {found.distance:.1f} squares, off elsewhere by "
        + ", ".join(f"{pixels:.1f} px at {away}" for away, pixels in found.parallax.items())
    )
    if picture is not None:
        write_image(picture, found.residuals, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=os.environ.get("EMMA_DATA"))
    parser.add_argument("--half", choices=("even", "odd", "all"), default="odd")
    parser.add_argument("--others", type=int, default=1, help="other places for each so-manieth")
    parser.add_argument("--picture", type=Path, help="where to draw the boards' residuals")
    parser.add_argument("--second", action="store_true", help="say where SIFT puts the pairs")
    parser.add_argument("--set", nargs="+", choices=SETS, default=SETS)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    root = Path(arguments.root or HERE.parent / "shared" / "data")
    if "visnir" in arguments.set:
        visnir(root, arguments.half, arguments.others, arguments.second)
    if "rig" in arguments.set:
        rig(root)
    if "board" in arguments.set:
        board(root, arguments.picture)


if __name__ == "__main__":
    main()
