"""What holds for every metric, whatever its formula."""

import math

import numpy as np
import pytest
import torch

from emma_fusion import metrics
from emma_fusion.errors import UserError
from emma_fusion.metrics import METRICS

# Of images that are all three the same one.
OF_EQUAL_IMAGES = {
    "NMI": 2,
    "CE": 0,
    "CC": 1,
    "SCD": 0,
    "VIF": 2,
    "VIFF": 1,
    "Qabf": 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4)),
    "Nabf": 0,
    "SSIM": 2,
    "MS-SSIM": 2,
    "FMI-pixel": 1,
    "FMI-edge": 1,
    "FMI-gradient": 1,
    "Qcb": 1,
    "Qcv": 0,
    "PSNR": math.inf,
    "MSE": 0,
    "RMSE": 0,
    "pattern": 1,
}
SMALLEST = {
    "AG": 2,
    "VIF": 41,
    "VIFF": 41,
    "SSIM": 11,
    "MS-SSIM": 176,
    "FMI-pixel": 3,
    "FMI-edge": 3,
    "FMI-gradient": 3,
    "pattern": 4,
}

every_metric = pytest.mark.parametrize("name", METRICS)
every_pair_metric = pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.sources])


def value_of(name, fused, infrared, visible):
    metric = METRICS[name]
    return metric.function(*(fused, infrared, visible)[: metric.sources + 1])


@every_pair_metric
def test_equal_images(name, scene):
    expected = OF_EQUAL_IMAGES.get(name)
    if name == "MI":
        expected = 2 * metrics.entropy(scene[0]) * math.log(2)
    value = value_of(name, scene[0], scene[0], scene[0])
    assert value == pytest.approx(expected, rel=1e-7, abs=1e-9)


@every_metric
def test_values_lie_in_the_stated_range(name, scene):
    metric = METRICS[name]
    fused, infrared, visible = scene
    noise = np.random.default_rng(0).integers(0, 256, fused.shape, dtype=np.uint8)
    for images in (scene, (noise, infrared, visible), (infrared, infrared, visible)):
        assert metric.low <= value_of(name, *images) <= metric.high


@every_metric
def test_the_kind_of_number_does_not_matter(name, scene):
    expected = value_of(name, *scene)
    for kind in (
        lambda x: x.astype(np.uint16) * 257,
        lambda x: (x / 255).astype(np.float32),
        lambda x: x / 255,
        lambda x: np.asfortranarray(x),
        lambda x: x[::-1][::-1],
    ):
        value = value_of(name, *map(kind, scene))
        assert isinstance(value, float)
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)


@every_metric
def test_batches_and_tensors(name, scene):
    other = [np.ascontiguousarray(x[::-1]) for x in scene]
    singles = [value_of(name, *scene), value_of(name, *other)]
    arrays = [np.stack(pair) for pair in zip(scene, other, strict=True)]
    values = value_of(name, *arrays)
    assert isinstance(values, np.ndarray)
    np.testing.assert_allclose(values, singles, rtol=1e-12)
    tensors = [torch.from_numpy(x / np.float32(255))[:, None] for x in arrays]
    values = value_of(name, *tensors)
    assert values.shape == (2, 1)
    assert values.dtype == torch.float64
    np.testing.assert_allclose(values[:, 0].numpy(), singles, rtol=1e-9)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@every_metric
def test_a_gpu_gives_the_same_there(name, scene):
    tensors = [torch.from_numpy(x).cuda() for x in scene]
    value = value_of(name, *(x[None] for x in tensors))
    assert value.device == tensors[0].device
    assert value.item() == pytest.approx(value_of(name, *scene), rel=1e-9)


def test_the_filters_of_other_devices_give_the_same():
    """What a GPU runs in the place of OpenCV, run here."""
    from emma_fusion.metrics import filters

    plane = torch.rand(40, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for rows, columns in (([1.0, 2, 1], [-1.0, 0, 1]), ([0.25] * 4, filters.gaussian(17, 3.4))):
        slow = filters.shifted_sums(filters.shifted_sums(plane, columns, -1), rows, -2)
        torch.testing.assert_close(filters.correlate(plane, rows, columns), slow)


# VIFF takes the second source where both gains are equal, as where both are zero.
@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.sources and n != "VIFF"])
def test_the_order_of_the_sources_does_not_matter(name, scene):
    fused, infrared, visible = scene
    swapped = value_of(name, fused, visible, infrared)
    assert swapped == pytest.approx(value_of(name, *scene), rel=1e-9)


