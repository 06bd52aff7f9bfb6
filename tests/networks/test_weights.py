import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from emma_fusion.errors import UserError
from emma_fusion.networks import SensingUNet, UFuser
from emma_fusion.networks.authors import (
    from_authors,
    key_map,
    read_authors,
    sensing_from_authors,
    sensing_key_map,
    to_authors,
)
from emma_fusion.networks.weights import load_fuser, load_sensing, read_facts, save_weights

GOLDEN = Path(os.environ.get("EMMA_DATA", "../shared/data")).parent / "golden"


def random_state(seed=0):
    """A state dict in the authors' form whose tensors are random."""
    generator = torch.Generator().manual_seed(seed)
    state = to_authors(UFuser())
    return {key: torch.randn(value.shape, generator=generator) for key, value in state.items()}


def test_the_published_network_gives_the_published_output():
    """Weights by the rule of golden/parity under the authors' names give what theirs gives."""
    path = GOLDEN / "parity" / "ufuser.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    planes = np.load(path)
    shapes = {key: tuple(value.shape) for key, value in to_authors(UFuser()).items()}
    draws = np.random.RandomState(7)
    state = {}
    for key in sorted(shapes):
        x = draws.standard_normal(shapes[key]).astype(np.float32)
        if ("norm" in key and key.endswith("weight")) or key.endswith("scale"):
            x = 1 + 0.2 * x
        elif x.ndim == 4:
            x = x / np.sqrt(np.prod(x.shape[1:]), dtype=np.float32)
        else:
            x = 0.1 * x
        state[key] = torch.from_numpy(x.astype(np.float32))
    network = from_authors(state).eval()
    infrared, visible = (torch.from_numpy(planes[n])[None, None] for n in ("infrared", "visible"))
    for form in (network, network.fold()):
        with torch.no_grad():
            fused = form(infrared, visible)[0, 0].numpy()
        assert np.abs(fused - planes["fused"]).max() < 1e-5


def test_the_authors_sensing_networks_come_by_name():
    """Names and shapes of theirs; the output follows the page's plan, [what came up, skip]."""
    generator = torch.Generator().manual_seed(0)
    ours = SensingUNet().state_dict()
    keys = sensing_key_map()
    assert set(keys.values()) == set(ours)
    assert ours[keys["up_sample5.0.weight"]].shape == (1024, 512, 4, 4)
    assert ours[keys["up4.conv.0.weight"]].shape == (512, 1024, 3, 3)
    assert ours[keys["down1.conv.4.running_var"]].shape == (64,)
    assert ours[keys["last.0.bias"]].shape == (1,)
    state = {
        theirs: torch.rand(ours[key].shape, generator=generator) * 0.02
        if ours[key].is_floating_point()
        else ours[key]
        for theirs, key in keys.items()
    }
    network = sensing_from_authors({f"module.{key}": value for key, value in state.items()})
    assert torch.equal(network.ups[3].weight, state["up_sample5.0.weight"])
    # The first half of a decoder's input channels is what came up.
    state["up1.conv.0.weight"][:, :64] = 0
    state["up_sample2.0.weight"] += 1
    x = torch.rand(1, 1, 16, 16, generator=generator)
    with torch.no_grad():
        other = sensing_from_authors(state).eval()(x)
        state["up_sample2.0.weight"] -= 1
        assert torch.equal(other, sensing_from_authors(state).eval()(x))
    del state["last.0.bias"]
    with pytest.raises(UserError, match="sensing network: 1 tensors missing"):
        sensing_from_authors(state)


