"""The colours of scans: which palette, and the overlay that a fused image is checked against."""

import numpy as np
import pytest

from emma_fusion.errors import UserError
from emma_fusion.scans.colour import choose_palette
from emma_fusion.scans.slices import overlay_slices
from emma_fusion.scans.volume import Volume
from emma_fusion.values.overlay import overlay
from emma_fusion.values.palettes import apply_palette


def volume(low=0.0, high=10.0, **facts):
    return Volume(np.linspace(low, high, 24, dtype=np.float32).reshape(2, 3, 4), np.eye(4), **facts)


@pytest.mark.parametrize(
    ("scan", "name", "palette"),
    [
        (volume(modality="PT"), "mri.nii", "hot"),
        (volume(modality="NM"), "s", "hot"),
        (volume(modality="CT"), "pet", None),
        (volume(modality="MR"), "pet", None),
        (volume(), "PET.nii.gz", "hot"),
        (volume(), "sub-01_spect.nii", "hot"),
        (volume(), "scan.mgz", "hot"),
        (volume(-40.0), "scan.nii", "hot"),
        (volume(), "sub-01_CT.nii.gz", None),
        (volume(), "scct.nii.gz", None),
        (volume(), "sub-01_T1w.nii.gz", None),
        (volume(-1000.0, 2000.0), "scan.nii", None),
        (volume(unit="HU"), "scan.nii", None),
    ],
)
def test_functional_scans_are_hot_and_others_grey(scan, name, palette):
    assert choose_palette(scan, f"folder/{name}") == palette


def test_an_overlay_is_linear():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 5, 6), np.float32)
    np.testing.assert_allclose(overlay(first, second, "hot", 0), np.dstack([second] * 3))
    np.testing.assert_allclose(overlay(first, second, "hot", 1), apply_palette(first, "hot"))
    half = overlay(first, second, "inferno", 0.5)
    wanted = 0.5 * apply_palette(first, "inferno") + 0.5 * second[..., None]
    np.testing.assert_allclose(half, wanted, atol=1e-6)
    for opacity in (-0.1, 1.1, float("nan")):
        with pytest.raises(UserError, match="between 0 and 1"):
            overlay(first, second, "hot", opacity)
    with pytest.raises(UserError, match="no palette"):
        overlay(first, second, "cold")


def test_an_overlay_of_volumes_is_one_of_its_slices():
    first, second = np.random.default_rng(0).random((2, 4, 5, 6), np.float32)
    laid = overlay_slices(first, second, "hot", 0.3)
    assert (laid.shape, laid.dtype) == ((4, 5, 6, 3), np.uint8)
    for k in range(6):
        wanted = np.rint(255 * overlay(first[:, :, k], second[:, :, k], "hot", 0.3))
        np.testing.assert_array_equal(laid[:, :, k], wanted)
