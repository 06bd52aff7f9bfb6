"""How fast the metrics are, against the same formulas written directly with SciPy.

python benchmarks/metrics.py [--height 480 --width 640 --repeat 5]

Both compute EN, SD, SF, AG, SCD, VIF (the paper's six), MI, Qabf and SSIM of one fused image in
one thread, in turns in one run, and must agree to 1e-6; the direct ones are in direct.py. The time
is that of the processor, the best of the repeats, so that other work on the machine disturbs it
little.
"""

import argparse
import math
import platform
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from direct import DIRECT, scene
from emma_fusion import metrics
from emma_fusion.metrics.conventions import CONVENTIONS, NINE


def processor_time(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = scene(options.height, options.width)
    planes = [image.astype(np.float64) for image in images]
    ours = CONVENTIONS["ours"].metrics

    print(f"{options.width}x{options.height}, torch {torch.__version__}, {platform.processor()}")
    print(f"{'':6}{'ours ms':>10}{'direct ms':>11}{'ratio':>8}{'deviation':>11}")
    sums, worst = [0.0, 0.0], 0.0
    for name in NINE:
        fast, direct = partial(ours[name], *images), partial(DIRECT[name], *planes)
        value, expected = fast(), direct()
        deviation = abs(value / expected - 1)
        worst = max(worst, deviation)
        times = [math.inf, math.inf]
        for _ in range(options.repeat):
            times[0] = min(times[0], processor_time(fast))
            times[1] = min(times[1], processor_time(direct))
        sums = [total + best for total, best in zip(sums, times, strict=True)]
        print(row(name, times) + f"{deviation:>11.1e}")
    # As a table is made: the images are converted once.
    whole = min(
        processor_time(lambda: metrics.score(*images, metrics=NINE)) for _ in range(options.repeat)
    )
    print(row("score", [whole, sums[1]]) + f"{worst:>11.1e}")
    if worst > 1e-6:
        sys.exit("The two do not agree to 1e-6.")


def row(name: str, times: list[float]) -> str:
    return f"{name:6}{times[0] * 1e3:>10.2f}{times[1] * 1e3:>11.2f}{times[1] / times[0]:>8.1f}"


if __name__ == "__main__":
    main()
