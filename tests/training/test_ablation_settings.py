"""Settings of stage 2 that leave something of the method out."""

import pytest
import torch

from emma_fusion.equivariance import Reflection, Rotation, direct_terms, fidelity
from emma_fusion.errors import UserError
from emma_fusion.networks.weights import load_fuser, read_facts
from emma_fusion.training.config import TrainingConfig
from emma_fusion.training.run import train

from .conftest import weights


def run(values, folder):
    train(TrainingConfig.model_validate(values), folder)
    return weights(folder)


@pytest.fixture
def short(tiny):
    """One step a stage."""
    for stage in ("sensing", "start", "fusion"):
        tiny[stage]["steps"] = 1
    tiny["fusion"] |= {"anchor": 0.0, "tone": 0.0, "texture": 0.0}
    tiny["pairs"][0]["validation"] = 0
    return tiny


def test_without_sensing_the_fused_image_itself_is_compared():
    generator = torch.Generator().manual_seed(0)
    infrared, visible = torch.rand(2, 3, 1, 32, 32, generator=generator).unbind(0)
    transform = Reflection() + Rotation()
    params = transform.draw(3, 32, 32, generator)
    terms = direct_terms(lambda i, v: (i + v) / 2, infrared, visible, transform, params)
    fused = (infrared + visible) / 2
    assert torch.equal(terms.fused, fused)
    assert torch.equal(terms.infrared, fidelity(fused, infrared))
    assert torch.equal(terms.visible, fidelity(fused, visible))
    # The average commutes with every transform; what depends on the place does not.
    assert terms.equivariance < 1e-6
    uneven = direct_terms(
        lambda i, v: i * torch.linspace(0, 1, 32), infrared, visible, transform, params
    )
    assert uneven.equivariance > 0.1
    assert direct_terms(lambda i, v: i, infrared, visible, None, {}).equivariance == 0


def test_without_sensing_the_sensing_networks_decide_nothing(short, tmp_path):
    short["fusion"]["sense"] = False
    short["start"]["steps"] = 0
    one = run(short, tmp_path / "one")
    short["sensing"] |= {"steps": 3, "lr": 0.01}
    two = run(short, tmp_path / "two")
    assert not torch.equal(one["sensing_visible.last.bias"], two["sensing_visible.last.bias"])
    fuser = [key for key in one if key.startswith("fuser.")]
    assert all(torch.equal(one[key], two[key]) for key in fuser)


def test_not_frozen_the_sensing_networks_learn_with_the_fuser(short, tmp_path):
    first = run(short | {"fusion": short["fusion"] | {"steps": 0}}, tmp_path / "first")
    short |= {"init": str(tmp_path / "first")}
    short["sensing"]["steps"] = short["start"]["steps"] = 0
    short["fusion"] |= {"lr": 1e-2, "steps": 2}
    frozen = run(short, tmp_path / "frozen")
    short["fusion"]["frozen"] = False
    learning = run(short, tmp_path / "learning")
    sensing = [key for key in first if not key.startswith("fuser.")]
    assert all(torch.equal(first[key], frozen[key]) for key in sensing)
    moved = {key for key in sensing if not torch.equal(first[key], learning[key])}
    # Their weights, and the batch statistics that the running mean of the weights must keep.
    assert "sensing_infrared.encoders.0.0.weight" in moved
    assert "sensing_visible.encoders.0.1.running_mean" in moved
    tracked = "sensing_visible.encoders.0.1.num_batches_tracked"
    assert learning[tracked] == first[tracked] + 2


def test_a_new_fuser_of_one_branch_goes_on_from_sensing_networks(short, tmp_path):
    first = run(short, tmp_path / "first")
    short["sensing"] |= {"steps": 0, "init": str(tmp_path / "first")}
    short["network"] = {"branches": "convolution"}
    second = run(short, tmp_path / "second")
    assert load_fuser(tmp_path / "second").branches == "convolution"
    sensing = [key for key in first if not key.startswith("fuser.")]
    assert all(torch.equal(first[key], second[key]) for key in sensing)
    facts = read_facts(tmp_path / "second" / "sensing_visible.safetensors")
    assert facts["init"] == read_facts(tmp_path / "first" / "sensing_visible.safetensors")
    assert "init" not in read_facts(tmp_path / "second" / "fuser.safetensors")


def test_weights_of_other_branches_are_not_gone_on_from(short, tmp_path):
    run(short, tmp_path / "first")
    short |= {"init": str(tmp_path / "first"), "network": {"branches": "attention"}}
    with pytest.raises(UserError, match="has the branches 'both'"):
        run(short, tmp_path / "second")
