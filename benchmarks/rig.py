"""What a rig costs a frame of a video: placing the infrared image and blending at its edge.

    python benchmarks/rig.py

Processor time in one thread, for an infrared camera of 384x288 that sees nine tenths of the width
of a visible one. "Each frame" computes anew what depends on the rig alone; "once" is as videos are
fused. Only the part of the page between its markers is replaced; see marked.py.
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from emma_fusion.align.grid import Grid
from emma_fusion.bench.facts import hardware
from emma_fusion.values.blending import blend
from marked import put

HERE = Path(__file__).resolve().parents[1]
INFRARED = (288, 384)
VISIBLE = ((480, 640), (960, 1280))


def milliseconds(step: Callable[[], object], repeats: int = 20) -> float:
    """Processor time of one call, the median of some."""
    took = []
    for _ in range(repeats):
        begin = time.process_time()
        step()
        took.append(time.process_time() - begin)
    return float(np.median(took)) * 1000


def measure(size: tuple[int, int]) -> tuple[float, float]:
    """Milliseconds a frame, everything computed anew and once."""
    rng = np.random.default_rng(0)
    scale = INFRARED[1] / (0.9 * size[1])
    across, down = -0.05 * size[1] * scale, (INFRARED[0] - size[0] * scale) / 2
    matrix = np.array([[scale, 0, across], [0, scale, down], [0, 0, 1.0]])
    image = rng.integers(0, 255, INFRARED).astype(np.uint8)
    visible, fused = rng.random((2, *size), np.float32)
    once = Grid.of_matrix(matrix, size, INFRARED)

    def each_frame() -> None:
        grid = Grid.of_matrix(matrix, size, INFRARED)
        grid(image)
        blend(visible, fused, np.array(grid.cover))

    def kept() -> None:
        once(image)
        assert once.cover is not None
        blend(visible, fused, once.cover)

    return milliseconds(each_frame), milliseconds(kept)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, default=HERE / "reports" / "video.md")
    page = parser.parse_args().page
    cv2.setNumThreads(1)
    lines = [
        "## What a rig costs a frame\n",
        "Placing the infrared image on the visible one's grid, and blending at its edge.\n",
        "| Visible | each frame, ms | once a video, ms |\n|---|---|---|",
    ]
    for size in VISIBLE:
        each, kept = measure(size)
        lines[-1] += f"\n| {size[1]}x{size[0]} | {each:.1f} | {kept:.1f} |"
    lines.append(f"\nMade by `benchmarks/rig.py` on {datetime.date.today()}, {hardware('cpu')}.")
    put(page, "rig", "\n".join(lines), title="Videos: what was measured")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
