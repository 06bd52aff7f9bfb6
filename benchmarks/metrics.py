"""How fast the metrics are, against the same formulas written directly with SciPy's convolve2d.

python benchmarks/metrics.py [--height 480 --width 640 --repeat 5]

Both compute EN, SD, SF, AG, SCD, VIF (the paper's six), MI, Qabf and SSIM of one fused picture in
one thread, in turns in one run, and must agree to 1e-6. The time is that of the processor, the best
of the repeats, so that other work on the machine disturbs it little.
"""

import argparse
import math
import platform
import sys
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch
from scipy.signal import convolve2d

from emma_fusion import metrics
from emma_fusion.metrics.conventions import CONVENTIONS, NINE

Plane = np.ndarray


def entropy(f: Plane, a: Plane, b: Plane) -> float:
    p = np.histogram(np.rint(f), 256, (0, 256))[0] / f.size
    p = p[p > 0]
    return -(p * np.log2(p)).sum()


def standard_deviation(f: Plane, a: Plane, b: Plane) -> float:
    return math.sqrt(((f - f.mean()) ** 2).mean())


def spatial_frequency(f: Plane, a: Plane, b: Plane) -> float:
    rows, columns = (
        (convolve2d(f, kernel, "valid") ** 2).mean() for kernel in ([[1.0, -1.0]], [[1.0], [-1.0]])
    )
    return math.sqrt(rows + columns)


def average_gradient(f: Plane, a: Plane, b: Plane) -> float:
    gy, gx = np.gradient(f)
    return np.sqrt((gx**2 + gy**2) / 2).mean()


def mutual_information(f: Plane, a: Plane, b: Plane) -> float:
    total = 0.0
    for source in (a, b):
        p = np.histogram2d(f.ravel(), source.ravel(), 256, [(0, 256)] * 2)[0] / f.size
        independent = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
        seen = p > 0
        total += (p[seen] * np.log(p[seen] / independent[seen])).sum()
    return total


def correlation_of_differences(f: Plane, a: Plane, b: Plane) -> float:
    def pearson(x: Plane, y: Plane) -> float:
        x, y = x - x.mean(), y - y.mean()
        return (x * y).sum() / math.sqrt((x**2).sum() * (y**2).sum())

    return pearson(a, f - b) + pearson(b, f - a)


def moments(x: Plane, y: Plane, window: Plane) -> tuple[Plane, ...]:
    mean_x, mean_y = (convolve2d(z, window, "valid") for z in (x, y))
    return (
        mean_x,
        mean_y,
        convolve2d(x * x, window, "valid") - mean_x**2,
        convolve2d(y * y, window, "valid") - mean_y**2,
        convolve2d(x * y, window, "valid") - mean_x * mean_y,
    )


def visual_information_fidelity(f: Plane, a: Plane, b: Plane) -> float:
    total = 0.0
    for source in (a, b):
        reference, distorted = source, f
        kept = held = 0.0
        for side in (17, 9, 5, 3):
            x = np.arange(side) - side // 2
            window = np.exp(-(x[:, None] ** 2 + x[None] ** 2) / (2 * (side / 5) ** 2))
            window /= window.sum()
            if side < 17:
                reference = convolve2d(reference, window, "valid")[::2, ::2]
                distorted = convolve2d(distorted, window, "valid")[::2, ::2]
            _, _, power, power_f, covariance = moments(reference, distorted, window)
            power, power_f = np.maximum(power, 0), np.maximum(power_f, 0)
            gain = covariance / (power + 1e-10)
            left = power_f - gain * covariance
            flat = power < 1e-10
            gain[flat], left[flat], power[flat] = 0, power_f[flat], 0
            dead = power_f < 1e-10
            gain[dead], left[dead] = 0, 0
            reversed_contrast = gain < 0
            left[reversed_contrast], gain[reversed_contrast] = power_f[reversed_contrast], 0
            left = np.maximum(left, 1e-10)
            kept += np.log10(1 + gain**2 * power / (left + 2)).sum()
            held += np.log10(1 + power / 2).sum()
        total += kept / held
    return total


