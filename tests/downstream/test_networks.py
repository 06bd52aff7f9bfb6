"""Every network takes any number of channels and classes, from new or from saved weights."""

import pytest
import torch

from emma_fusion.downstream.detect import Detection
from emma_fusion.downstream.labels import Boxes
from emma_fusion.downstream.layouts import Dataset
from emma_fusion.downstream.networks import build_network
from emma_fusion.downstream.segment import Segmentation
from emma_fusion.errors import UserError
from small_comparison import NETWORKS

CLASSES = ("a", "b", "c")
SIZE = (64, 96)


def network(name, channels=1, **options):
    options.setdefault("settings", NETWORKS[name])
    return build_network(name, channels, len(CLASSES), SIZE, **options)


def batch(name, channels):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, channels, *SIZE, generator=generator)
    if name in ("deeplab", "segformer"):
        masks = torch.randint(3, (2, *SIZE), generator=generator)
        masks[:, :8] = 255
        return Segmentation(Dataset("", "segment", CLASSES)), images, list(masks)
    boxes = [Boxes.of([[0.1, 0.1, 0.5, 0.5], [0.4, 0.4, 0.9, 0.8]], [0, 2]), Boxes.of([], [])]
    return Detection(Dataset("", "detect", CLASSES)), images, boxes


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_a_step_and_predictions(name, dtype):
    made = network(name, 2)
    task, images, targets = batch(name, 2)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = task.loss(made, images, targets)
    loss.backward()
    assert torch.isfinite(loss)
    first = next(p for p in made.parameters() if p.ndim == 4)
    assert first.shape[1] == 2
    assert first.grad.abs().sum() > 0
    made.eval()
    truth = [t.numpy() if isinstance(t, torch.Tensor) else t for t in targets]
    with torch.no_grad():
        found = task.predict(made, images, truth)
    if isinstance(found[0], Boxes):
        assert 0 < len(found[0]) <= 100
        assert set(found[0].classes.tolist()) <= {0, 1, 2}
        assert ((found[0].corners >= 0) & (found[0].corners <= 1)).all()
    else:
        assert found[0].shape == SIZE
        assert set(found[0].ravel().tolist()) <= {0, 1, 2}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_seed_decides_the_weights(name):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, same, other = (network(name, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", NETWORKS)
def test_saved_weights_go_on_with_other_channels_and_classes(name, tmp_path):
    saved = build_network(name, 3, 5, SIZE, NETWORKS[name]).eval()
    saved.save_pretrained(tmp_path)
    loaded = network(name, 2, settings=None, weights=tmp_path).eval()
    first = [next(p for p in net.parameters() if p.ndim == 4) for net in (saved, loaded)]
    assert first[1].shape[1] == 2
    # equal channels give what they gave
    assert torch.allclose(first[1].sum(1), first[0].sum(1), atol=1e-6)
    assert torch.allclose(first[1][:, 0], first[1][:, 1])


def test_new_weights_do_not_depend_on_the_kind_of_input_but_in_the_first_layer():
    one, two = network("segformer", 1).state_dict(), network("segformer", 2).state_dict()
    assert {k for k in one if one[k].shape != two[k].shape} == {
        "segformer.stages.0.patch_embeddings.proj.weight"
    }
    same = [key for key in one if one[key].shape == two[key].shape]
    assert all(torch.equal(one[key], two[key]) for key in same)


@pytest.mark.parametrize("name", ["deeplab", "rtdetr"])
def test_batch_normalisation_keeps_means_over_many_batches(name):
    norms = [m for m in network(name).modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert all(norm.momentum <= 0.1 for norm in norms)


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(UserError, match="depht is no setting of SegformerConfig"):
        network("segformer", settings={"depht": 1})
    with pytest.raises(UserError, match="no such folder"):
        network("segformer", settings=None, weights=tmp_path / "none")
    with pytest.raises(UserError, match="could not be made from"):
        network("segformer", settings=None, weights=tmp_path)


def test_ignored_pixels_and_rare_classes_in_the_loss():
    task, images, masks = batch("segformer", 1)
    made = network("segformer").eval()
    whole = task.loss(made, images, masks)
    logits = torch.nn.functional.interpolate(
        made(pixel_values=images).logits, size=SIZE, mode="bilinear"
    )
    by_hand = torch.nn.functional.cross_entropy(
        logits[:, :, 8:], torch.stack(masks)[:, 8:], reduction="mean"
    )
    assert whole.item() == pytest.approx(by_hand.item(), rel=1e-5)
    task.weights = torch.tensor([1.0, 2.0, 4.0])
    by_hand = torch.nn.functional.cross_entropy(
        logits, torch.stack(masks), weight=task.weights, ignore_index=255
    )
    assert task.loss(made, images, masks).item() == pytest.approx(by_hand.item(), rel=1e-5)
