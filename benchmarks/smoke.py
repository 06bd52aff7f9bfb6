"""Draw smoke over real pairs, with what a model makes of them as the teacher's images.

    python benchmarks/smoke.py ../shared/data/m3svd/ir ../shared/data/m3svd/vi -o runs/smoke \
        --model runs/base-between --held-out '0111_1716*' '0115_1831*' '0117_1605*'

Pairs of thick smoke are rare, and a network that has seen none leaves dark patches there. So the
start also learns from clear pairs over which smoke is drawn, and what it is to make of them comes
from a network that EMMA's loss has freed of such patches. OUT gets the folders ir, vi and teacher,
of grey PNG files named STEM_0, STEM_1 and so on.
"""

import argparse
from fnmatch import fnmatchcase
from pathlib import Path

import cv2
import numpy as np

from emma_fusion import Fuser
from emma_fusion.images.folders import match_pairs
from emma_fusion.images.raster import read_pair
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import FloatArray, from_unit


def smooth_field(shape: tuple[int, ...], width: float, rng: np.random.Generator) -> FloatArray:
    """A random field without detail.

    Args:
        shape: ``(H, W)``.
        width: How wide its spots are: the standard deviation of the blur, in pixels.
        rng: Draws it.

    Returns:
        ``(H, W)`` float32 in [0, 1].
    """
    coarse = rng.standard_normal((-(-shape[0] // 8), -(-shape[1] // 8))).astype(np.float32)
    coarse = cv2.GaussianBlur(coarse, (0, 0), width / 8)
    coarse = (coarse - coarse.min()) / (coarse.max() - coarse.min())
    fine = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    field: FloatArray = np.clip(fine, 0, 1)
    return field


def draw_smoke(
    infrared: FloatArray, visible: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Smoke before the visible camera, and warm ground and air before the infrared one.

    Smoke follows the usual model of haze (Koschmieder): v t + a (1 - t), with the transmission t a
    smooth field and the light a nearly even. Three of four infrared images get a smooth warmth,
    since the patches to be avoided are where the infrared image is of middle brightness.

    Args:
        infrared: ``(H, W)`` in [0, 1].
        visible: The same.
        rng: Draws both.

    Returns:
        Both, changed, float32 in [0, 1] in steps of 1/255.
    """
    shape = visible.shape
    clearest, depth = rng.uniform(-0.3, 0.5), rng.uniform(0.3, 1.0)
    transmission = clearest + depth * smooth_field(shape, rng.uniform(40, 140), rng)
    transmission = np.clip(transmission, 0.02, 1)
    light = rng.uniform(0.4, 0.75) + 0.1 * (smooth_field(shape, rng.uniform(30, 100), rng) - 0.5)
    smoked = visible * transmission + light * (1 - transmission) + rng.normal(0, 0.004, shape)
    warmed = infrared
    if rng.random() < 0.75:
        warmth = rng.uniform(0, 0.3) * smooth_field(shape, rng.uniform(40, 140), rng)
        warmed = infrared + (warmth + rng.uniform(0, 0.15)) * (1 - infrared)
    infrared, visible = (
        (from_unit(plane, np.uint8) / 255).astype(np.float32) for plane in (warmed, smoked)
    )
    return infrared, visible


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("infrared", type=Path)
    parser.add_argument("visible", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default="base", help="makes the teacher's images")
    parser.add_argument("--held-out", nargs="*", default=[], help="patterns of stems to leave out")
    parser.add_argument("--draws", type=int, default=2, help="of each pair")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    fuser = Fuser.from_pretrained(arguments.model)
    rng = np.random.default_rng(arguments.seed)
    for stem, *paths in match_pairs(arguments.infrared, arguments.visible)[0]:
        if any(fnmatchcase(stem, pattern) for pattern in arguments.held_out):
            continue
        pair = read_pair(*paths, colour="none")
        for draw in range(arguments.draws):
            infrared, visible = draw_smoke(pair.infrared, pair.visible, rng)
            fused = fuser.fuse_luminance(Pair.from_arrays(infrared, visible))
            for name, plane in (("ir", infrared), ("vi", visible), ("teacher", fused)):
                path = arguments.output / name / f"{stem}_{draw}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), from_unit(plane, np.uint8))


if __name__ == "__main__":
    main()
