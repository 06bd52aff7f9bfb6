"""Metrics written directly from their formulas, with NumPy and SciPy's convolve2d or in loops.

Slow and plain on purpose: benchmarks/metrics.py takes its time from them, and agreement.py and the
tests compare the package's metrics with them. Images are (H, W) float64 planes on 0..255; `scene`
makes some to try them on.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
from scipy.ndimage import sobel
from scipy.signal import convolve2d

Plane = np.ndarray


def scene(height: int, width: int, seed: int = 0) -> tuple[Plane, Plane, Plane]:
    """A fused image and two sources with fine and coarse structure, (H, W) uint8."""
    random = np.random.default_rng(seed)
    sources = []
    for _ in range(2):
        fine, coarse = (
            cv2.GaussianBlur(random.standard_normal((height, width)), (0, 0), sigma) * sigma
            for sigma in (1.2, 8.0)
        )
        sources.append(np.clip(128 + 60 * coarse + 40 * fine, 0, 255).astype(np.uint8))
    mean = np.mean(sources, axis=0)
    noise = random.normal(0, 3, mean.shape)
    fused = np.clip(1.3 * (mean - 128) + 128 + noise, 0, 255).astype(np.uint8)
    return fused, sources[0], sources[1]


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


def gaussian(side: int, sigma: float) -> Plane:
    x = np.arange(side) - side // 2
    window = np.exp(-(x[:, None] ** 2 + x[None] ** 2) / (2 * sigma**2))
    return window / window.sum()


def visual_information_fidelity(f: Plane, a: Plane, b: Plane) -> float:
    total = 0.0
    for source in (a, b):
        reference, distorted = source, f
        kept = held = 0.0
        for side in (17, 9, 5, 3):
            window = gaussian(side, side / 5)
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


def multi_scale_similarity(f: Plane, a: Plane, b: Plane) -> float:
    planes, products = [f, a, b], np.ones(2)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    for weight in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):
        for i, source in enumerate(planes[1:]):
            mean_x, mean_y, power_x, power_y, covariance = moments(
                source, planes[0], gaussian(11, 1.5)
            )
            contrast = (2 * covariance + c2) / (power_x + power_y + c2)
            if weight == 0.1333:
                contrast *= (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
            products[i] *= contrast.mean() ** weight
        even = [p[: len(p) // 2 * 2, : p.shape[1] // 2 * 2] for p in planes]
        planes = [p.reshape(len(p) // 2, 2, -1, 2).mean((1, 3)) for p in even]
    return products.sum()


def visual_information_fidelity_for_fusion(f: Plane, a: Plane, b: Plane) -> float:
    planes = [f, a, b]
    noise, total = 0.005 * 255**2, 0.0
    for side, weight in zip((17, 9, 5, 3), (1, 0, 0.15, 1), strict=True):
        window = gaussian(side, side / 5)
        if side < 17:
            planes = [convolve2d(p, window, "valid")[::2, ::2] for p in planes]
        kept, held, gains = [], [], []
        for source in planes[1:]:
            _, _, power, power_f, covariance = moments(source, planes[0], window)
            flat = (power < 1e-10) | (power_f < 1e-10)
            gain = np.where((covariance > 0) & ~flat, covariance / (power + 1e-10), 0)
            left = np.maximum(power_f - gain * covariance, 1e-10)
            power = np.where(power < 1e-10, 0, power)
            kept.append(np.log(1 + gain**2 * power / (left + noise)))
            held.append(np.log(1 + power / noise))
            gains.append(gain)
        of_a = gains[0] < gains[1]
        total += weight * np.where(of_a, *kept).sum() / np.where(of_a, *held).sum() / 2.15
    return total


def invented_edges(f: Plane, a: Plane, b: Plane) -> float:
    def edges(x: Plane) -> tuple[Plane, Plane]:
        gy, gx = (sobel(x / 8, axis, mode="nearest") for axis in (0, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.hypot(gx, gy), np.where((gx == 0) & (gy == 0), 0, np.arctan(gy / gx))

    (g_f, a_f), *sources = (edges(x) for x in (f, a, b))
    added = (g_f > sources[0][0]) & (g_f > sources[1][0])
    lost = weight = 0.0
    for g, angle in sources:
        weights = np.where(g >= 2, g**1.5, 0.001)
        larger = np.maximum(g, g_f)
        closeness = np.minimum(g, g_f) / np.where(larger > 0, larger, 1)
        alignment = np.abs(np.abs(angle - a_f) - math.pi / 2) * 2 / math.pi
        quality = 0.9999 / (1 + np.exp(-19 * (closeness - 0.5)))
        quality = np.sqrt(quality * 0.9995 / (1 + np.exp(-22 * (alignment - 0.5))))
        lost += ((1 - quality) * weights)[added].sum()
        weight += weights.sum()
    return lost / weight


def feature_mutual_information(feature: str) -> Callable[[Plane, Plane, Plane], float]:
    """The published estimate, window by window and place by place."""

    def extract(x: Plane) -> Plane:
        if feature == "pixel":
            return x
        if feature == "gradient":
            return np.hypot(*np.gradient(x))
        squares = sum(sobel(x, axis, mode="nearest") ** 2 for axis in (0, 1))
        return (squares > 4 * squares.mean()).astype(np.float64)

    def metric(f: Plane, a: Plane, b: Plane) -> float:
        planes = [extract(x) for x in (f, a, b)]
        values = []
        for top in range(f.shape[0] - 2):
            for left in range(f.shape[1] - 2):
                window = np.s_[top : top + 3, left : left + 3]
                x, *sources = (plane[window].ravel() for plane in planes)
                values.append(sum(shared_information(x, source) for source in sources))
        return np.mean(values)

    return metric


def shared_information(x: Plane, y: Plane) -> float:
    """I / (H(X) + H(Y)) of two windows of features, (9,)."""
    if (x == y).all():
        return 0.5
    p, q = (z / z.sum() if z.any() else np.full(9, 1 / 9) for z in (x, y))
    cumulated_p, cumulated_q = p.cumsum(), q.cumsum()
    wanted = np.corrcoef(x, y)[0, 1] if np.ptp(x) and np.ptp(y) else 0.0
    bound = np.zeros((10, 10))
    for i in range(9):
        for j in range(9):
            both = cumulated_p[i], cumulated_q[j]
            bound[i + 1, j + 1] = min(both) if wanted >= 0 else max(sum(both) - 1, 0)
    density = bound[1:, 1:] - bound[:-1, 1:] - bound[1:, :-1] + bound[:-1, :-1]
    places = np.arange(9)
    mean = places @ p, places @ q
    variances = [places**2 @ r - m**2 for r, m in zip((p, q), mean, strict=True)]
    spread = math.sqrt(max(variances[0], 0) * max(variances[1], 0))
    covariance = places @ density @ places - mean[0] * mean[1]
    reached = covariance / spread if spread > 1e-12 else 0.0
    share = min(max(wanted / reached, 0), 1) if abs(reached) > 1e-12 else 0.0
    joint = share * density + (1 - share) * np.outer(p, q)
    entropies = [-sum(c * math.log(c) for c in r if c > 0) for r in (p, q)]
    if sum(entropies) < 1e-12:
        return 0.0
    information = sum(
        joint[i, j] * math.log(joint[i, j] / (p[i] * q[j]))
        for i in range(9)
        for j in range(9)
        if joint[i, j] > 1e-15
    )
    return min(max(information / sum(entropies), 0), 0.5)


#: What the conventions have beside the nine.
MORE: dict[str, Callable[[Plane, Plane, Plane], float]] = {
    "MS-SSIM": multi_scale_similarity,
    "VIFF": visual_information_fidelity_for_fusion,
    "Nabf": invented_edges,
    **{f"FMI-{name}": feature_mutual_information(name) for name in ("pixel", "edge", "gradient")},
}
