"""How many frames a second `emma fuse` makes of a video, and what each step costs.

    python benchmarks/video.py --model base --frames 100
    python benchmarks/video.py --model fast --frames 300 --rig

Draws a street at night for both cameras, 480x640, panned and with noise, and fuses the two videos.
The first number is what the command itself says at its end, after the model is open. The steps are
processor time of one frame, each alone and in one thread; in the command they run at the same time.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from emma_fusion import Fuser, Pair
from emma_fusion.align.rig import Rig
from emma_fusion.bench.facts import hardware
from emma_fusion.demo import render_scene
from emma_fusion.video.reading import VideoFile
from emma_fusion.video.steady import SteadyFuse
from emma_fusion.video.writing import VideoWriter

RATE = Fraction(25)


def write_videos(folder: Path, count: int) -> tuple[Path, Path]:
    """Two videos of one street, as a camera sees it that pans."""
    rng = np.random.default_rng(0)
    paths = folder / "thermal.mp4", folder / "visible.mp4"
    for path, scene in zip(paths, render_scene(seed=0), strict=True):
        with VideoWriter(path, (480, 640), RATE) as writer:
            for number in range(count):
                panned = np.roll(scene, 2 * number, axis=1).astype(np.float32)
                noisy = panned + rng.normal(0, 3, panned.shape)
                writer.write(np.clip(noisy, 0, 255).astype(np.uint8), number / RATE)
    return paths


def cost(step: Callable[[Any], Any], items: Iterable[Any]) -> tuple[float, list[Any]]:
    """Milliseconds of processor time an item, and what the step made of them."""
    begin = time.process_time()
    made = [step(item) for item in items]
    return (time.process_time() - begin) / len(made) * 1000, made


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="base")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10, help="frames for the steps")
    parser.add_argument("--rig", action="store_true", help="align each frame by a rig")
    parser.add_argument("--options", nargs="*", default=[], help="more for emma fuse, without --")
    asked = parser.parse_args()
    options = [word if index % 2 else f"--{word}" for index, word in enumerate(asked.options)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = write_videos(folder, asked.frames)
        command = [sys.executable, "-m", "emma_fusion", "fuse", *map(str, videos), "--model"]
        command += [asked.model, "-o", str(folder / "fused.mp4"), *options]
        if asked.rig:
            turned = np.array([[0.96, 0.02, 9], [-0.02, 0.96, 14], [0, 0, 1]])
            rig = folder / "rig.json"
            rig.write_bytes(Rig(turned, "similarity", (480, 640), (480, 640), 1, 0.0).to_json())
            command += ["--align", str(rig)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"{asked.model} on {hardware('auto')}, PyTorch {torch.__version__}")
        with_rig = ", by a rig" if asked.rig else ""
        print(re.findall(r"[0-9.]+ frames a second", done.stderr)[-1], f"at 480x640{with_rig}")

        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        fuser = Fuser.from_pretrained(asked.model, threads=1)
        steady = SteadyFuse(lambda pair: pair.visible)
        count = min(asked.steps, asked.frames)
        videos_read = [VideoFile(path) for path in videos]
        begin = time.process_time()
        frames = [f for f, _ in zip(zip(*videos_read, strict=True), range(count), strict=False)]
        print(f"read both      {(time.process_time() - begin) / count * 1000:6.1f} ms a frame")
        took, pairs = cost(lambda f: Pair.from_arrays(f[0].image, f[1].image), frames)
        print(f"make a pair    {took:6.1f} ms")
        took, fused = cost(fuser.fuse_luminance, pairs)
        print(f"fuse           {took:6.1f} ms")
        took, _ = cost(lambda pair: steady(pair, Fraction(0)), pairs)
        print(f"hold steady    {took:6.1f} ms")
        took, images = cost(lambda one: one[0].compose(one[1]), zip(pairs, fused, strict=True))
        print(f"put colour in  {took:6.1f} ms")
        begin = time.process_time()
        with VideoWriter(folder / "again.mp4", (480, 640), RATE) as writer:
            for number, image in enumerate(images):
                writer.write(image, number / RATE)
        took = (time.process_time() - begin) / count * 1000
        print(f"write          {took:6.1f} ms")


if __name__ == "__main__":
    main()
