"""Every metric that an independent library has, against it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import scipy.special
import scipy.stats
import skimage.measure
import skimage.metrics
import sklearn.metrics
import torch

from emma_fusion import metrics

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "metrics.py"


def summed(function, scene, *args, **kwargs):
    fused, infrared, visible = scene
    return sum(function(source, fused, *args, **kwargs) for source in (infrared, visible))


def test_entropy(scene):
    expected = skimage.measure.shannon_entropy(scene[0])
    assert metrics.entropy(scene[0]) == pytest.approx(expected, rel=1e-12)


def test_mutual_information(scene):
    def flat(metric):
        return lambda x, y: metric(x.ravel(), y.ravel())

    expected = summed(flat(sklearn.metrics.mutual_info_score), scene)
    assert metrics.mutual_information(*scene) == pytest.approx(expected, rel=1e-9)
    bits = metrics.mutual_information(*scene, unit="bits")
    assert bits == pytest.approx(expected / np.log(2), rel=1e-9)
    expected = summed(flat(sklearn.metrics.normalized_mutual_info_score), scene)
    assert metrics.normalised_mutual_information(*scene) == pytest.approx(expected, rel=1e-9)


def test_cross_entropy(scene):
    fused, *sources = scene
    p_f, *p_s = (np.bincount(x.ravel(), minlength=256) / x.size for x in (fused, *sources))
    # SciPy's is infinite where a level is missing from the fused picture, so those go first.
    expected = np.mean([scipy.special.rel_entr(p, p_f)[p_f > 0].sum() / np.log(2) for p in p_s])
    assert metrics.cross_entropy(*scene) == pytest.approx(expected, rel=1e-12)


def test_statistics(scene):
    fused, infrared, visible = (x.astype(np.float64) for x in scene)
    assert metrics.standard_deviation(scene[0]) == pytest.approx(fused.std(), rel=1e-12)

    def r(x, y):
        return scipy.stats.pearsonr(x.ravel(), y.ravel()).statistic

    assert metrics.correlation(*scene) == pytest.approx(
        (r(fused, infrared) + r(fused, visible)) / 2, rel=1e-9
    )
    assert metrics.correlation_of_differences(*scene) == pytest.approx(
        r(infrared, fused - visible) + r(visible, fused - infrared), rel=1e-9
    )


def test_errors(scene):
    errors = [skimage.metrics.mean_squared_error(source, scene[0]) for source in scene[1:]]
    assert metrics.mean_squared_error(*scene) == pytest.approx(np.mean(errors), rel=1e-12)
    assert metrics.root_mean_squared_error(*scene) == pytest.approx(
        np.sqrt(errors).mean(), rel=1e-12
    )
    fused, infrared, _ = scene
    assert metrics.peak_signal_to_noise(fused, infrared, infrared) == pytest.approx(
        skimage.metrics.peak_signal_noise_ratio(infrared, fused), rel=1e-12
    )


def test_gradients(scene):
    fused = scene[0].astype(np.float64)
    gy, gx = np.gradient(fused)
    assert metrics.average_gradient(scene[0]) == pytest.approx(
        np.sqrt((gx**2 + gy**2) / 2).mean(), rel=1e-12
    )
    sobel = [scipy.ndimage.sobel(fused, axis, mode="nearest") for axis in (0, 1)]
    assert metrics.edge_intensity(scene[0]) == pytest.approx(np.hypot(*sobel).mean(), rel=1e-12)
    means = [np.square(np.diff(fused, axis=axis)).mean() for axis in (0, 1)]
    assert metrics.spatial_frequency(scene[0]) == pytest.approx(np.sqrt(sum(means)), rel=1e-12)


@pytest.mark.parametrize(
    ("settings", "theirs"),
    [
        ({}, {"data_range": 255}),
        ({"data_range": 2.0}, {"data_range": 2}),
        (
            {"window": "gaussian"},
            {
                "data_range": 255,
                "gaussian_weights": True,
                "sigma": 1.5,
                "use_sample_covariance": False,
            },
        ),
    ],
)
def test_structural_similarity(scene, settings, theirs):
    doubles = [x.astype(np.float64) for x in scene]
    expected = summed(skimage.metrics.structural_similarity, doubles, **theirs)
    assert metrics.structural_similarity(*scene, **settings) == pytest.approx(expected, rel=1e-9)


def test_visual_information_fidelity(scene):
    image = pytest.importorskip("torchmetrics.functional.image")
    fused, *sources = (torch.from_numpy(x).double()[None, None] for x in scene)
    expected = sum(
        image.visual_information_fidelity(fused, source, sigma_n_sq=2.0).item()
        for source in sources
    )
    assert metrics.visual_information_fidelity(*scene) == pytest.approx(expected, rel=1e-6)


@pytest.fixture(scope="module")
def direct():
    """The formulas written directly with SciPy, which the benchmark takes as its measure."""
    spec = importlib.util.spec_from_file_location("benchmark_of_metrics", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_nine_against_direct_formulas(scene, direct):
    values = metrics.score(*scene, metrics=direct.NINE)
    doubles = [x.astype(np.float64) for x in scene]
    expected = {name: direct.DIRECT[name](*doubles) for name in direct.NINE}
    assert values == pytest.approx(expected, rel=1e-9)


def test_multi_scale_similarity_against_a_direct_formula(scene, direct):
    """Not against torchmetrics, which has no valid windows at the coarsest scale (1.9)."""
    planes = [x.astype(np.float64) for x in scene]
    x = np.arange(-5, 6)
    window = np.exp(-(x[:, None] ** 2 + x[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2, products = 2.55**2, 7.65**2, np.ones(2)
    for weight in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):
        for i, source in enumerate(planes[1:]):
            mean_x, mean_y, power_x, power_y, covariance = direct.moments(source, planes[0], window)
            contrast = (2 * covariance + c2) / (power_x + power_y + c2)
            if weight == 0.1333:
                contrast *= (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
            products[i] *= contrast.mean() ** weight
        even = [plane[: len(plane) // 2 * 2, : plane.shape[1] // 2 * 2] for plane in planes]
        planes = [p.reshape(len(p) // 2, 2, -1, 2).mean((1, 3)) for p in even]
    assert metrics.multi_scale_similarity(*scene) == pytest.approx(products.sum(), rel=1e-9)


def test_viff_against_a_direct_formula(scene, direct):
    planes = [x.astype(np.float64) for x in scene]
    noise, total = 0.005 * 255**2, 0.0
    for side, weight in zip((17, 9, 5, 3), (1, 0, 0.15, 1), strict=True):
        x = np.arange(side) - side // 2
        window = np.exp(-(x[:, None] ** 2 + x[None] ** 2) / (2 * (side / 5) ** 2))
        window /= window.sum()
        if side < 17:
            planes = [direct.convolve2d(p, window, "valid")[::2, ::2] for p in planes]
        kept, held, gains = [], [], []
        for source in planes[1:]:
            _, _, power, power_f, covariance = direct.moments(source, planes[0], window)
            gain = np.where(covariance > 0, covariance / (power + 1e-10), 0)
            left = np.maximum(power_f - gain * covariance, 1e-10)
            kept.append(np.log(1 + gain**2 * power / (left + noise)))
            held.append(np.log(1 + power / noise))
            gains.append(gain)
        of_a = gains[0] < gains[1]
        total += weight * np.where(of_a, *kept).sum() / np.where(of_a, *held).sum() / 2.15
    assert metrics.visual_information_fidelity_for_fusion(*scene) == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("feature", ["pixel", "gradient"])
def test_fmi_against_loops(feature):
    """The published estimate, window by window and place by place."""
    random = np.random.default_rng(4)
    scene = random.integers(1, 256, (3, 5, 6)).astype(np.uint8)
    features = scene.astype(np.float64)
    if feature == "gradient":
        features = np.array([np.hypot(*np.gradient(plane)) for plane in features])
    values = []
    for top in range(3):
        for left in range(4):
            f, *sources = (x[top : top + 3, left : left + 3].ravel() for x in features)
            values.append(sum(_shared_by_loops(f, source) for source in sources))
    expected = np.mean(values)
    value = metrics.feature_mutual_information(*scene, feature=feature)
    assert value == pytest.approx(expected, rel=1e-9)


def _shared_by_loops(x, y):
    p, q = x / x.sum(), y / y.sum()
    cumulated_p, cumulated_q = p.cumsum(), q.cumsum()
    wanted = np.corrcoef(x, y)[0, 1]
    places = np.arange(9)
    bound, joint = np.zeros((10, 10)), np.zeros((9, 9))
    for i in range(9):
        for j in range(9):
            both = cumulated_p[i], cumulated_q[j]
            bound[i + 1, j + 1] = min(both) if wanted >= 0 else max(sum(both) - 1, 0)
    density = bound[1:, 1:] - bound[:-1, 1:] - bound[1:, :-1] + bound[:-1, :-1]
    mean = places @ p, places @ q
    spread = np.sqrt((places**2 @ p - mean[0] ** 2) * (places**2 @ q - mean[1] ** 2))
    reached = (places @ density @ places - mean[0] * mean[1]) / spread
    share = min(max(wanted / reached, 0), 1)
    joint = share * density + (1 - share) * np.outer(p, q)
    information = sum(
        joint[i, j] * np.log(joint[i, j] / (p[i] * q[j]))
        for i in range(9)
        for j in range(9)
        if joint[i, j] > 1e-15
    )
    return min(max(information / (scipy.stats.entropy(p) + scipy.stats.entropy(q)), 0), 0.5)