@every_pair_metric
def test_the_fused_image_is_not_a_source(name, scene):
    fused, infrared, visible = scene
    assert value_of(name, infrared, fused, visible) != pytest.approx(value_of(name, *scene))


@every_metric
def test_sources_are_left_alone(name, scene):
    before = [x.copy() for x in scene]
    tensors = [torch.from_numpy(x).double() / 255 for x in scene]
    copies = [x.clone() for x in tensors]
    value_of(name, *scene)
    value_of(name, *tensors)
    for x, y in zip(before, scene, strict=True):
        np.testing.assert_array_equal(x, y)
    for x, y in zip(copies, tensors, strict=True):
        assert torch.equal(x, y)


@every_metric
def test_constant_images_have_defined_values(name, scene):
    flat, other = np.full_like(scene[0], 7), np.full_like(scene[0], 90)
    black = np.zeros_like(flat)
    for images in (
        (flat, *scene[1:]),
        (scene[0], flat, other),
        (scene[0], flat, scene[2]),
        (flat, flat, other),
        (black, black, black),
        (flat, flat, flat),
    ):
        value = value_of(name, *images)
        assert not math.isnan(value)
        # Without any error, and where a pattern is all there is.
        assert math.isfinite(value) or name in ("PSNR", "pattern")
    expected = {**OF_EQUAL_IMAGES, "MI": 0, "CC": 0, "SCD": 0}.get(name, 0)
    assert value_of(name, flat, flat, flat) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@every_metric
def test_too_small_is_one_sentence_and_the_smallest_works(name, scene):
    side = SMALLEST.get(name, 1)
    assert math.isfinite(value_of(name, *(x[:side, :side] for x in scene)))
    if side > 1:
        with pytest.raises(UserError, match=f"at least {side}x{side} pixels, not {side - 1}x"):
            value_of(name, *(x[: side - 1] for x in scene))


@pytest.mark.parametrize(
    ("fused", "words"),
    [
        (np.full((50, 50), np.nan), "not finite"),
        (np.full((50, 50), np.inf, np.float32), "not finite"),
        (np.full((50, 50), 200.0), r"\[0, 1\]"),
        (np.zeros((50, 50), np.int64), "int64"),
        (np.zeros((50, 50), bool), "bool"),
        (np.zeros((50, 51), np.uint8), r"fused is \(50, 51\)"),
        (np.zeros(50, np.uint8), r"\(50,\)"),
        (np.zeros((0, 50), np.uint8), r"\(0, 50\)"),
        ("a.png", "str"),
        (torch.zeros(50, 50, dtype=torch.complex64), "complex"),
    ],
)
def test_bad_images_are_one_sentence(fused, words):
    source = np.zeros((50, 50), np.uint8)
    with pytest.raises(UserError, match=words):
        metrics.mutual_information(fused, source, source)


def test_a_pattern_is_found_and_flat_images_have_none(scene):
    fused, infrared, visible = scene
    rows, columns = np.indices(fused.shape)
    for grid in (columns, rows, rows + columns):
        hidden = np.clip(fused.astype(int) + 12 * (-1) ** grid, 0, 255).astype(np.uint8)
        clean = metrics.hidden_pattern_ratio(fused, infrared, visible)
        assert metrics.hidden_pattern_ratio(hidden, infrared, visible) > 2 * clean
    flat = np.full_like(fused, 100)
    pattern = flat + (rows % 2).astype(np.uint8)
    assert metrics.hidden_pattern_ratio(flat, flat, flat) == 1
    assert metrics.hidden_pattern_ratio(pattern, flat, flat) == math.inf
    assert metrics.hidden_pattern_ratio(pattern, pattern, flat) == 1


def test_a_hidden_pattern_of_known_strength():
    flat = np.full((16, 16), 100.0)
    grid = (-1.0) ** np.indices(flat.shape).sum(axis=0)
    weak, strong = ((flat + amplitude * grid) / 255 for amplitude in (2, 6))
    assert metrics.hidden_pattern_ratio(strong, weak, weak) == pytest.approx(3)


