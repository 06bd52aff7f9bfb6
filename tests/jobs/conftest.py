import pytest
import torch

from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import save_weights


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Weights of a small U-Fuser, untrained."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_weights(UFuser((8, 8, 8, 8)), path)
    return path
