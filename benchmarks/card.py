"""Score a shipped model on real pairs and put the figures on its card.

    python benchmarks/card.py base --data ../shared/data

Fuses roadscene/test (50 pairs that the weights have not seen) and, for hidden patterns only,
pairs of other kinds; scores by the paper's formulas under the paper's protocol; and writes the
result between the markers of `src/emma_fusion/models/NAME/README.md`, with the training facts
that the weights file itself carries.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import torch

from emma_fusion import __version__, baselines, models
from emma_fusion.fuser import Fuser
from emma_fusion.images.folders import match_pairs
from emma_fusion.images.raster import read_pair
from emma_fusion.metrics import prepare, score
from emma_fusion.metrics.hidden_pattern import hidden_pattern_ratio
from emma_fusion.networks.weights import read_facts
from emma_fusion.pair import Pair
from emma_fusion.values.arrays import FloatArray
from marked import put

Method = Callable[[Pair], FloatArray]
"""Makes the fused luminance of a pair, ``(H, W)`` in [0, 1]."""

DATA = Path(os.environ.get("EMMA_DATA") or Path(__file__).parents[2] / "shared" / "data")
SIX = ("EN", "SD", "SF", "AG", "SCD", "VIF")
MORE = ("MI", "Qabf")
PUBLISHED = (7.52, 54.81, 15.21, 5.83, 1.69, 0.66)
"""EMMA on RoadScene, Table 1 of the paper (CVPR 2024); its choice of 50 images is not listed."""
OTHERS = {
    "roadscene/test": ("ir", "vi"),
    "llvip": ("ir", "vi"),
    "nir": ("ir", "vi"),
    "harvard/ct-mri": ("ct", "mri"),
    "harvard/pet-mri": ("pet", "mri"),
    "harvard/spect-mri": ("spect", "mri"),
}
HELD_OUT = {
    "harvard/ct-mri": ("37???", "41???"),
    "harvard/pet-mri": ("41???",),
    "harvard/spect-mri": ("35???", "36???", "40???"),
}
"""Scans of patients that `medical` has not seen (configs/medical.yaml)."""
PUBLISHED_MEDICAL = (4.81, 69.42, 22.15, 6.02, 1.64, 0.66)
"""EMMA on Harvard's test pairs, not fine-tuned, from the same paper; other pairs than these."""


def additive(pair: Pair) -> FloatArray:
    """The formula that stands in every table beside the networks."""
    fused: FloatArray = baselines.fuse("additive", pair.infrared, pair.visible)
    return fused


def fuse_all(
    method: Method,
    folder: Path,
    kinds: tuple[str, str],
    step: int = 1,
    stems: tuple[str, ...] = ("*",),
) -> Iterator[tuple[Pair, FloatArray]]:
    """Every step-th pair of a folder whose stem fits, and its fused luminance."""
    matched = match_pairs(folder / kinds[0], folder / kinds[1])[0]
    chosen = [pair for pair in matched if any(fnmatchcase(pair[0], stem) for stem in stems)]
    for _, first, second in chosen[::step]:
        pair = read_pair(first, second, colour="none")
        yield pair, method(pair)


def means(method: Method, data: Path) -> tuple[int, dict[str, dict[str, float]]]:
    """How many pairs roadscene/test has, and the mean scores under both protocols."""
    rows: dict[str, dict[str, list[float]]] = {"paper": {}, "direct": {}}
    count = 0
    for pair, fused in fuse_all(method, data / "roadscene/test", ("ir", "vi")):
        count += 1
        for protocol, values in rows.items():
            planes = (prepare(fused, protocol), pair.infrared, pair.visible)
            if protocol == "direct":
                planes = (torch.from_numpy(fused).mul(255).round().byte().numpy(), *planes[1:])
            found = score(*planes, "paper", (*SIX, *MORE))
            found["SSIM"] = score(*planes, "ours", ("SSIM",))["SSIM"]
            for name, value in found.items():
                values.setdefault(name, []).append(value)
    return count, {
        protocol: {name: statistics.fmean(each) for name, each in values.items()}
        for protocol, values in rows.items()
    }


def scores(fuser: Fuser, data: Path, teacher: str | None = None) -> str:
    """The table of scores on roadscene/test, of a distilled model beside its teacher's."""
    count, own = means(fuser.fuse_luminance, data)
    names = (*SIX, *MORE, "SSIM")
    lines = [
        f"`roadscene/test`, {count} pairs, means; formulas of the convention `paper` (SSIM: "
        "`ours`, summed over both sources).",
        "",
        "| | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    titles = {
        "paper": "protocol `paper` (stretched)",
        "direct": "as `--contrast none` writes it (`direct`)",
    }
    for protocol, values in own.items():
        row = mean_row([values], names)
        lines.append(f"| this model, {titles[protocol]} | {row} |")
    if teacher:
        theirs = means(Fuser.from_pretrained(teacher).fuse_luminance, data)[1]
        for protocol, values in theirs.items():
            row = mean_row([values], names)
            lines.append(f"| its teacher `{Path(teacher).name}`, {titles[protocol]} | {row} |")
            row = " | ".join(f"{own[protocol][name] / values[name] - 1:+.1%}" for name in names)
            lines.append(f"| difference, `{protocol}` | {row} |")
    for protocol, values in means(additive, data)[1].items():
        row = mean_row([values], names)
        lines.append(f"| `additive`, a formula without a network, {titles[protocol]} | {row} |")
    published = " | ".join(f"{value:.2f}" for value in PUBLISHED)
    lines.append(f"| EMMA as published (other choice of images) | {published} | | | |")
    return "\n".join(lines)