def edge_preservation(f: Plane, a: Plane, b: Plane) -> float:
    kernel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])

    def edges(x: Plane) -> tuple[Plane, Plane]:
        gx = convolve2d(x, kernel[:, ::-1], "same")
        gy = convolve2d(x, kernel.T[::-1], "same")
        upright = gx == 0
        angle = np.arctan(-gy / np.where(upright, 1, gx))
        return np.sqrt(gx**2 + gy**2), np.where(upright, math.pi / 2, angle)

    g_f, a_f = edges(f)
    kept = weight = 0.0
    for g, angle in (edges(a), edges(b)):
        larger = np.maximum(g, g_f)
        strength = np.where(larger > 0, np.minimum(g, g_f) / np.where(larger > 0, larger, 1), 1)
        alignment = 1 - np.abs(angle - a_f) / (math.pi / 2)
        quality = 0.9994 / (1 + np.exp(-15 * (strength - 0.5)))
        quality = quality * 0.9879 / (1 + np.exp(-22 * (alignment - 0.8)))
        kept += (quality * g).sum()
        weight += g.sum()
    return kept / weight


def structural_similarity(f: Plane, a: Plane, b: Plane) -> float:
    window, unbias = np.full((7, 7), 1 / 49), 49 / 48
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    total = 0.0
    for source in (a, b):
        mean_x, mean_y, power_x, power_y, covariance = moments(source, f, window)
        light = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        contrast = (2 * unbias * covariance + c2) / (unbias * (power_x + power_y) + c2)
        total += (light * contrast).mean()
    return total


DIRECT: dict[str, Callable[[Plane, Plane, Plane], float]] = {
    "EN": entropy,
    "SD": standard_deviation,
    "SF": spatial_frequency,
    "AG": average_gradient,
    "MI": mutual_information,
    "SCD": correlation_of_differences,
    "VIF": visual_information_fidelity,
    "Qabf": edge_preservation,
    "SSIM": structural_similarity,
}


def scene(height: int, width: int) -> list[np.ndarray]:
    """A fused picture and two sources, with flat and with structured regions, 8 bit."""
    random = np.random.default_rng(0)
    sources = []
    for _ in range(2):
        fine, coarse = (
            cv2.GaussianBlur(random.standard_normal((height, width)), (0, 0), sigma) * sigma
            for sigma in (1.2, 12.0)
        )
        sources.append(np.clip(128 + 60 * coarse + 30 * fine, 0, 255).astype(np.uint8))
    mean = (sources[0].astype(np.float64) + sources[1]) / 2
    fused = np.clip(1.3 * (mean - 128) + 128, 0, 255).astype(np.uint8)
    return [fused, *sources]


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
    pictures = scene(options.height, options.width)
    planes = [picture.astype(np.float64) for picture in pictures]
    ours = CONVENTIONS["ours"].metrics

    print(f"{options.width}x{options.height}, torch {torch.__version__}, {platform.processor()}")
    print(f"{'':6}{'ours ms':>10}{'direct ms':>11}{'ratio':>8}{'deviation':>11}")
    sums, worst = [0.0, 0.0], 0.0
    for name in NINE:
        fast, direct = partial(ours[name], *pictures), partial(DIRECT[name], *planes)
        value, expected = fast(), direct()
        deviation = abs(value / expected - 1)
        worst = max(worst, deviation)
        times = [math.inf, math.inf]
        for _ in range(options.repeat):
            times[0] = min(times[0], processor_time(fast))
            times[1] = min(times[1], processor_time(direct))
        sums = [total + best for total, best in zip(sums, times, strict=True)]
        print(row(name, times) + f"{deviation:>11.1e}")
    # As a table is made: the pictures are converted once.
    whole = min(
        processor_time(lambda: metrics.score(*pictures, metrics=NINE))
        for _ in range(options.repeat)
    )
    print(row("score", [whole, sums[1]]) + f"{worst:>11.1e}")
    if worst > 1e-6:
        sys.exit("The two do not agree to 1e-6.")


def row(name: str, times: list[float]) -> str:
    return f"{name:6}{times[0] * 1e3:>10.2f}{times[1] * 1e3:>11.2f}{times[1] / times[0]:>8.1f}"


if __name__ == "__main__":
    main()
