"""Measure alignment on real pairs whose infrared image is displaced by known warps.

    python benchmarks/alignment.py [--root ../shared/data] [--limit N] [--every N] [--sets NAME...]

Pairs of RoadScene's test set, LLVIP, CWFID and RGB-NIR, each displaced in several ways, into
reports/alignment.md. Errors are to the pairs as they come; and, because these count as registered
without quite being it, also to where SimpleITK's mutual information of gradients puts the
undisplaced pair, which is another measure and another search. With `--rivals`, OpenCV's ECC on
gradient magnitudes and SimpleITK's mutual information of values too. Every case is kept in a file
as soon as it is measured; a run that was stopped goes on. Remove the file after a change of the
method.
"""

import argparse
import functools
import json
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from emma_fusion import __version__
from emma_fusion.align import register
from emma_fusion.align.geometry import (
    apply,
    corner_distance,
    identity_of,
    middle,
    shift,
    size_of,
    turned,
)
from emma_fusion.align.registration import plane_of
from emma_fusion.images.folders import match_pairs
from emma_fusion.images.raster import read_image
from marked import put

HERE = Path(__file__).resolve().parents[1]


class Set(NamedTuple):
    """Pairs, their two folders, and how many letters of a name tell the place; None is all."""

    title: str
    infrared: str = "ir"
    visible: str = "vi"
    letters: int | None = None


SETS = {
    "roadscene/test": Set("RoadScene, test"),
    "llvip": Set("LLVIP", letters=2),
    "cwfid": Set("CWFID, near-infrared and red", "nir", "red"),
    "nir": Set("RGB-NIR"),
    "roadscene/train": Set("RoadScene, train"),
}
MEASURED = ["roadscene/test", "llvip", "cwfid", "nir"]
KINDS = {
    "translation": "shifted, to 20 px each way",
    "rigid": "shifted, turned to 3°",
    "affine": "and scaled and sheared, to 2%",
    "homography": "and in perspective, to 2%",
    "smooth": "shifted, turned, bent by 3 px",
    "sizes": "as rigid; 60% of the size, 10% cut off",
    "aligned": "not displaced",
    "unrelated": "of another place",
}
SHIFT, TURN, SHEAR, TILT, BEND = 20.0, 3.0, 0.02, 0.02, 3.0


