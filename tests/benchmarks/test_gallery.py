"""The gallery shows every scene that can be drawn, and stays small."""

import numpy as np

import gallery
from emma_fusion.demo import SCENES
from emma_fusion.images.raster import read_image
from marked import get


def test_the_page_describes_every_scene():
    text = "\n\n".join(gallery.describe(*each) for each in SCENES.items())
    assert get(gallery.PAGE, "scenes") == text, "run python benchmarks/gallery.py"


def test_the_images_are_there_and_small():
    files = {path.stem: path for path in gallery.IMAGES.glob("*.webp")}
    assert files.keys() == SCENES.keys()
    assert sum(path.stat().st_size for path in files.values()) < 1_500_000
    for path in files.values():
        assert read_image(path).shape[1] > 900


def test_a_sheet_has_rows_of_three():
    tiles = {f"image {k}": np.full((64, 96), 10 * k, np.uint8) for k in range(5)}
    sheet = gallery.sheet(tiles)
    assert sheet.shape[2] == 3
    row = sheet.shape[0] // 2
    for k in range(5):
        cell = sheet[(k // 3) * row + row // 2, (k % 3) * (480 + 5) + 245]
        assert tuple(cell) == (10 * k,) * 3