def test_invented_edges_count_and_kept_ones_do_not(scene):
    _, infrared, visible = scene
    mean = ((infrared.astype(int) + visible) // 2).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 25, mean.shape)
    noisy = np.clip(mean + noise, 0, 255).astype(np.uint8)
    assert metrics.invented_edges(mean, infrared, visible) < 0.01
    assert metrics.invented_edges(noisy, infrared, visible) > 0.1


def test_the_table_is_complete():
    assert {m.name: m for m in METRICS.values()} == METRICS
    for convention in metrics.CONVENTIONS.values():
        assert set(convention.metrics) <= set(METRICS)
        assert set(convention.default) <= set(convention.metrics)
    assert set(metrics.CONVENTIONS["ours"].metrics) == set(METRICS)
    for metric in METRICS.values():
        assert metric.better in ("higher", "lower")
        assert metric.low < metric.high
        function = getattr(metric.function, "func", metric.function)
        assert function.__doc__.count("\n") > 5


def test_conventions_are_frozen():
    with pytest.raises(TypeError):
        metrics.CONVENTIONS["mine"] = metrics.CONVENTIONS["ours"]
    with pytest.raises(TypeError):
        metrics.CONVENTIONS["ours"].metrics["EN"] = metrics.standard_deviation


@pytest.mark.parametrize("convention", metrics.CONVENTIONS)
def test_score_gives_what_the_convention_has(convention, small_scene):
    values = metrics.score(*small_scene, convention=convention)
    assert tuple(values) == metrics.CONVENTIONS[convention].default
    assert all(isinstance(value, float) for value in values.values())
    some = metrics.score(*small_scene, convention=convention, metrics=("SF", "EN"))
    assert some == {name: values[name] for name in ("SF", "EN")}


def test_known_differences_of_the_tang_convention(small_scene):
    ours = metrics.score(*small_scene, metrics=("PSNR", "MI"))
    tang = metrics.score(*small_scene, convention="tang")
    assert tang["PSNR"] - ours["PSNR"] == pytest.approx(20 * math.log10(255))
    merged = [np.minimum(x, 254) for x in small_scene]
    assert tang["MI"] == pytest.approx(metrics.mutual_information(*merged) / math.log(2))
    fused, infrared, visible = small_scene
    assert tang["Nabf"] == metrics.invented_edges(infrared, visible, fused)


def test_colour_is_scored_by_its_luminance(small_scene):
    fused, infrared, visible = small_scene
    colour = np.dstack([visible, fused, infrared])
    for kind in (np.asarray, torch.from_numpy):
        grey = metrics.luminance(kind(colour))
        assert grey.dtype == kind(visible).dtype
        expected = np.rint(colour @ np.array([0.299, 0.587, 0.114]))
        np.testing.assert_array_equal(np.asarray(grey), expected)
    values = metrics.score(fused, infrared, colour)
    assert values == metrics.score(fused, infrared, metrics.luminance(colour))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"convention": "mine"}, "ours, paper, vifb, tang"),
        ({"metrics": ["EN", "XY"]}, "'XY'"),
        ({"convention": "vifb", "metrics": ["VIF"]}, "Qcb"),
    ],
)
def test_unknown_names_list_the_known_ones(arguments, words, small_scene):
    with pytest.raises(UserError, match=words):
        metrics.score(*small_scene, **arguments)


def test_images_with_odd_channels_are_refused(small_scene):
    fused, infrared, visible = small_scene
    with pytest.raises(UserError, match="visible image must be"):
        metrics.score(fused, infrared, np.dstack([visible] * 2))
    with pytest.raises(UserError, match="visible image must be"):
        metrics.score(np.dstack([fused] * 3), infrared, np.dstack([visible] * 4), convention="vifb")


@pytest.mark.parametrize(
    ("fused", "expected"),
    [
        (np.array([[10, 20, 30]], np.uint8), [[0, 128, 255]]),
        (np.array([[0.2, 0.6]], np.float32), [[0, 255]]),
        (np.array([[500, 60000]], np.uint16), [[0, 255]]),
        (np.array([[7, 7]], np.uint8), [[7, 7]]),
        (np.array([[0.5, 0.5]]), [[128, 128]]),
        (np.array([[257, 257]], np.uint16), [[1, 1]]),
    ],
)
def test_the_paper_protocol(fused, expected):
    prepared = metrics.prepare(fused, "paper")
    assert prepared.dtype == np.uint8
    np.testing.assert_array_equal(prepared, expected)
    assert metrics.prepare(fused, "direct") is fused


def test_an_unknown_protocol():
    with pytest.raises(UserError, match="direct, paper"):
        metrics.prepare(np.zeros((2, 2), np.uint8), "stretch")


def test_an_image_that_carries_gradients_is_scored_like_any_other():
    generator = torch.Generator().manual_seed(0)
    fused, infrared, visible = torch.rand(3, 48, 48, generator=generator).unbind()
    plain = metrics.score(fused, infrared, visible, metrics=["SSIM", "VIF", "SCD"])
    with_gradients = fused.clone().requires_grad_()
    assert metrics.score(with_gradients, infrared, visible, metrics=list(plain)) == plain