def displacement(kind: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random homography of a kind: from the displaced image's pixels to the original's."""
    moved = shift(*rng.uniform(-SHIFT, SHIFT, 2))
    turn = 0.0 if kind == "translation" else rng.uniform(-TURN, TURN)
    about = np.eye(3)
    if kind in ("affine", "homography"):
        about[:2, :2] += rng.uniform(-SHEAR, SHEAR, (2, 2))
    if kind == "homography":
        about[2, :2] = rng.uniform(-TILT, TILT, 2) / (size[1] / 2)
    x, y = middle(size)
    return moved @ turned(turn, 1.0, (x, y)) @ shift(x, y) @ about @ shift(-x, -y)


def displace(image: np.ndarray, matrix: np.ndarray, bend: np.ndarray | None) -> np.ndarray:
    """The image displaced, black where it does not reach."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    if bend is not None:
        x, y = x + bend[..., 0], y + bend[..., 1]
    places = apply(matrix, np.stack([x.ravel(), y.ravel()], -1)).reshape(height, width, 2)
    return cv2.remap(image, places.astype(np.float32), None, cv2.INTER_LINEAR)


def bending(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A smooth displacement, (H, W, 2), of at most `BEND` pixels: noise on a 4x4 grid, enlarged."""
    coarse = rng.uniform(-BEND, BEND, (4, 4, 2)).astype(np.float32)
    return np.clip(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), -BEND, BEND)


def elsewhere(pairs: list, index: int, letters: int | None) -> Path:
    """The infrared image of another place, of which the first letters of its name tell."""
    count, place = len(pairs), pairs[index][0][:letters]
    for step in range(count // 2, count // 2 + count):
        other, infrared, _ = pairs[(index + step) % count]
        if other[:letters] != place:
            return infrared
    raise SystemExit("All pairs are of one place.")


def make_case(kind: str, pairs: list, index: int, letters: int | None) -> tuple:
    """Infrared and visible planes, the true transform from visible to infrared, and the bend."""
    rng = np.random.default_rng([len(kind), index, *kind.encode()])
    _, infrared_file, visible_file = pairs[index]
    if kind == "unrelated":
        infrared_file = elsewhere(pairs, index, letters)
    infrared, visible = read_image(infrared_file), read_image(visible_file)
    size = size_of(infrared)
    if kind in ("aligned", "unrelated"):
        return plane_of(infrared), plane_of(visible), np.eye(3), None
    matrix = displacement(kind, size, rng)
    bend = bending(size, rng) if kind == "smooth" else None
    moved, truth = displace(infrared, matrix, bend), np.linalg.inv(matrix)
    if kind == "sizes":
        top, left = round(0.05 * size[0]), round(0.05 * size[1])
        cut = moved[top : size[0] - top, left : size[1] - left]
        small = (round(0.6 * cut.shape[0]), round(0.6 * cut.shape[1]))
        moved = cv2.resize(cut, small[::-1], interpolation=cv2.INTER_AREA)
        truth = identity_of(size_of(cut), small) @ shift(-left, -top) @ truth
    return plane_of(moved), plane_of(visible), truth, bend


def error(found: np.ndarray, truth: np.ndarray, bend: np.ndarray | None, size: tuple) -> float:
    """Mean error over the corners in pixels of the visible image; of a bent one, over a grid."""
    back = np.linalg.inv(truth) @ found  # where a visible pixel ends up in the visible image
    if bend is None:
        return corner_distance(back, np.eye(3), size)
    y, x = np.mgrid[20 : size[0] - 20 : 12j, 20 : size[1] - 20 : 12j].reshape(2, -1)
    # the displaced image shows at p what was at M(p + bend(p))
    places = apply(found, np.stack([x, y], -1))
    rows, columns = (np.clip(places[:, k].round().astype(int), 0, size[1 - k] - 1) for k in (1, 0))
    seen = apply(np.linalg.inv(truth), places + bend[rows, columns])
    return float(np.linalg.norm(seen - np.stack([x, y], -1), axis=1).mean())


def by_ecc(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray | None:
    """OpenCV's ECC of gradient magnitudes, affine, over four levels; None where it fails."""
    matrix = identity_of(size_of(visible), size_of(infrared))[:2].astype(np.float32)
    matrix[:, 2] /= 8
    for factor in (1 / 8, 1 / 4, 1 / 2, 1):
        planes = []
        for plane in (visible, infrared):
            small = cv2.resize(plane, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            soft = cv2.GaussianBlur(small, (0, 0), 1)
            planes.append(cv2.magnitude(cv2.Sobel(soft, 5, 1, 0), cv2.Sobel(soft, 5, 0, 1)))
        rule = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
        try:
            _, matrix = cv2.findTransformECC(*planes, matrix, cv2.MOTION_AFFINE, rule, None, 5)
        except cv2.error:
            return None
        matrix[:, 2] *= 2 if factor < 1 else 1
    return np.vstack([matrix, [0, 0, 1]]).astype(np.float64)


def by_information(infrared: np.ndarray, visible: np.ndarray) -> np.ndarray | None:
    """SimpleITK's Mattes mutual information, affine, over three levels; None where it fails."""
    import SimpleITK as sitk

    fixed, moving = sitk.GetImageFromArray(visible), sitk.GetImageFromArray(infrared)
    plain = identity_of(size_of(visible), size_of(infrared))
    transform = sitk.AffineTransform(2)
    transform.SetCenter(middle(size_of(visible)))
    transform.SetMatrix(plain[:2, :2].ravel().tolist())
    centre = np.array(middle(size_of(visible)))
    transform.SetTranslation((apply(plain, centre[None])[0] - centre).tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.3, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, 200, relaxationFactor=0.8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([3, 1.5, 0])
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:
        return None
    matrix = np.eye(3)
    matrix[:2, :2] = np.array(transform.GetMatrix()).reshape(2, 2)
    matrix[:2, 2] = transform.TransformPoint((0.0, 0.0))
    return matrix


def steepness(plane: np.ndarray) -> np.ndarray:
    """The square root of the gradient's magnitude, about 1 where that is greatest."""
    smooth = cv2.GaussianBlur(plane, (0, 0), 1.0)
    found = np.sqrt(np.hypot(cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1)))
    return np.clip(found / max(np.percentile(found, 99.5), 1e-6), 0, 1).astype(np.float32)


RIVALS = {"ECC": by_ecc, "mutual information": by_information}


@functools.cache
def undisplaced(infrared: Path, visible: Path, model: str) -> np.ndarray:
    """Where a model puts the pair as it is."""
    planes = (plane_of(read_image(path)) for path in (infrared, visible))
    return register(*planes, model).matrix


@functools.cache
def by_gradients(infrared: Path, visible: Path) -> np.ndarray | None:
    """Where the mutual information of gradients puts the pair as it is; None where it fails."""
    return by_information(*(steepness(plane_of(read_image(path))) for path in (infrared, visible)))


def measure(kind: str, method: str, pairs: list, index: int, letters: int | None) -> dict:
    """One case."""
    infrared, visible, truth, bend = make_case(kind, pairs, index, letters)
    size = size_of(visible)
    if method in RIVALS:
        found = RIVALS[method](infrared, visible)
        seen = {"accepted": found is not None, "confidence": None, "model": "affine"}
        matrix = identity_of(size, size_of(infrared)) if found is None else found
    else:
        begun = time.process_time()
        alignment = register(infrared, visible)
        seconds = time.process_time() - begun
        matrix = alignment.matrix
        seen = {
            "accepted": alignment.trusted,
            "confidence": alignment.confidence,
            "model": alignment.model,
            "seconds": seconds,
        }
    own = second = None
    if method == "emma" and kind not in ("unrelated", "smooth"):
        back = np.linalg.inv(truth) @ matrix
        model = "auto" if seen["model"] == "identity" else seen["model"]
        own = corner_distance(back, undisplaced(*pairs[index][1:], model), size)
        there = by_gradients(*pairs[index][1:])
        second = None if there is None else corner_distance(back, there, size)
    before = error(identity_of(size, size_of(infrared)), truth, bend, size)
    found_error = error(matrix, truth, bend, size)
    return {**seen, "own": own, "second": second, "error": found_error, "before": before}


def median(values: list[float | None]) -> str:
    """The median of those that there are, if any."""
    there = [value for value in values if value is not None]
    return f"{np.median(there):.2f}" if there else ""


def row(cases: list[dict], kind: str) -> str:
    """A line of the table."""
    accepted = [case for case in cases if case["accepted"]]
    share = f"{len(accepted)} of {len(cases)}"
    if kind == "unrelated":
        return f"| | | | | | {share} | |"
    before = np.median([case["before"] for case in cases])
    if not accepted:
        return f"| {before:.1f} | | | | | {share} | |"
    errors = np.array([case["error"] for case in accepted])
    own, second = (median([case[name] for case in accepted]) for name in ("own", "second"))
    return (
        f"| {before:.1f} | {np.median(errors):.2f} | {np.percentile(errors, 90):.1f} "
        f"| {second} | {own} | {share} | {int((errors > 5).sum())} |"
    )


def table(records: dict[str, dict], sets: list[str], methods: list[str]) -> str:
    """The table of all that was measured."""
    timed = []
    for name in sets:
        seconds = [
            case["seconds"]
            for key, case in records.items()
            if key.startswith(f"{name}|") and "|emma|" in key and "seconds" in case
        ]
        if seconds:
            timed.append(
                f" A pair of {SETS[name].title} takes {np.median(seconds):.1f} s of a CPU core."
            )
    lines = [
        "Errors in pixels of the visible image: the mean over its four corners, and of those the "
        "median and the ninth decile over the accepted pairs, measured to the pairs as they come. "
        "Second measure: the median distance from where the mutual information of gradients "
        "(SimpleITK, affine) puts the undisplaced pair; in the rows `not displaced`, which stay as "
        "they are, that is how far the pairs themselves are off. Own: from where the same model "
        f"puts the undisplaced pair.{''.join(timed)} emma-fusion {__version__}.",
        "",
        "| pairs | infrared | method | before | median | 9 of 10 < | second measure | own "
        "| accepted | > 5 px |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in sets:
        for kind, title in KINDS.items():
            for method in methods:
                cases = [
                    case
                    for key, case in records.items()
                    if key.startswith(f"{name}|{kind}|{method}|")
                ]
                if cases:
                    lines.append(f"| {SETS[name].title} | {title} | {method} {row(cases, kind)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=os.environ.get("EMMA_DATA"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=MEASURED)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth pair")
    parser.add_argument("--limit", type=int, help="only the first so many of these")
    parser.add_argument("--rivals", action="store_true", help="measure other methods too")
    parser.add_argument("--output", type=Path, default=HERE / "runs" / "alignment.json")
    parser.add_argument("--print", action="store_true", help="leave reports/alignment.md alone")
    arguments = parser.parse_args()
    root = Path(arguments.root or HERE.parent / "shared" / "data")
    output: Path = arguments.output
    output.parent.mkdir(parents=True, exist_ok=True)
    records = json.loads(output.read_text("utf-8")) if output.exists() else {}
    methods = ["emma", *(RIVALS if arguments.rivals else ())]
    for name in arguments.sets:
        pairs_of = SETS[name]
        pairs = match_pairs(root / name / pairs_of.infrared, root / name / pairs_of.visible)[0]
        chosen = list(range(0, len(pairs), arguments.every))[: arguments.limit]
        for kind in arguments.kinds:
            for method in methods:
                for index in chosen:
                    key = f"{name}|{kind}|{method}|{pairs[index][0]}"
                    if key not in records:
                        records[key] = measure(kind, method, pairs, index, pairs_of.letters)
                        temporary = output.with_suffix(".tmp")
                        temporary.write_text(json.dumps(records), "utf-8")
                        os.replace(temporary, output)
                print(f"{name} {kind} {method}: {len(chosen)} pairs", file=sys.stderr)
    found = table(records, arguments.sets, methods)
    if arguments.print:
        print(found)
    else:
        put(HERE / "reports" / "alignment.md", "alignment", found)


if __name__ == "__main__":
    main()
