"""Put the comparison on CWFID into reports/downstream.md, or measure how fast other protocols are.

    python benchmarks/downstream.py [--config configs/cwfid.yaml] [--output runs/cwfid]
    python benchmarks/downstream.py --speed configs/msrs.yaml configs/m3fd.yaml [--steps 6]

A comparison that was stopped goes on where it was. For the speed, folders of noise in the layout of
the dataset, at its size, stand for its images: what is measured is a step of training and an
image of testing on this machine, and what is said is how long all cells of the protocol take.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from marked import put

HERE = Path(__file__).resolve().parents[1]
SIZES = {"msrs": (480, 640), "fmb": (600, 800), "m3fd": (768, 1024), "llvip": (1024, 1280)}
#: Scenes to train and to test on; M3FD as TarDAL splits its 4200.
COUNTS = {"msrs": (1083, 361), "fmb": (1220, 280), "m3fd": (3360, 840), "llvip": (12025, 3463)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=HERE / "configs" / "cwfid.yaml")
    parser.add_argument("--output", type=Path, default=HERE / "runs" / "cwfid")
    parser.add_argument("--document", type=Path, default=HERE / "reports" / "downstream.md")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--speed", type=Path, nargs="+", metavar="CONFIG")
    parser.add_argument("--steps", type=int, default=6, help="to measure, after two that are not")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="without it, the file's")
    arguments = parser.parse_args()
    if not arguments.speed:
        compare(arguments)
        return
    rows = [measure(config, arguments) for config in arguments.speed]
    print("| " + " | ".join(rows[0]) + " |\n|" + " --- |" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(row.values()) + " |")


def compare(arguments: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "emma_fusion", "downstream", "segment"]
    command += ["--config", str(arguments.config), "--output", str(arguments.output)]
    if arguments.threads:
        command += ["--threads", str(arguments.threads)]
    subprocess.run(command, check=True, cwd=HERE, stdout=subprocess.DEVNULL)
    report = (arguments.output / "report.md").read_text(encoding="utf-8")
    report = re.sub(r"^### ", "#### ", report, flags=re.MULTILINE)
    config = arguments.config.resolve()
    shown = config.relative_to(HERE) if config.is_relative_to(HERE) else config.name
    made = f"Made by `emma downstream segment --config {shown} -o runs/{config.stem}`:\n\n"
    put(arguments.document, config.stem, made + report, title="Downstream")
    print(f"Wrote {arguments.document}; everything is in {arguments.output}", file=sys.stderr)


def measure(config: Path, arguments: argparse.Namespace) -> dict[str, str]:
    """Median seconds of a step and of a test image, and what the whole protocol takes by them."""
    import torch
    from lightning_fabric import Fabric

    from emma_fusion.bench.facts import hardware
    from emma_fusion.downstream.comparison import make_task
    from emma_fusion.downstream.config import NETWORKS, load_experiment
    from emma_fusion.downstream.inputs import source_kind
    from emma_fusion.downstream.layouts import open_dataset
    from emma_fusion.downstream.networks import build_network
    from emma_fusion.downstream.samples import Samples, Scenes, Standard
    from emma_fusion.training.settings import read_settings

    network_name = read_settings(config)["network"]["name"]
    with tempfile.TemporaryDirectory() as folder:
        experiment = load_experiment(config, NETWORKS[network_name], Path(folder))
        layout, batch = experiment.data.layout, experiment.training.batch
        make_noise(layout, Path(folder), batch)
        precision = arguments.precision or experiment.run.precision
        fabric = Fabric(
            accelerator=arguments.device,
            devices=1,
            precision="bf16-mixed" if precision == "bf16" else "32-true",
        )
        dataset = open_dataset(layout, Path(folder))
        task, images = make_task(experiment, dataset), experiment.images
        kind = source_kind("visible", experiment.data.colour)
        train = Scenes(dataset.train, "train", kind, images.size, task.label, 2**30)
        task.prepare(train)
        standard = Standard.of(train)
        samples = Samples(train, standard, images, batch, seed=0)
        network = build_network(
            network_name,
            kind.channels,
            len(task.classes),
            images.size,
            experiment.network.settings,
            experiment.network.weights,
        ).to(fabric.device, memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
        drawn = [samples[n] for n in range(batch)]
        stack = torch.stack([image for image, _ in drawn]).to(fabric.device)
        targets = [target for _, target in drawn]

        def step() -> None:
            network.train()
            with fabric.autocast():
                loss = task.loss(network, stack, targets)
            optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss)
            optimizer.step()

        whole = standard.apply(train[0][0])[None].to(fabric.device)

        def test() -> None:
            network.eval()
            with torch.no_grad(), fabric.autocast():
                task.predict(network, whole, [train[0][1]])

        seconds = [median_seconds(work, arguments.steps, fabric.device) for work in (step, test)]
    scenes = COUNTS[layout]
    steps = experiment.training.total(scenes[0])
    number = len(experiment.kinds) * len(experiment.seeds)
    cell = steps * seconds[0] + scenes[1] * seconds[1]
    window = images.crop or images.size
    return {
        "Protocol": config.name,
        "Network": f"{network_name}, {sum(p.numel() for p in network.parameters()) / 1e6:.1f} M",
        "Batch": f"{batch} of {window[0]}×{window[1]}, {precision}",
        "Machine": hardware(arguments.device),
        "Steps a second": f"{1 / seconds[0]:.3g}",
        "Steps a cell": f"{steps:,}",
        "Hours a cell": f"{cell / 3600:.3g}",
        "Cells": str(number),
        "Hours in all": f"{number * cell / 3600:.3g}",
    }


def median_seconds(work, repeats: int, device) -> float:
    import torch

    taken = []
    for _ in range(2 + repeats):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:])


def make_noise(layout: str, folder: Path, count: int) -> None:
    """Images of noise and labels in a layout, as many in each split."""
    import numpy as np

    from emma_fusion.images.raster import write_image

    rng, size = np.random.default_rng(0), SIZES[layout]
    places = {
        "msrs": ("{split}/ir", "{split}/vi", "{split}/Segmentation_labels"),
        "fmb": ("{split}/Infrared", "{split}/Visible", "{split}/Label"),
        "m3fd": ("ir", "vi", "labels"),
        "llvip": ("infrared/{split}", "visible/{split}", "Annotations"),
    }[layout]
    for split in ("train", "test"):
        names = [f"{split}{number:04d}" for number in range(count)]
        for name in names:
            infrared, visible, label = (folder / place.format(split=split) for place in places)
            write_image(infrared / f"{name}.png", rng.integers(0, 255, size, np.uint8))
            write_image(visible / f"{name}.png", rng.integers(0, 255, (*size, 3), np.uint8))
            if layout in ("msrs", "fmb"):
                write_image(label / f"{name}.png", rng.integers(1, 9, size, np.uint8))
            else:
                write_boxes(layout, label, name, size)
        if layout == "m3fd":
            (folder / "meta").mkdir(exist_ok=True)
            lists = folder / "meta" / f"{'val' if split == 'test' else split}.txt"
            lists.write_text("".join(f"{name}.png\n" for name in names), encoding="utf-8")


def write_boxes(layout: str, folder: Path, name: str, size: tuple[int, int]) -> None:
    """Eight objects, about as many as M3FD has in an image."""
    folder.mkdir(exist_ok=True)
    if layout == "m3fd":
        lines = [f"{k % 6} {0.1 + 0.1 * k} 0.5 0.08 0.2" for k in range(8)]
        (folder / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
        return
    box = "<bndbox><xmin>{}</xmin><ymin>99</ymin><xmax>{}</xmax><ymax>299</ymax></bndbox>"
    things = "".join(
        f"<object><name>person</name>{box.format(100 * k, 100 * k + 80)}</object>" for k in range(8)
    )
    text = f"<a><size><width>{size[1]}</width><height>{size[0]}</height></size>{things}</a>"
    (folder / f"{name}.xml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
