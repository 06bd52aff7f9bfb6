import pytest
import torch

from emma_fusion.networks.ufuser import UFuser


@pytest.fixture(scope="session")
def network():
    """A small U-Fuser whose every parameter is random: none is left at a start of 0 or 1."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = UFuser((8, 16)).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    planes = torch.rand((2, 1, 1, 48, 72), generator=generator)
    # Values that differ, far from where the sigmoid is flat: a wrong network would be seen.
    network.last.bias.zero_()
    before = torch.logit(network(*planes).double())
    for _ in range(20):
        network.last.weight.mul_(0.3)
        before = torch.logit(network(*planes).double())
        if before.abs().max() < 2:
            break
    assert 0.02 < torch.sigmoid(before).std() < 0.3
    return network


@pytest.fixture
def cache_home(tmp_path, monkeypatch):
    """An empty cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    return tmp_path / "cache" / "emma-fusion"
