"""Whether two images seem to be in the wrong order, by real ones and by palettes."""

import cv2
import numpy as np
import pytest

from emma_fusion.images.raster import read_image
from emma_fusion.values.order import seems_swapped

# The least of the pairs whose order is noticed, of those in the folder. Near grey, and in light
# of one colour as in streets at night, nothing is said.
SETS = [
    ("roadscene/test/ir", "roadscene/test/vi", 4),
    ("roadscene/train/ir", "roadscene/train/vi", 60),
    ("m3svd/ir", "m3svd/vi", 40),
    ("llvip/ir", "llvip/vi", 1),
    ("llvip_dark/ir", "llvip_dark/vi", 5),
    ("drone/ir", "drone/vi", 40),
    ("nir/ir", "nir/vi", 0),
]


def listed(folder):
    return {path.stem: path for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(("infrared", "visible", "least"), SETS)
def test_pairs_in_their_order_say_nothing_and_swapped_ones_do(data, infrared, visible, least):
    first, second = listed(data / infrared), listed(data / visible)
    swapped = 0
    for stem in first:
        one, other = read_image(first[stem]), read_image(second[stem])
        assert not seems_swapped(one, other), stem
        swapped += seems_swapped(other, one)
    assert swapped >= least


@pytest.mark.parametrize("kind", ["ct", "pet", "spect"])
def test_scans_in_colour_over_grey_ones_say_nothing(data, kind):
    folder = data / "harvard" / f"{kind}-mri"
    second = listed(folder / "mri")
    for stem, path in listed(folder / kind).items():
        assert not seems_swapped(read_image(path), read_image(second[stem])), stem


def test_thermal_images_in_palettes_over_grey_ones_say_nothing(data):
    folder = data / "registration" / "false_colour"
    for path in sorted(folder.glob("IR_*")):
        photograph = read_image(folder / f"DC_{int(path.stem[3:]) + 1}.jpg")
        grey = cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY)
        assert not seems_swapped(read_image(path), photograph)
        assert not seems_swapped(read_image(path), grey)


PALETTES = (
    "cividis", "hot", "hsv", "inferno", "jet", "magma", "ocean", "parula", "pink", "plasma",
    "rainbow", "summer", "turbo", "viridis", "winter",
)  # fmt: skip


@pytest.mark.parametrize("palette", PALETTES)
def test_palettes_are_no_photographs_however_they_are_saved(data, palette):
    table = getattr(cv2, f"COLORMAP_{palette.upper()}")
    for folder in ("roadscene/test/ir", "llvip/ir", "m3svd/ir", "nir/ir"):
        for path in sorted((data / folder).iterdir())[::20]:
            coloured = cv2.applyColorMap(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), table)
            for quality in (60, 90):
                saved = cv2.imencode(".jpg", coloured, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
                read = cv2.imdecode(saved, cv2.IMREAD_COLOR)[..., ::-1]
                assert not seems_swapped(read, np.zeros((8, 8), np.uint8)), path.name
