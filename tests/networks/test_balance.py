"""Large features inside are made small enough for half precision, and the output stays."""

import torch

from emma_fusion.networks import UFuser


def largest(network, *planes):
    found = []
    for decoder in network.decoders[1:]:
        decoder.join.register_forward_hook(lambda _, __, out: found.append(float(out.abs().max())))
    network(*planes)
    return max(found)


@torch.no_grad()
def test_large_features_become_small_and_the_output_stays():
    torch.manual_seed(0)
    network = UFuser().eval()
    planes = torch.rand(2, 1, 1, 48, 40)
    for decoder in network.decoders[1:]:
        decoder.join.weight *= 2.0**20
    for level, decoder in enumerate(network.decoders[:3]):
        decoder.embed.weight[:, : network.channels[level]] /= 2.0**20
    before = network(*planes)
    assert largest(network, *planes) > 65504
    after = network.balance(*planes)(*planes)
    assert largest(network, *planes) <= 512
    assert torch.equal(after, before)


@torch.no_grad()
def test_small_features_stay_as_they_are():
    torch.manual_seed(0)
    network = UFuser().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.balance(*torch.rand(2, 1, 1, 32, 32))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
