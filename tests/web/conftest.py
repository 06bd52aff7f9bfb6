import pytest
import torch

from emma_fusion.networks.ufuser import UFuser
from emma_fusion.networks.weights import save_weights
from emma_fusion.web.limits import Limits
from emma_fusion.web.networks import Networks
from emma_fusion.web.studio import Studio


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """A small U-Fuser, untrained, as the first model."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_weights(UFuser((8, 8, 8, 8)), path)
    return Networks(str(path), "cpu")


@pytest.fixture
def studio(networks):
    studio = Studio(networks, Limits(image_megabytes=1, megapixels=0.01, upload_megabytes=2))
    yield studio
    studio.shelf.close()
