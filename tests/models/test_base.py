"""What the shipped weights must be on real images, and what their card must say."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from emma_fusion import models
from emma_fusion.errors import UserError
from emma_fusion.fuser import Fuser
from emma_fusion.images.folders import match_pairs
from emma_fusion.images.raster import read_pair
from emma_fusion.metrics import hidden_pattern_ratio, score
from emma_fusion.networks.weights import load_sensing, read_facts

SETS = [
    ("roadscene/test", "ir", "vi"),
    ("llvip", "ir", "vi"),
    ("nir", "ir", "vi"),
    ("harvard/ct-mri", "ct", "mri"),
]


@pytest.fixture(scope="module")
def fused_pairs(data):
    """A few pairs of each set, at most 384×384 of them, and what `base` makes of them."""
    fuser = Fuser.from_pretrained("base")
    found = {}
    for name, first, second in SETS:
        pairs = match_pairs(data / name / first, data / name / second)[0]
        found[name] = []
        for _, infrared, visible in itertools.islice(pairs, 0, None, len(pairs) // 4):
            pair = read_pair(infrared, visible, colour="none")
            planes = [plane[:384, :384] for plane in (pair.infrared, pair.visible)]
            found[name].append((fuser(*planes), *planes))
    return found


def test_what_ships_is_small_enough():
    assert models.shipped() == ["base", "emma", "fast", "medical"]
    for name in models.shipped():
        assert models.find(name).stat().st_size < 10_000_000
    for name in ("base", "emma", "medical"):
        for sensing in (models.SENSING_INFRARED, models.SENSING_VISIBLE):
            assert models.find(name, sensing).stat().st_size <= 5_000_000


def test_no_hidden_pattern(fused_pairs):
    for name, images in fused_pairs.items():
        ratios = [hidden_pattern_ratio(*image) for image in images]
        assert np.mean(ratios) < 1.3, (name, ratios)


def test_both_sources_are_in_the_fused_image(fused_pairs):
    for name, images in fused_pairs.items():
        values = [score(*image, "ours", ("SCD", "Qabf")) for image in images]
        # The start's teacher leans to the visible image, so by night SCD is a little below 1.
        assert np.mean([value["SCD"] for value in values]) > 0.9, name
        least = 0.35
        assert min(value["Qabf"] for value in values) > least, name


def test_sensing_networks_tell_something_of_their_own_source(fused_pairs):
    """A_i(f) is nearer to i than A_v(f) is, and A_v(f) is nearer to v, on average."""
    sense_i, sense_v = (
        load_sensing(models.find("base", file)).eval()
        for file in (models.SENSING_INFRARED, models.SENSING_VISIBLE)
    )
    to_i, to_v = np.zeros(2), np.zeros(2)  # of A_i(f) and A_v(f)
    for fused, infrared, visible in fused_pairs["roadscene/test"]:
        height, width = (16 * (size // 16) for size in fused.shape)
        plane = torch.from_numpy(fused)[None, None, :height, :width]
        with torch.no_grad():
            images = [net(plane)[0, 0].numpy() for net in (sense_i, sense_v)]
        to_i += [np.abs(image - infrared[:height, :width]).mean() for image in images]
        to_v += [np.abs(image - visible[:height, :width]).mean() for image in images]
    assert to_i[0] < to_i[1]
    assert to_v[1] < to_v[0]


@pytest.mark.parametrize("name", models.shipped())
def test_a_card_is_complete(name):
    folder = models.find(name).parent
    card = (folder / "README.md").read_text(encoding="utf-8")
    for word in ("terms", "cite", "emma train", f"benchmarks/card.py {name}"):
        assert word in card
    for block in ("training", "scores", "medical", "patterns"):
        filled = card.split(f"<!-- {block} -->")[1].split("<!-- end -->")[0]
        assert any(character.isdigit() for character in filled), block
    facts = read_facts(folder / models.FUSER)
    assert {"version", "configuration", "pairs", "data", "minutes", "machine"} <= facts.keys()
    assert f"{facts['minutes']} minutes" in card


def test_what_bases_data_ask_for_is_on_its_card():
    card = (models.find("base").parent / "README.md").read_text(encoding="utf-8")
    for word in ("RoadScene", "LLVIP", "M3SVD", "non-commercial"):
        assert word in card


def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path):
    with pytest.raises(UserError, match=r"no model 'nothing'.*base"):
        models.find("nothing")
    with pytest.raises(UserError, match="no model"):
        models.find(tmp_path)
