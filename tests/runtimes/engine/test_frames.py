import pytest
import torch
from torch.nn import functional

from emma_fusion.runtimes.engine import frames
from emma_fusion.runtimes.engine.frames import Convolution, frame, mirror


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("size", [(2, 2), (3, 2), (5, 8)])
def test_a_frame_is_padding_by_reflection(size):
    x = random(1, 3, *size)
    expected = functional.pad(x, (1, 1, 1, 1), mode="reflect")
    assert torch.equal(frame(x), expected)
    assert torch.equal(frame(x, torch.bfloat16), expected.bfloat16())


@pytest.mark.parametrize("size", [(2, 9), (5, 5), (6, 6), (7, 12), (6, 5)])
def test_a_large_frame_is_the_same(monkeypatch, size):
    monkeypatch.setattr(frames, "_SMALL", 0)
    x = random(1, 3, *size).to(memory_format=torch.channels_last)
    got = frame(x)
    assert torch.equal(got, functional.pad(x, (1, 1, 1, 1), mode="reflect"))
    assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(2, 2), (3, 9), (5, 5), (6, 6), (7, 12)])
def test_a_frame_is_made_anew(size):
    expected = frame(random(1, 3, *size))
    spoilt = functional.pad(expected[..., 1:-1, 1:-1], (1, 1, 1, 1), value=7.0)
    assert torch.equal(mirror(spoilt), expected)


@pytest.mark.parametrize("lanes", [8, 16])
@pytest.mark.parametrize(("outputs", "multiple"), [(1, 8), (8, 8), (8, 2), (8, 1), (16, 4)])
@pytest.mark.parametrize("maps", [1, 2])
def test_several_pixels_at_once_are_the_same_convolution(
    monkeypatch, lanes, outputs, multiple, maps
):
    monkeypatch.setattr(frames, "lanes", lambda: lanes)
    weight, bias = random(outputs, 4, 3, 3), random(outputs)
    x = random(1, 4, 7, 24)
    expected = functional.conv2d(functional.pad(x, (1,) * 4, mode="reflect"), weight, bias)
    convolution = Convolution(weight, bias, maps=maps, multiple=multiple)
    got = convolution(*(frame(part) for part in x.chunk(maps, dim=1)))
    assert (got - expected).abs().max() < 1e-5
    assert convolution.at_once == max(1, min(multiple, lanes // outputs))
    zeros = Convolution(weight, multiple=multiple, padding=1)
    assert (zeros(x) - functional.conv2d(x, weight, padding=1)).abs().max() < 1e-5
    for each in (convolution, zeros):
        each.pack()
    again = convolution(*(frame(part) for part in x.chunk(maps, dim=1)))
    assert (again - expected).abs().max() < 1e-5
    assert (zeros(x) - functional.conv2d(x, weight, padding=1)).abs().max() < 1e-5
    point = Convolution(weight[..., :1, :1], multiple=multiple)
    product = expected * functional.conv2d(x, weight[..., :1, :1])
    assert (point(x, combine="mul", other=expected) - product).abs().max() < 1e-5


def test_maps_and_weights_must_be_as_many():
    convolution = Convolution(random(8, 4, 3, 3), maps=2)
    with pytest.raises(ValueError, match="zip"):
        convolution(random(1, 2, 5, 5))
