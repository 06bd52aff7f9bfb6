"""Attack sensing networks trained in four ways, and write the table into reports/sensing.md.

    python benchmarks/attack.py --runs RUNS [--steps 400] [--pairs 12]

Trains A_i and A_v plainly, with noise, with a low-pass and robustly, everything else equal
(configs/sensing.yaml), each into a folder of RUNS, where those that are finished are used again.
Then f is the average of each validation pair's sources, cut to its middle 256 by 256 pixels, and
the better image is that of MMDRFuse's teacher (`emma_fusion.experiments.attack`).
"""

import argparse
import time
from pathlib import Path
from statistics import fmean

import torch

from emma_fusion import __version__, models
from emma_fusion.bench.tables import markdown_grid
from emma_fusion.experiments.attack import RADII, falls
from emma_fusion.images.folders import match_pairs
from emma_fusion.networks.weights import load_sensing
from emma_fusion.training.config import TrainingConfig, load_config
from emma_fusion.training.patches import held_out, read_planes
from emma_fusion.training.run import train
from emma_fusion.training.teachers import Teachers
from marked import put

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "plain": {"sensing.robust.radius": 0, "sensing.noise": 0},
    "noise": {"sensing.robust.radius": 0, "sensing.noise": 0.08},
    "low-pass": {"sensing.robust.radius": 0, "sensing.noise": 0.02, "sensing.low_pass": 1},
    "robust": {},
}
SIDE = 256


def middle(plane) -> torch.Tensor:
    """The middle of a plane, ``(1, 1, 256, 256)``."""
    top, left = ((size - SIDE) // 2 for size in plane.shape)
    return torch.from_numpy(plane[top : top + SIDE, left : left + SIDE].copy())[None, None]


def validation(config: TrainingConfig, most: int) -> list[tuple[torch.Tensor, ...]]:
    """Infrared, visible and the last teacher's image of validation pairs, evenly of all sets."""
    found = []
    for pairs in config.pairs:
        teachers = Teachers(pairs)
        matched = match_pairs(pairs.infrared, pairs.visible)[0]
        kept = sorted(held_out(pairs, [stem for stem, *_ in matched]))
        each = max(1, most // len(config.pairs))
        for index in kept[:: max(1, len(kept) // each)][:each]:
            stem, infrared, visible = matched[index]
            planes = read_planes(pairs, infrared, visible)
            found.append(tuple(map(middle, (*planes, teachers.fuse(stem, *planes)[-1]))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=12)
    arguments = parser.parse_args()
    file = ROOT / "configs" / "sensing.yaml"
    common = {"sensing.steps": arguments.steps, "run.threads": 1}
    rows = []
    pairs = validation(load_config("cpu", file, common), arguments.pairs)
    for kind, settings in KINDS.items():
        config = load_config("cpu", file, common | settings)
        folder = arguments.runs / f"{kind}-{arguments.steps}"
        if not (folder / models.FUSER).exists():
            train(config, folder, resume=(folder / "checkpoint.pt").exists())
        nets = [
            load_sensing(folder / name).eval().requires_grad_(False)
            for name in (models.SENSING_INFRARED, models.SENSING_VISIBLE)
        ]
        found = [falls(tuple(nets), (i + v) / 2, i, v, better) for i, v, better in pairs]
        names = [*(f"{radius}/255" for radius in RADII), "better"]
        rows.append([kind, *(f"{100 * fmean(one[name] for one in found):.1f}%" for name in names)])
    text = (
        f"{len(pairs)} validation pairs, {arguments.steps} steps of {config.sensing.batch}, seed "
        f"{config.run.seed}, emma-fusion {__version__}, {time.strftime('%Y-%m-%d')}:\n\n"
    )
    header = ["A_i and A_v", *(f"within {radius}/255" for radius in RADII), "a better image"]
    put(ROOT / "reports" / "sensing.md", "attack", text + markdown_grid(header, rows))


if __name__ == "__main__":
    main()
