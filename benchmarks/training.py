"""Speed of a step of stage 2 against a plain version of the paper's, and that nothing was lost.

    python benchmarks/training.py                 # the ratio at the paper's setting, and per part
    python benchmarks/training.py --curves 200    # both versions' loss over 200 equal steps

The plain step is what the paper's description gives when written down directly: float32, the
U-Fuser as published, A_i and A_v of width 64 that still collect gradients for their weights, one
pass for each of the nine transformed copies' batches and one for the untransformed. Ours is the
step of `emma train` at equal batch, equal copies and equal width. Both run in this process, in
turns, on the same patches; the median and the range of the repeats are printed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from emma_fusion.equivariance import fidelity
from emma_fusion.networks import SensingUNet, UFuser
from emma_fusion.training.config import Pairs, TrainingConfig, load_config
from emma_fusion.training.loop import PRECISIONS
from emma_fusion.training.patches import PatchSet, read_patches
from emma_fusion.training.stages import Draw, fusion_stage, group

DATA = Path(os.environ.get("EMMA_DATA") or Path(__file__).parents[2] / "shared" / "data")
Step = Callable[[int], float]


def has_bf16(device: str) -> bool:
    """Whether bf16 is done by the hardware; elsewhere it is emulated, and slower than float32."""
    if device != "cpu":
        return True
    cpu = Path("/proc/cpuinfo")
    return cpu.is_file() and "avx512_bf16" in cpu.read_text()


def networks(width: int) -> tuple[UFuser, SensingUNet, SensingUNet]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UFuser(), SensingUNet(width), SensingUNet(width)


def generator(step: int) -> torch.Generator:
    return torch.Generator().manual_seed(1000 + step)


def plain_step(config: TrainingConfig, patches: PatchSet, device: str) -> Step:
    fuser, sense_i, sense_v = (net.to(device) for net in networks(config.sensing.width))
    sense_i.eval(), sense_v.eval()
    optimizer = torch.optim.Adam(fuser.parameters(), lr=config.fusion.lr)
    size, batch = config.patches.size, config.fusion.batch
    transform = group(config.fusion, size)

    def step(index: int) -> float:
        g = generator(index)
        drawn = patches.draw(patches.at_random(batch, g), g, "none")
        infrared, visible = (plane.to(device) for plane in drawn)
        fused = fuser(infrared, visible)
        loss = fidelity(sense_i(fused), infrared) + fidelity(sense_v(fused), visible)
        if transform is not None:
            turned, mask = transform.apply(fused, transform.draw(batch, size, size, g))
            again = fuser(sense_i(turned), sense_v(turned))
            loss = loss + config.fusion.alpha * fidelity(turned, again, mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def our_step(config: TrainingConfig, patches: PatchSet, device: str, precision: str) -> Step:
    fabric = Fabric(accelerator=device, devices=1, precision=PRECISIONS[precision])
    fuser, sense_i, sense_v = networks(config.sensing.width)
    for net in (fuser, sense_i, sense_v):
        net.to(device).to(memory_format=torch.channels_last)
    stage = fusion_stage(config, fabric, patches, fuser.merge_attention(), sense_i, sense_v)
    optimizer = torch.optim.Adam(fuser.parameters(), lr=config.fusion.lr)

    def step(index: int) -> float:
        with fabric.autocast():
            loss, _ = stage.loss(Draw(generator(index), index, 0))
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        optimizer.step()
        return loss.item()

    return step


def alternate(steps: dict[str, Step], repeats: int, warm_up: int) -> dict[str, list[float]]:
    """Seconds of each version, taken in turns so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for index in range(warm_up + repeats):
        for name, step in steps.items():
            began = time.perf_counter()
            step(index)
            if index >= warm_up:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def parts(config: TrainingConfig, device: str, repeats: int) -> dict[str, float]:
    """Median seconds of our step's parts, forward and backward, for one batch."""
    fuser, sense, _ = networks(config.sensing.width)
    size, batch = config.patches.size, config.fusion.batch
    x = torch.rand(batch, 1, size, size, device=device, requires_grad=True)
    frozen = sense.eval().requires_grad_(False)
    todo: dict[str, Callable[[], Tensor]] = {}
    for name, net in (("U-Fuser", fuser.merge_attention()), ("sensing network", frozen)):
        net.to(device).to(memory_format=torch.channels_last)
        arguments = (x, x) if isinstance(net, UFuser) else (x,)
        todo[name] = lambda net=net, arguments=arguments: net(*arguments).sum()
    transform = group(config.fusion, size)
    params = transform.draw(batch, size, size, generator(0))
    todo["transforms, all copies"] = lambda: transform.apply(x, params)[0].sum()
    medians = {}
    for name, forward in todo.items():
        forward().backward()
        taken = []
        for _ in range(repeats):
            began = time.perf_counter()
            forward().backward()
            taken.append(time.perf_counter() - began)
        medians[name] = statistics.median(taken)
    return medians