def test_weights_of_the_other_order_are_refused(tmp_path):
    """Their tensors fit, and would give another image in silence."""
    from safetensors import safe_open

    path = tmp_path / "fuser.safetensors"
    save_weights(UFuser(), path)
    with safe_open(str(path), framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    metadata["shape"] = metadata["shape"].replace('"joins": "up first"', '"joins": "up last"')
    save_file(tensors, path, metadata)
    with pytest.raises(UserError, match="another order"):
        load_fuser(path)


def test_key_map_uses_every_tensor_once():
    keys = key_map()
    ours = UFuser().state_dict().keys()
    assert set(keys.values()) == set(ours)
    assert len(keys) == len(ours)


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("I_en_1.embed.weight", (8, 1, 3, 3)),
        ("V_en_2.GlobalFeature.norm1.body.bias", (16,)),
        ("V_en_2.GlobalFeature.attn.scale", (8, 1, 1)),
        ("f_3.GlobalFeature.attn.qkv1.weight", (96, 32, 1, 1)),
        ("f_3.GlobalFeature.attn.qkv2.weight", (96, 96, 3, 3)),
        ("f_4.embed.weight", (32, 64, 3, 3)),
        ("de_2.embed.weight", (16, 32, 3, 3)),
        ("de_4.embed.weight", (32, 32, 3, 3)),
        ("de_1.GlobalFeature.mlp.dwconv.weight", (16, 2, 3, 3)),
        ("de_1.LocalFeature.Extraction.1.conv.2.bias", (8,)),
        ("de_1.FFN.weight", (8, 16, 3, 3)),
        ("I_down3.weight", (32, 32, 3, 3)),
        ("up4.0.weight", (32, 32, 4, 4)),
        ("up2.0.weight", (16, 8, 4, 4)),
        ("last.0.bias", (1,)),
    ],
)
def test_their_keys_have_the_shapes_of_the_method(key, shape):
    assert to_authors(UFuser())[key].shape == shape


def test_authors_form_both_ways_round():
    state = random_state()
    back = to_authors(from_authors(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)
    prefixed = {f"module.{key}": value for key, value in state.items()}
    assert torch.equal(from_authors(prefixed).last.bias, state["last.0.bias"])


def test_authors_form_is_strict():
    state = random_state()
    missing = {k: v for k, v in state.items() if k != "last.0.bias"}
    with pytest.raises(UserError, match=r"1 tensors missing \(last\.0\.bias\)"):
        from_authors(missing)
    with pytest.raises(UserError, match="not known"):
        from_authors(state | {"another": torch.zeros(1)})
    with pytest.raises(UserError, match="shape"):
        from_authors(state | {"last.0.bias": torch.zeros(2)})


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_unpickling_is_restricted(tmp_path):
    path = tmp_path / "EMMA.pth"
    torch.save(random_state(), path)
    assert isinstance(read_authors(path), UFuser)
    touched = tmp_path / "was-executed"
    path.write_bytes(pickle.dumps(Bomb(touched), protocol=2))
    with pytest.raises(UserError, match="cannot be read"):
        read_authors(path)
    torch.save({"state": Bomb(touched)}, path)
    with pytest.raises(UserError, match="cannot be read"):
        read_authors(path)
    assert not touched.exists()
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="cannot be read"):
        read_authors(path)
    torch.save([1, 2], path)
    with pytest.raises(UserError, match="does not hold a flat state dict"):
        read_authors(path)


def test_weights_come_back_with_their_facts(tmp_path):
    network = UFuser()
    save_weights(network, tmp_path / "a.safetensors", {"steps": 7})
    loaded = load_fuser(tmp_path / "a.safetensors")
    assert all(
        torch.equal(a, b) for a, b in zip(network.parameters(), loaded.parameters(), strict=True)
    )
    assert read_facts(tmp_path / "a.safetensors") == {"steps": 7}
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_sensing_in_half_precision_keeps_its_form_and_output(tmp_path):
    network = SensingUNet(16, low_pass_passes=1).eval()
    path = tmp_path / "s.safetensors"
    save_weights(network, path, dtype=torch.float16)
    assert path.stat().st_size < 5_000_000
    loaded = load_sensing(path).eval()
    assert loaded.low_pass_passes == 1
    x = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(network(x), loaded(x), atol=2e-3)


def test_bad_weights_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="no model"):
        load_fuser("a-model-that-does-not-ship")
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"garbage")
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        load_fuser(path)
    save_weights(SensingUNet(4), path)
    with pytest.raises(UserError, match="holds SensingUNet, not UFuser"):
        load_fuser(path)


@pytest.mark.parametrize(
    "shape",
    [
        '{"network": "UFuser", "joins": "up first"}',
        '{"network": "UFuser", "joins": "up first", "channels": 8}',
        '{"network": "UFuser", "joins": "up first", "channels": [7, 3]}',
        '{"network": "UFuser", "joins": "up first", "channels": [8, 8, 8, 8]}',
        '{"network": "UFuser", "joins": "up first", "channels": [8, 8, 8, 8], "branches": "roots"}',
        "[1]",
        "{",
    ],
)
def test_descriptions_that_fit_no_network_are_one_sentence(tmp_path, shape):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(3)}, path, {"shape": shape})
    with pytest.raises(
        UserError, match=r"do not fit|no network of this package|cannot be read"
    ) as e:
        load_fuser(path)
    assert "\n" not in str(e.value)
