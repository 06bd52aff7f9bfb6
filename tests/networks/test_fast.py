import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from emma_fusion.errors import UserError
from emma_fusion.fuser import Fuser
from emma_fusion.networks import FastFuser, UFuser
from emma_fusion.networks.weights import load_fuser, save_weights


def seeded(*args) -> FastFuser:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FastFuser(*args)


def pair(height=48, width=64, batch=2):
    generator = torch.Generator().manual_seed(2)
    return torch.rand(2, batch, 1, height, width, generator=generator).unbind(0)


def test_its_work_is_a_small_part_of_the_u_fusers():
    planes = [torch.zeros(1, 1, 480, 640, device="meta")] * 2
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        FastFuser().to("meta")(*planes)
    assert counter.get_total_flops() / 1e9 < 4


@pytest.mark.parametrize("channels", [(8, 8), (8, 12, 8), (4, 8, 8, 16)])
def test_the_declared_sizes_are_enough(channels):
    network = seeded(channels, 2)
    for size in (16, 16 + network.multiple_of):
        fused = network(*pair(size, 32, 1))
        assert fused.shape == (1, 1, size, 32)
        assert 0 <= fused.min() <= fused.max() <= 1
    with pytest.raises(RuntimeError):
        network(*pair(16 + network.multiple_of // 2, 32, 1))


def test_fold_gives_the_same_output():
    network = seeded()
    folded = network.fold()
    assert torch.allclose(folded(*pair()), network.eval()(*pair()), atol=1e-5)
    assert not folded.training
    assert not any(p.requires_grad for p in folded.parameters())
    assert any(p.requires_grad for p in network.parameters())


def test_samples_of_a_batch_do_not_touch():
    network = seeded().eval()
    infrared, visible = pair()
    together = network(infrared, visible)
    assert torch.allclose(together[1:], network(infrared[1:], visible[1:]), atol=1e-6)


def test_what_is_far_away_changes_the_image_by_its_statistics_alone():
    network = seeded().double()
    with torch.no_grad():
        for context in network.contexts:
            context.excite.weight.mul_(20)
    infrared = torch.full((1, 1, 16, 1024), 0.3, dtype=torch.float64)
    visible, here, there, twice = (infrared.clone() for _ in range(4))
    here[..., 384:448] = there[..., 512:576] = twice[..., 384:512] = 1
    plain, *changed = (
        network(infrared, v)[..., :64].detach() for v in (visible, here, there, twice)
    )
    assert (changed[0] - plain).abs().max() > 1e-6
    assert torch.allclose(changed[0], changed[1], rtol=0, atol=1e-9)
    assert (changed[2] - changed[0]).abs().max() > 1e-6


def test_filters_see_detail_alone():
    """Where a source is flat, its brightness reaches the image through the offsets only."""
    network = seeded().eval()
    with torch.no_grad():
        for parameter in network.first.parameters():
            parameter.zero_()  # so that offsets and weights do not depend on the sources
        network.weights.bias.normal_(generator=torch.Generator().manual_seed(1))
        dark, light = (torch.full((1, 1, 32, 32), value) for value in (0.1, 0.8))
        flat = network(dark, dark)
        assert torch.allclose(network(light, dark), flat, atol=1e-5)
        assert (network(*pair(32, 32, 1)) - flat).abs().max() > 0.05


def test_weights_come_back_as_their_file_says(tmp_path):
    network = seeded((8, 12, 8), 3)
    save_weights(network, tmp_path / "a.safetensors", {"teacher": "base"})
    loaded = load_fuser(tmp_path / "a.safetensors")
    assert isinstance(loaded, FastFuser)
    assert (loaded.channels, loaded.number_of_filters) == ((8, 12, 8), 3)
    assert torch.equal(loaded(*pair()), network(*pair()))
    save_weights(UFuser((8, 8, 8, 8)), tmp_path / "b.safetensors")
    assert isinstance(load_fuser(tmp_path / "b.safetensors"), UFuser)


@pytest.mark.parametrize("shape", ['"channels": [8]', '"channels": [8, 8], "filters": "many"'])
def test_descriptions_that_fit_no_network_are_one_sentence(tmp_path, shape):
    from safetensors.torch import save_file

    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(3)}, path, {"shape": f'{{"network": "FastFuser", {shape}}}'})
    with pytest.raises(UserError, match="do not fit"):
        load_fuser(path)


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (33, 50)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_fuser_takes_any_size(size, precision):
    fuser = Fuser(seeded((8, 8, 8), 2), precision=precision, device="cpu", threads=1)
    infrared, visible = (plane[0, 0].numpy() for plane in pair(*size, 1))
    fused = fuser(infrared, visible)
    assert fused.shape == size


def test_half_precision_stays_near():
    network = seeded().fold()
    with torch.autocast("cpu", torch.bfloat16):
        half = network(*pair())
    assert half.dtype == torch.float32
    assert (half - network(*pair())).abs().mean() < 2 / 255