def curves(config: TrainingConfig, patches: PatchSet, args: argparse.Namespace) -> None:
    """Trains both versions on the same patches with the same draws, and compares the losses."""
    versions = {
        "plain": plain_step(config, patches, args.device),
        "ours": our_step(config, patches, args.device, args.precision),
    }
    rows = []
    for index in range(args.curves):
        rows.append({"step": index, **{name: step(index) for name, step in versions.items()}})
        if index % 20 == 19:
            print(json.dumps(rows[-1]), file=sys.stderr)
    path = Path(args.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["step", *versions])
        writer.writeheader()
        writer.writerows(rows)
    last = rows[-len(rows) // 4 :]
    means = {name: statistics.mean(row[name] for row in last) for name in versions}
    apart = max(abs(row["plain"] - row["ours"]) / row["plain"] for row in rows)
    print(f"mean loss over the last quarter: {means}; largest relative difference: {apart:.1%}")
    print(f"the curves are in {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--infrared", default=DATA / "roadscene/train/ir")
    parser.add_argument("--visible", default=DATA / "roadscene/train/vi")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--precision", choices=PRECISIONS, help="of ours; bf16 where the hardware has it"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--width", type=int, default=64, help="of the sensing networks")
    parser.add_argument("--size", type=int, default=128, help="of the patches")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--curves", type=int, metavar="STEPS", help="compare losses instead")
    parser.add_argument("--output", default="runs/training-curves.csv")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.precision is None:
        args.precision = "bf16" if has_bf16(args.device) else "fp32"
    overrides = {
        "sensing.width": args.width,
        "patches.size": args.size,
        "fusion.batch": args.batch,
        "pairs": [Pairs(infrared=args.infrared, visible=args.visible).model_dump()],
    }
    paper = load_config("paper", overrides=overrides)
    patches = read_patches(paper.pairs, paper.patches, with_teachers=False)
    print(
        f"{args.device}, {args.threads} threads, {platform.machine()}, torch {torch.__version__}, "
        f"plain fp32, ours {args.precision}; batch {args.batch}, patches of {args.size}, "
        f"{group(paper.fusion, args.size).factor} copies, sensing width {args.width}"
    )
    if args.curves:
        curves(paper, patches, args)
        return
    cpu = load_config("cpu", overrides={k: overrides[k] for k in ("patches.size", "pairs")})
    cpu.fusion.anchor = 0.0  # the teachers' images are read from memory, and cost nothing here
    steps = {
        "plain": plain_step(deepcopy(paper), patches, args.device),
        "ours, preset paper": our_step(paper, patches, args.device, args.precision),
        "ours, preset cpu": our_step(cpu, patches, args.device, args.precision),
    }
    seconds = alternate(steps, args.repeats, warm_up=1)
    base = statistics.median(seconds["plain"]) / args.batch
    for name, taken in seconds.items():
        batch = cpu.fusion.batch if name.endswith("cpu") else args.batch
        median = statistics.median(taken)
        print(
            f"{name:20s} {batch / median:7.3f} pairs/s   step {median:.2f} s "
            f"({min(taken):.2f} to {max(taken):.2f})   {base / (median / batch):.2f} x plain"
        )
    print("parts of our step, forward and backward of one batch of untransformed patches:")
    for name, median in parts(paper, args.device, args.repeats).items():
        print(f"  {name:24s} {median:.3f} s")


if __name__ == "__main__":
    main()
