"""The transforms: what they undo, what they combine to, and which pixels they vouch for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from emma_fusion.equivariance import Reflection, Rotation, Shift, Transform, Zoom
from emma_fusion.equivariance.transforms import Choice, Sum

EXACT = {
    "shift": Shift(),
    "small shift": Shift(limit=3),
    "reflection": Reflection(),
    "shift of a reflection": Shift() * Reflection(),
    "shift or reflection": Shift() | Reflection(),
}
ALL = EXACT | {
    "rotation": Rotation(),
    "three rotations": Rotation(angles=(10, 130, 250)),
    "rotation, mirrored corners": Rotation(padding="reflection"),
    "zoom": Zoom(),
    "zoom, mirrored frame": Zoom(padding="reflection"),
    "shift of a rotation": Shift() * Rotation(),
    "rotation of a shift": Rotation() * Shift(),
    "rotation of a rotation": Rotation() * Rotation(),
    "any one": Shift() | Rotation() | Reflection(),
    "all": Shift() + Rotation() + Reflection(),
    "copies": (Reflection() * Rotation()).copies(3),
}
sizes = st.integers(1, 21)
seeds = st.integers(0, 2**32)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=seeded(seed))


def smooth(batch: int, height: int, width: int) -> Tensor:
    """One period along each axis, so that a cyclic shift leaves no seam."""
    r, c = torch.arange(height)[:, None] / height, torch.arange(width) / width
    one = 0.5 + 0.25 * torch.sin(2 * torch.pi * (r + c)) + 0.2 * torch.cos(2 * torch.pi * c)
    return one.expand(batch, 1, -1, -1)


@pytest.mark.parametrize("transform", EXACT.values(), ids=EXACT.keys())
@settings(max_examples=25, deadline=None)
@given(height=sizes, width=sizes, batch=st.integers(1, 4), seed=seeds)
def test_shifts_and_reflections_are_undone_exactly(
    transform: Transform, height: int, width: int, batch: int, seed: int
) -> None:
    x = noise(batch, 2, height, width, seed=seed)
    params = transform.draw(batch, height, width, seeded(seed))
    y, mask = transform.apply(x, params)
    back, mask = transform.inverse(y, params, mask)
    assert torch.equal(back, x)
    assert mask.all()


@pytest.mark.parametrize("transform", ALL.values(), ids=ALL.keys())
def test_inverse_after_apply_is_identity_inside_the_mask(transform: Transform) -> None:
    x = smooth(4, 96, 80)
    params = transform.draw(4, 96, 80, seeded(1))
    y, mask = transform.apply(x, params)
    back, mask = transform.inverse(y, params, mask)
    wanted = x.repeat(transform.factor, 1, 1, 1)
    assert mask.float().mean() > 0.3
    assert (back - wanted)[mask].abs().max() < 3e-3


@pytest.mark.parametrize("transform", ALL.values(), ids=ALL.keys())
@settings(max_examples=15, deadline=None)
@given(height=sizes, width=sizes, seed=seeds)
def test_ones_stay_ones_inside_the_mask(
    transform: Transform, height: int, width: int, seed: int
) -> None:
    x = torch.ones(3, 1, height, width, dtype=torch.float64)
    params = transform.draw(3, height, width, seeded(seed))
    y, mask = transform.apply(x, params)
    # Bilinear weights add to 1 but for rounding; one padded pixel read would cost far more.
    torch.testing.assert_close(y[mask], torch.ones_like(y[mask]), rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(2, 21), width=st.integers(2, 21), seed=seeds)
def test_no_pixel_inside_the_mask_depends_on_an_invalid_one(
    height: int, width: int, seed: int
) -> None:
    transform = Rotation() * Shift() * Rotation()
    params = transform.draw(2, height, width, seeded(seed))
    valid = noise(2, 1, height, width, seed=seed) > 0.05
    x = noise(2, 1, height, width)
    y, mask = transform.apply(x, params, valid)
    changed, again = transform.apply(torch.where(valid, x, 1e6), params, valid)
    assert torch.equal(mask, again)
    assert torch.equal(y[mask], changed[mask])


@settings(max_examples=30, deadline=None)
@given(height=sizes, width=sizes, degrees=st.floats(-720, 720))
def test_rotation_reads_outside_the_image_nowhere_inside_the_mask(
    height: int, width: int, degrees: float
) -> None:
    params = {"degrees": torch.tensor([degrees], dtype=torch.float64)}
    x = noise(1, 1, height, width)
    y, mask = Rotation().apply(x, params)
    for padding in ("border", "reflection"):
        other, same = Rotation(padding=padding).apply(x, params)
        assert torch.equal(mask, same)
        # Only an edge that rounding missed, by at most 1e-3 pixel, may differ.
        torch.testing.assert_close(other[mask], y[mask], rtol=0, atol=2e-3)


def test_rotation_turns_counter_clockwise_and_right_angles_are_exact() -> None:
    x = noise(3, 1, 9, 9)
    params = {"degrees": torch.tensor([90.0, 180.0, 360.0], dtype=torch.float64)}
    y, mask = Rotation().apply(x, params)
    assert mask.all()
    wanted = torch.stack([torch.rot90(x[0], 1, (-2, -1)), torch.rot90(x[1], 2, (-2, -1)), x[2]])
    torch.testing.assert_close(y, wanted, rtol=0, atol=1e-5)


def test_a_zoom_enlarges_about_the_centre() -> None:
    columns = torch.linspace(-1, 1, 41)[None, None, None].expand(2, 1, 31, -1)
    y, mask = Zoom().apply(columns, {"factor": torch.tensor([2.0, 0.5])})
    torch.testing.assert_close(y[0], columns[0] / 2, rtol=0, atol=1e-5)
    assert mask[0].all()
    torch.testing.assert_close(y[1, :, 8:23, 10:31], 2 * columns[1, :, 8:23, 10:31])
    assert mask[1, 0, 8:23, 10:31].all()
    assert mask[1].sum() == 15 * 21
    assert (y[1][~mask[1]] == 0).all()


def test_the_mask_of_a_rotation_is_the_turned_frame() -> None:
    degrees = torch.tensor([37.0], dtype=torch.float64)
    _, mask = Rotation().apply(torch.zeros(1, 1, 33, 47), {"degrees": degrees})
    angle = torch.deg2rad(degrees[0])
    for r in range(33):
        for c in range(47):
            down, across = r - 16, c - 23
            source_c = across * angle.cos() - down * angle.sin()
            source_r = across * angle.sin() + down * angle.cos()
            assert mask[0, 0, r, c] == bool(source_c.abs() <= 23 and source_r.abs() <= 16)


def test_reflections_are_the_ones_named() -> None:
    x = noise(1, 1, 3, 4)
    for kind, dims in (("horizontal", [-1]), ("vertical", [-2]), ("both", [-2, -1])):
        transform = Reflection(kinds=[kind])
        y, _ = transform.apply(x, transform.draw(1, 3, 4, seeded()))
        assert torch.equal(y, x.flip(dims))


def test_shift_moves_down_and_right() -> None:
    x = noise(1, 1, 5, 6)
    y, _ = Shift().apply(x, {"rows": torch.tensor([1]), "columns": torch.tensor([2])})
    assert torch.equal(y[0, 0, 1:, 2:], x[0, 0, :-1, :-2])
    assert torch.equal(y[0, 0, 0, 2:], x[0, 0, -1, :-2])


def test_draws_cover_what_they_should_and_nothing_else() -> None:
    generator = seeded()
    rows = Shift().draw(2000, 5, 7, generator)
    assert set(rows["rows"].tolist()) == set(range(5))
    assert set(rows["columns"].tolist()) == set(range(7))
    assert set(Shift(limit=1).draw(200, 5, 7, generator)["rows"].tolist()) == {-1, 0, 1}
    degrees = Rotation(limits=(-20, 20)).draw(2000, 5, 7, generator)["degrees"]
    assert degrees.min() < -18
    assert degrees.max() > 18
    assert degrees.abs().max() <= 20
    given = Rotation(angles=(10, 130, 250)).draw(200, 5, 7, generator)["degrees"]
    assert set(given.tolist()) == {10, 130, 250}
    option = (Shift() | Rotation() | Reflection()).draw(3000, 5, 7, generator)["option"]
    assert torch.bincount(option, minlength=3).min() > 900


@pytest.mark.parametrize("transform", ALL.values(), ids=ALL.keys())
def test_one_generator_state_gives_one_result_and_touches_no_other(transform: Transform) -> None:
    x, before = noise(3, 1, 16, 24), torch.get_rng_state()
    images = [transform.apply(x, transform.draw(3, 16, 24, seeded(seed)))[0] for seed in (5, 5, 6)]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("transform", ALL.values(), ids=ALL.keys())
def test_samples_of_a_batch_do_not_mix(transform: Transform) -> None:
    x = noise(3, 1, 16, 24)
    params = transform.draw(3, 16, 24, seeded())
    changed = x.clone()
    changed[1] = 0
    y, z = (transform.apply(each, params)[0] for each in (x, changed))
    same = (y == z).flatten(1).all(1)
    assert same.tolist() == [True, False, True] * transform.factor


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("transform", ALL.values(), ids=ALL.keys())
def test_dtype_is_kept_and_half_types_stay_in_place(
    transform: Transform, dtype: torch.dtype
) -> None:
    x = smooth(2, 96, 96).to(dtype)
    params = transform.draw(2, 96, 96, seeded())
    y, mask = transform.apply(x, params)
    exact, exact_mask = transform.apply(x.double(), params)
    assert y.dtype == dtype
    assert (mask != exact_mask).float().mean() < 1e-3
    both = mask & exact_mask
    tolerance = 2 * torch.finfo(dtype).eps if dtype.itemsize == 2 else 1e-4
    assert (y.double() - exact)[both].abs().max() < tolerance


@pytest.mark.parametrize("transform", ALL.values(), ids=ALL.keys())
def test_device_makes_no_difference(transform: Transform) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    x = smooth(2, 32, 32)
    params = transform.draw(2, 32, 32, seeded())
    y, mask = transform.apply(x, params)
    on_gpu, gpu_mask = transform.apply(x.cuda(), params)
    assert on_gpu.is_cuda
    assert gpu_mask.is_cuda
    both = mask & gpu_mask.cpu()
    assert (mask != gpu_mask.cpu()).float().mean() < 1e-3
    assert (y - on_gpu.cpu())[both].abs().max() < 1e-4


@pytest.mark.parametrize("transform", ALL.values(), ids=ALL.keys())
def test_gradients_flow_and_are_right(transform: Transform) -> None:
    x = noise(2, 1, 5, 6).double().requires_grad_()
    params = transform.draw(2, 5, 6, seeded())
    assert torch.autograd.gradcheck(lambda each: transform.apply(each, params)[0], x)


def test_composition_does_the_right_one_first() -> None:
    x = noise(2, 1, 12, 12)
    composed = Shift() * Reflection(kinds=["horizontal"])
    params = composed.draw(2, 12, 12, seeded())
    y, _ = composed.apply(x, params)
    flipped, _ = Reflection().apply(x, params["first"])
    assert torch.equal(y, Shift().apply(flipped, params["second"])[0])


def test_a_rotation_after_a_rotation_is_their_sum_where_both_are_valid() -> None:
    x = smooth(1, 64, 64)
    twice = Rotation(angles=(25,)) * Rotation(angles=(40,))
    y, mask = twice.apply(x, twice.draw(1, 64, 64, seeded()))
    once = Rotation(angles=(65,))
    z, once_mask = once.apply(x, once.draw(1, 64, 64, seeded()))
    assert mask.sum() < once_mask.sum()
    assert (y - z)[mask & once_mask].abs().max() < 2e-3


def test_choice_does_one_option_for_each_sample() -> None:
    x = noise(16, 1, 8, 8)
    choice = Shift() | Reflection()
    params = choice.draw(16, 8, 8, seeded())
    y, _ = choice.apply(x, params)
    shifted, _ = Shift().apply(x, params["params"][0])
    mirrored, _ = Reflection().apply(x, params["params"][1])
    for k, option in enumerate(params["option"].tolist()):
        assert torch.equal(y[k], (shifted, mirrored)[option][k])


def test_sum_concatenates_along_the_batch() -> None:
    x = noise(3, 1, 8, 8)
    total = Shift() + Reflection()
    params = total.draw(3, 8, 8, seeded())
    y, mask = total.apply(x, params)
    assert total.factor == 2
    assert len(y) == len(mask) == 6
    assert torch.equal(y[:3], Shift().apply(x, params["params"][0])[0])
    assert torch.equal(y[3:], Reflection().apply(x, params["params"][1])[0])


def test_operators_flatten_and_factors_multiply() -> None:
    assert len((Shift() | Rotation() | Reflection()).options) == 3  # type: ignore[attr-defined]
    assert len((Shift() + (Rotation() + Reflection())).parts) == 3  # type: ignore[attr-defined]
    nine = Shift().copies(3) + Rotation().copies(3) + Reflection().copies(3)
    assert nine.factor == 9
    x = noise(2, 1, 8, 8)
    both = Rotation() * Shift().copies(2)
    assert both.factor == 2
    y, _ = both.apply(x, both.draw(2, 8, 8, seeded()))
    assert len(y) == 4


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: Shift(limit=-1),
        lambda: Rotation(angles=()),
        lambda: Rotation(limits=(20, 10)),
        lambda: Rotation(padding="wrap"),  # type: ignore[arg-type]
        lambda: Zoom(limits=(0, 1)),
        lambda: Zoom(limits=(2, 1)),
        lambda: Zoom(padding="wrap"),  # type: ignore[arg-type]
        lambda: Reflection(kinds=["diagonal"]),  # type: ignore[list-item]
        lambda: Reflection(kinds=[]),
        lambda: Sum(()),
        lambda: Shift().copies(0),
        lambda: Choice((Shift() + Shift(), Shift())),
        lambda: Shift().apply(torch.zeros(3, 1, 4, 4), Shift().draw(2, 4, 4, seeded())),
    ],
)
def test_mistakes_are_refused(mistake) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        mistake()
