import pytest
import torch

from emma_fusion.experiments.attack import attack, falls, sensing_loss


def planes(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, 1, 1, 32, 32, generator=generator).unbind(0)


def same(f):
    return f


def test_an_attack_stays_in_its_box_and_lowers_the_loss():
    fused, infrared, visible = planes()
    moved = attack((same, same), fused, infrared, visible, 4 / 255)
    assert (moved - fused).abs().max() <= 4 / 255 + 1e-6
    assert moved.min() >= 0
    assert moved.max() <= 1
    before, after = (
        sensing_loss((same, same), image, infrared, visible) for image in (fused, moved)
    )
    assert after < before


def test_a_sensor_that_reads_a_hidden_grid_falls_further_than_one_that_does_not():
    """A_v that finds v in what is added to f at the scale of single pixels is open to attack."""
    fused, infrared, visible = planes()
    columns = (-1.0) ** torch.arange(32)

    def hidden(f):
        return (f * columns).cumsum(-1).clamp(0, 1)

    def blind(f):
        return 0.5 + 0 * f

    open_to = falls((same, hidden), fused, infrared, visible)
    closed = falls((blind, blind), fused, infrared, visible)
    assert open_to["8/255"] > 0.02
    assert open_to["2/255"] < open_to["4/255"] < open_to["8/255"]
    assert closed == pytest.approx(dict.fromkeys(closed, 0.0))


def test_a_better_image_lowers_the_loss():
    _, infrared, _ = planes()
    grey = torch.full_like(infrared, 0.5)
    found = falls((same, same), grey, infrared, infrared, better=infrared)
    assert found["better"] == pytest.approx(1.0)
