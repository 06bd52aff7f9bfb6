"""What `medical` must be on scans of patients that it was not trained on."""

from fnmatch import fnmatch

import numpy as np
import pytest

from emma_fusion.fuser import Fuser
from emma_fusion.images.folders import match_pairs
from emma_fusion.images.raster import read_pair
from emma_fusion.metrics import hidden_pattern_ratio, score

HELD_OUT = [("ct-mri", "ct", "41???"), ("pet-mri", "pet", "41???"), ("spect-mri", "spect", "40???")]


@pytest.fixture(scope="module", params=HELD_OUT, ids=lambda found: found[0])
def fused_scans(request, data):
    """Three scans of a kind, with their colour, and what `medical` makes of them."""
    folder, kind, stems = request.param
    fuser = Fuser.from_pretrained("medical")
    matched = match_pairs(data / "harvard" / folder / kind, data / "harvard" / folder / "mri")[0]
    held_out = [found for found in matched if fnmatch(found[0], stems)]
    found = []
    for _, scan, mri in held_out[:: len(held_out) // 3][:3]:
        pair = read_pair(scan, mri)
        luminance = fuser.fuse_luminance(pair)
        found.append((pair, luminance, pair.compose(luminance)))
    return found


def test_black_stays_black(fused_scans):
    for pair, luminance, _ in fused_scans:
        black = np.maximum(pair.infrared, pair.visible) == 0
        assert black.mean() > 0.1
        assert luminance[black].mean() < 4 / 255


def test_both_scans_are_in_the_fused_image_and_no_pattern(fused_scans):
    values = [score(f, p.infrared, p.visible, "ours", ("SCD", "Qabf")) for p, f, _ in fused_scans]
    assert np.mean([value["SCD"] for value in values]) > 1
    assert min(value["Qabf"] for value in values) > 0.4
    for pair, luminance, _ in fused_scans:
        assert hidden_pattern_ratio(luminance, pair.infrared, pair.visible) < 1.3


def test_grey_tissue_gets_no_tint(fused_scans):
    """Where the functional scan has no colour, or there is none, the fused image has none."""
    for pair, _, image in fused_scans:
        if pair.colour is None:
            assert image.ndim == 2
            continue
        grey = np.ptp(pair.colour, axis=-1) <= 1 / 255
        assert grey.mean() > 0.1
        assert np.ptp(image[grey].astype(int), axis=-1).max() <= 2
