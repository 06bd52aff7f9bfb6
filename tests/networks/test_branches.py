"""The U-Fuser with one branch only, which ablations train."""

import pytest
import torch

from emma_fusion.errors import UserError
from emma_fusion.networks import RestormerCNNBlock, UFuser
from emma_fusion.networks.weights import load_fuser, save_weights


def seeded(branches):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UFuser(branches=branches)


def test_the_default_is_both():
    plain, both = UFuser(), UFuser(branches="both")
    assert list(plain.state_dict()) == list(both.state_dict())


@pytest.mark.parametrize(
    ("branches", "gone"),
    [("convolution", ("norm", "attention", "feed_forward")), ("attention", ("local_branch",))],
)
def test_what_is_left_out_has_no_parameters(branches, gone):
    both, alone = seeded("both").state_dict(), seeded(branches).state_dict()
    kept = [key for key in both if not any(f".{part}" in key for part in gone)]
    assert list(alone) == kept
    halved = {key for key in kept if both[key].shape != alone[key].shape}
    assert halved == {key for key in kept if key.endswith("join.weight")}


@pytest.mark.parametrize("branches", ["convolution", "attention"])
def test_one_branch_folds_merges_saves_and_loads(branches, tmp_path):
    network = seeded(branches).eval()
    infrared, visible = torch.rand(
        2, 1, 1, 24, 32, generator=torch.Generator().manual_seed(1)
    ).unbind(0)
    with torch.no_grad():
        expected = network(infrared, visible)
        path = tmp_path / "fuser.safetensors"
        save_weights(network, path)
        loaded = load_fuser(path)
        assert loaded.branches == branches
        assert torch.equal(loaded(infrared, visible), expected)
        for form in (loaded.fold(), loaded.merge_attention()):
            assert torch.allclose(form(infrared, visible), expected, atol=1e-5)
    assert expected.std() > 1e-4


def test_a_convolution_branch_sees_no_further_than_its_kernels():
    block = RestormerCNNBlock(1, 8, "convolution").requires_grad_(False)
    x = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(2))
    changed = x.clone()
    changed[..., 0, 0] = 1 - changed[..., 0, 0]
    # Six 3×3 convolutions in a row reach six pixels far.
    difference = (block(x) - block(changed)).abs()[0].amax(0)
    assert difference[7:, :].max() == 0
    assert difference[:3, :3].max() > 0


def test_other_branches_are_an_error():
    with pytest.raises(UserError, match="both, convolution, attention"):
        UFuser(branches="neither")