def medical(fuser: Fuser, data: Path) -> str:
    """The table of scores on scans of held-out patients, protocol `paper`."""
    names = (*SIX, *MORE, "SSIM")
    lines = ["| pairs | count | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    found = {}
    for folder in HELD_OUT:
        count, found[folder] = of_scans(fuser.fuse_luminance, data, folder)
        lines.append(f"| {folder} | {count} | {mean_row([found[folder]], names)} |")
    lines.append(f"| mean of the three | | {mean_row(list(found.values()), names)} |")
    formula = [of_scans(additive, data, folder)[1] for folder in HELD_OUT]
    theirs = mean_row(formula, names)
    lines.append(f"| `additive`, a formula without a network, mean of the three | | {theirs} |")
    published = " | ".join(f"{value:.2f}" for value in PUBLISHED_MEDICAL)
    lines.append(f"| EMMA as published (other pairs) | | {published} | | | |")
    return "\n".join(lines)


def of_scans(method: Method, data: Path, folder: str) -> tuple[int, dict[str, float]]:
    """How many pairs of scans a folder has of held-out patients, and the mean scores."""
    rows = []
    for pair, fused in fuse_all(method, data / folder, OTHERS[folder], stems=HELD_OUT[folder]):
        planes = (prepare(fused, "paper"), pair.infrared, pair.visible)
        found = score(*planes, "paper", (*SIX, *MORE))
        rows.append(found | score(*planes, "ours", ("SSIM",)))
    return len(rows), {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}


def mean_row(rows: list[dict[str, float]], names: tuple[str, ...]) -> str:
    """The means of these scores over some rows, as the cells of a table."""
    return " | ".join(f"{statistics.fmean(row[name] for row in rows):.2f}" for name in names)


def patterns(fuser: Fuser, data: Path) -> str:
    """The table of hidden-pattern ratios on images of several kinds."""
    lines = ["| pairs | count | mean ratio | largest |", "|---|---|---|---|"]
    for name, kinds in OTHERS.items():
        step = 1 if name == "roadscene/test" else 4
        ratios = [
            hidden_pattern_ratio(fused, pair.infrared, pair.visible)
            for pair, fused in fuse_all(fuser.fuse_luminance, data / name, kinds, step)
        ]
        mean, largest = statistics.fmean(ratios), max(ratios)
        lines.append(f"| {name} | {len(ratios)} | {mean:.2f} | {largest:.2f} |")
    return "\n".join(lines)


def training(facts: dict) -> str:
    """What the weights file says of its training, and of that of the weights it began with."""
    before = training(facts["init"]) + "\n\nThen, from there:\n\n" if "init" in facts else ""
    return before + one_run(facts)


def one_run(facts: dict) -> str:
    """What a weights file says of its last run."""
    configuration = facts["configuration"]
    if "learning" in configuration:
        return one_distillation(facts)
    stages = ", ".join(
        f"{stage} {configuration[stage]['steps']} steps of {configuration[stage]['batch']}"
        for stage in ("sensing", "start", "fusion")
    )
    return "\n".join(
        (
            f"- pairs: {', '.join(map(str, facts['pairs']))} of the sets below; "
            f"{facts['patches']} patches of {configuration['patches']['size']}; "
            f"fingerprint of the data {facts['data']}",
            f"- steps: {stages}",
            time_and_machine(facts),
        )
    )


def one_distillation(facts: dict) -> str:
    """What a weights file says of how it was distilled, and how near it came to its teacher."""
    configuration, learning = facts["configuration"], facts["configuration"]["learning"]
    lines = [
        f"- pairs: {', '.join(map(str, facts['pairs']))} of the sets below; fingerprint of the "
        f"data and the teacher {facts['data']}",
        f"- teacher: `{configuration['teacher']}`, its own data {facts['teacher'].get('data')}",
        f"- steps: {learning['steps']} of {learning['batch']} whole images",
        f"{time_and_machine(facts)}; the teacher's images not counted",
    ]
    if found := facts.get("validation"):
        lines.append(
            f"- on the {found['pairs']} pairs kept out: mean absolute difference from the teacher "
            f"{255 * found['difference']:.2f}/255, PSNR {found['psnr']:.1f} dB"
        )
    return "\n".join(lines)


def time_and_machine(facts: dict) -> str:
    """How long a run took, and where."""
    run = facts["configuration"]["run"]
    return (
        f"- time and machine: {facts['minutes']} minutes on {facts['machine']}, "
        f"{run['precision']}, torch {facts['torch']}, emma-fusion {facts['version']}, "
        f"seed {run['seed']}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="base")
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    fuser = Fuser.from_pretrained(args.model)
    weights = models.find(args.model)
    facts = read_facts(weights)
    teacher = facts.get("configuration", {}).get("teacher")
    table = scores(fuser, args.data, teacher)
    blocks = {
        "training": training(facts),
        "scores": f"{table}\n\nMeasured with emma-fusion {__version__}.",
        "medical": medical(fuser, args.data),
        "patterns": patterns(fuser, args.data),
    }
    card = weights.parent / "README.md"
    for name, block in blocks.items():
        put(card, name, block)
        print(block, end="\n\n")


if __name__ == "__main__":
    main()
