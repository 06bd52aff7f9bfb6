import numpy as np
import pytest
import torch
from torch import nn

import emma_fusion
from emma_fusion import Sensor, models
from emma_fusion.errors import UserError
from emma_fusion.networks.sensing import SensingUNet
from emma_fusion.networks.weights import save_weights

RNG = np.random.default_rng(0)


def network(seed):
    """A small sensing network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SensingUNet(2)


@pytest.fixture(scope="module")
def small():
    return Sensor(network(0), network(1), "small")


class Gain(nn.Module):
    """A network of known output: its input times a number."""

    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def forward(self, x):
        assert x.shape[-2] % 16 == 0
        assert x.shape[-1] % 16 == 0
        return self.gain * x


@pytest.fixture
def gains():
    return Sensor(Gain(0.5), Gain(0.25))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 5), (16, 16), (17, 33)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_any_size_and_dtype(small, size, dtype):
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    fused = (RNG.random(size) * top).astype(dtype)
    for sensed in small(fused):
        assert sensed.shape == size
        assert sensed.dtype == dtype
        assert 0 <= sensed.min() <= sensed.max() <= top


def test_the_infrared_is_first_and_nothing_is_lost_at_the_border(gains):
    fused = RNG.random((21, 37)).astype(np.float32)
    infrared, visible = gains(fused)
    np.testing.assert_array_equal(infrared, fused * 0.5)
    np.testing.assert_array_equal(visible, fused * 0.25)


def test_integers_are_rounded(gains):
    infrared, visible = gains(np.full((4, 4), 255, np.uint8))
    assert set(infrared.flat) == {128}
    assert set(visible.flat) == {64}


def test_of_colour_the_luminance_is_sensed(gains):
    green = np.zeros((4, 4, 4), np.uint8)
    green[..., 1] = 200
    infrared, _ = gains(green)
    assert set(infrared.flat) == {round(0.587 * 200 / 2)}


def test_what_is_sensed_is_what_the_networks_say(small):
    fused = RNG.random((32, 48)).astype(np.float32)
    with torch.no_grad():
        plane = torch.from_numpy(fused)[None, None]
        expected = [network(seed).eval()(plane)[0, 0].numpy() for seed in (0, 1)]
    for sensed, wanted in zip(small(fused), expected, strict=True):
        np.testing.assert_allclose(sensed, wanted, atol=1e-6)
    np.testing.assert_array_equal(small(fused), small(np.asfortranarray(fused)))


def test_a_folder_of_weights(tmp_path, small):
    save_weights(network(0), tmp_path / "run" / models.SENSING_INFRARED)
    save_weights(network(1), tmp_path / "run" / models.SENSING_VISIBLE)
    opened = Sensor.from_pretrained(tmp_path / "run")
    fused = RNG.random((20, 20))
    assert opened.name == "run"
    np.testing.assert_array_equal(opened(fused), small(fused))


def test_weights_without_sensing_networks(tmp_path):
    file = tmp_path / "fuser.safetensors"
    save_weights(network(0), file)
    with pytest.raises(UserError, match="no sensing networks"):
        Sensor.from_pretrained(file)
    with pytest.raises(UserError, match="no model 'nothing'"):
        Sensor.from_pretrained("nothing")


@pytest.mark.parametrize(
    ("fused", "said"),
    [
        (np.zeros((4, 4, 2)), "the fused image has the shape"),
        (np.full((4, 4), 2.0), "floats must be in"),
        (np.full((4, 4), np.nan), "not finite"),
    ],
)
def test_what_is_no_image(small, fused, said):
    with pytest.raises(UserError, match=said):
        small(fused)


def test_threads_are_for_the_pass_only_and_devices_are_tried(small):
    before = torch.get_num_threads()
    Sensor(network(0), network(1), threads=before + 1)(np.zeros((4, 4)))
    assert torch.get_num_threads() == before
    with pytest.raises(UserError, match="threads"):
        Sensor(network(0), network(1), threads=0)
    with pytest.raises(UserError, match="abacus"):
        Sensor(network(0), network(1), device="abacus")


def test_it_is_a_public_name():
    assert emma_fusion.Sensor is Sensor
    assert "Sensor" in emma_fusion.__all__
