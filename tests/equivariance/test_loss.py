import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import sobel as scipy_sobel

from emma_fusion.equivariance import Rotation, Shift, emma_terms, fidelity, sobel

GENERATOR = 0
GOLDEN = Path(os.environ.get("EMMA_DATA", "../shared/data")).parent / "golden"


def planes(n, batch=3, size=16):
    generator = torch.Generator().manual_seed(GENERATOR)
    return torch.rand(n, batch, 1, size, size, generator=generator).unbind(0)


def test_sobel_agrees_with_scipy():
    (x,) = planes(1)
    got = sobel(x)[0].numpy()
    image = x[0, 0].numpy()
    for index, axis in enumerate((1, 0)):
        expected = scipy_sobel(image, axis=axis, mode="nearest") / 8
        assert np.allclose(got[index], expected, atol=1e-6)


@pytest.mark.parametrize("weight", [1.0, 8.0])
def test_fidelity_is_the_papers(weight):
    """The value that the published loss has on the planes of the parity test."""
    path = GOLDEN / "parity" / "ufuser.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    planes = np.load(path)
    i, v = (torch.from_numpy(planes[name])[None, None] for name in ("infrared", "visible"))
    got = fidelity(i, v, gradient=weight).item()
    assert got == pytest.approx(0.276134 + weight * 0.041087, abs=1e-6 * weight)


def test_fidelity_is_the_formula():
    x, y = planes(2)
    gradients = (sobel(x) - sobel(y)).abs().mean()
    assert fidelity(x, y).item() == pytest.approx(((x - y).abs().mean() + gradients).item())
    assert fidelity(x, x).item() == 0


def test_a_full_mask_changes_nothing():
    x, y = planes(2)
    full = torch.ones_like(x, dtype=torch.bool)
    assert fidelity(x, y, full).item() == pytest.approx(fidelity(x, y).item(), rel=1e-6)


def test_what_the_mask_excludes_never_counts():
    x, y = planes(2)
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[..., 3:12, 4:14] = True
    expected = fidelity(x, y, mask)
    spoiled = torch.where(mask, x, torch.full_like(x, 99.0)).requires_grad_()
    loss = fidelity(spoiled, y, mask)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(loss, spoiled)
    assert gradient[~mask].abs().max() == 0
    assert fidelity(x, y, torch.zeros_like(mask)).item() == 0


def test_the_loss_of_a_batch_is_the_mean_of_its_parts():
    x, y = planes(2, batch=4)
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[1, ..., :7] = False
    whole = fidelity(x, y, mask)
    parts = [fidelity(x[p], y[p], mask[p]) for p in (slice(0, 2), slice(2, 4))]
    assert whole.item() == pytest.approx(sum(parts).item() / 2, rel=1e-6)


def average(infrared, visible):
    return (infrared + visible) / 2


def test_terms_of_a_perfect_model_are_zero():
    """Where both sensors see the same, the average and the identity solve the problem."""
    (i,) = planes(1)
    params = Shift().draw(3, 16, 16, torch.Generator().manual_seed(1))
    terms = emma_terms(average, lambda f: f, lambda f: f, i, i, Shift(), params)
    assert terms.total(0.1).item() == pytest.approx(0, abs=1e-7)
    assert torch.equal(terms.fused, i)


def test_each_term_sees_its_own_error():
    i, v = planes(2)
    params = Shift().draw(3, 16, 16, torch.Generator().manual_seed(1))

    def terms(sense_i, sense_v, transform=None, fuser=average):
        return emma_terms(fuser, sense_i, sense_v, i, v, transform, params)

    wrong_i = terms(lambda f: f * 0, lambda f: v)
    assert wrong_i.visible.item() == 0
    assert wrong_i.infrared.item() == pytest.approx(fidelity(i * 0, i).item())
    assert wrong_i.equivariance.item() == 0

    good = emma_terms(average, lambda f: f, lambda f: f, i, v, Shift(), params)
    assert good.equivariance.item() == pytest.approx(0, abs=1e-7)
    dark = emma_terms(average, lambda f: f / 2, lambda f: f / 2, i, v, Shift(), params)
    turned, _ = Shift().apply(average(i, v), params)
    assert dark.equivariance.item() == pytest.approx(fidelity(turned, turned / 2).item())
    total = dark.infrared + dark.visible + 0.3 * dark.equivariance
    assert dark.total(0.3).item() == pytest.approx(total.item())


def test_f_itself_is_the_first_of_its_copies():
    """Sensed darker, f is to come again and comes darker; with a shift beside it, twice."""
    i, v = planes(2)
    params = Shift().draw(3, 16, 16, torch.Generator().manual_seed(1))

    def dark(f):
        return f / 2

    f = average(i, v)
    alone = emma_terms(average, dark, dark, i, v, None, {}, itself=True)
    assert alone.equivariance.item() == pytest.approx(fidelity(f, f / 2).item(), rel=1e-6)
    both = emma_terms(average, dark, dark, i, v, Shift(), params, itself=True)
    shifted, _ = Shift().apply(f, params)
    parts = (fidelity(f, f / 2) + fidelity(shifted, shifted / 2)) / 2
    assert both.equivariance.item() == pytest.approx(parts.item(), rel=1e-6)


def test_noise_is_on_what_the_sensing_networks_see_and_not_on_what_is_to_come_again():
    i, v = planes(2)
    f = average(i, v)
    lighter = emma_terms(
        average, lambda x: x, lambda x: x, i, v, None, {}, itself=True, noise=lambda x: x + 0.25
    )
    assert lighter.infrared.item() == pytest.approx(fidelity(f + 0.25, i).item())
    assert lighter.equivariance.item() == pytest.approx(0.25, rel=1e-5)
    assert torch.equal(lighter.fused, f)


def test_empty_corners_of_a_rotation_never_enter():
    i, v = planes(2, size=32)
    rotation = Rotation(angles=(45,))
    params = rotation.draw(3, 32, 32, torch.Generator().manual_seed(1))
    corner = rotation.apply(torch.ones(3, 1, 32, 32), params)[0] < 0.5
    assert corner[..., 0, 0].all()
    spoil = torch.cat((torch.zeros_like(corner), corner))

    def sense(f):
        return torch.where(spoil, torch.full_like(f, 50.0), f)

    plain = emma_terms(average, lambda f: f, lambda f: f, i, v, rotation, params)
    spoiled = emma_terms(average, sense, sense, i, v, rotation, params)
    assert spoiled.equivariance.item() == pytest.approx(plain.equivariance.item(), abs=1e-6)


def test_gradients_reach_the_fuser_through_all_terms():
    i, v = planes(2)
    weight = torch.tensor(0.5, requires_grad=True)
    params = Shift().draw(3, 16, 16, torch.Generator().manual_seed(1))
    terms = emma_terms(
        lambda a, b: weight * a + (1 - weight) * b**2,
        lambda f: f,
        lambda f: f**2,
        i,
        v,
        Shift(),
        params,
    )
    for term in (terms.infrared, terms.visible, terms.equivariance):
        (gradient,) = torch.autograd.grad(term, weight, retain_graph=True)
        assert gradient.abs() > 1e-4
