"""Dead pixels, stripes, ranges over many images, and pages of TIFF files."""

import struct

import numpy as np
import pytest
import tifffile

from emma_fusion.errors import UserError
from emma_fusion.images.raster import (
    count_pages,
    encode_pages,
    read_image,
    read_pages,
    write_image,
)
from emma_fusion.values.mending import mend, remove_stripes, replace_dead_pixels
from emma_fusion.values.ranges import common_range, parse_shares


def scene(height=60, width=80, noise=3, seed=0):
    """Counts of a warm wall with an upright edge, a thin wire and a target of four pixels."""
    rng = np.random.default_rng(seed)
    plane = 8000 + 200 * np.sin(np.arange(height) / 30)[:, None] + np.zeros(width)
    plane[:, 50:] += 500
    plane[10, :30] += 150
    plane[30:32, 20:22] += 900
    return (plane + rng.normal(0, noise, plane.shape)).astype(np.float32)


def test_dead_and_hot_pixels_go_and_nothing_else():
    whole = scene()
    broken = whole.copy()
    places = [(0, 0), (5, 7), (40, 79), (59, 30), (25, 60), (33, 48)]
    for number, place in enumerate(places):
        broken[place] = 0 if number % 2 else 16000
    mended, dead = replace_dead_pixels(broken)
    assert sorted(zip(*map(list, np.nonzero(dead)), strict=True)) == sorted(places)
    assert np.abs(mended - whole).max() < 300  # beside the edge, the median may be the other side
    assert np.abs(mended - whole)[5, 7] < 15
    np.testing.assert_array_equal(replace_dead_pixels(whole)[0], whole)  # wire and target stay
    tiny = np.float32([[1, 9]])
    np.testing.assert_array_equal(replace_dead_pixels(tiny)[0], tiny)


def test_stripes_go_and_edges_stay():
    whole = scene()
    rng = np.random.default_rng(1)
    columns, rows = rng.normal(0, 12, 80), rng.normal(0, 8, 60)
    striped = (whole + columns + rows[:, None]).astype(np.float32)
    mended, largest = remove_stripes(striped)

    def stripes(plane):
        apart = plane - whole
        return np.std(np.diff(apart.mean(axis=0))), np.std(np.diff(apart.mean(axis=1)))

    before, after = stripes(striped), stripes(mended)
    assert after[0] < before[0] / 3
    assert after[1] < before[1] / 3
    assert largest < 60
    steps = mended[:, 51:56].mean() - mended[:, 44:49].mean()
    assert steps == pytest.approx(500, abs=25)
    untouched, _ = remove_stripes(whole)
    assert np.abs(untouched - whole).mean() < 3  # no more than the noise
    flat = np.full((20, 20), 7, np.float32)
    np.testing.assert_array_equal(remove_stripes(flat)[0], flat)


def test_mending_keeps_the_dtype_and_is_recorded():
    image = scene().astype(np.uint16)
    image[5, 7] = 0
    mended, record = mend(image, "dead-pixels")
    assert mended.dtype == np.uint16
    assert abs(int(mended[5, 7]) - 8100) < 150
    assert record == {"mended": "dead-pixels", "dead_pixels": 1, "largest_stripe": 0.0}
    same, record = mend(image, "none")
    assert same is image
    assert record == {}
    coloured = np.repeat((image // 64).astype(np.uint8)[..., None], 4, axis=2)
    coloured[..., 3] = np.arange(80)
    both, record = mend(coloured, "both")
    np.testing.assert_array_equal(both[..., 3], coloured[..., 3])
    assert both.shape == coloured.shape
    assert record["dead_pixels"] == 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_common_range_is_that_of_all_values_together(dtype):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 200 + 20 * n, (7, 11), dtype) for n in range(3)]
    together = np.concatenate([image.ravel() for image in images])
    for shares in ((0, 100), (0.1, 99.9), (13, 57.7)):
        expected = np.percentile(together, shares)
        assert common_range(iter(images), shares) == pytest.approx(tuple(expected))


def test_ranges_that_are_none():
    ones = np.ones((3, 3), np.uint8)
    with pytest.raises(UserError, match="no range"):
        common_range([ones], (0, 100))
    with pytest.raises(UserError, match="no readable"):
        common_range([], (0, 100))
    with pytest.raises(UserError, match="8 and of 16 bit"):
        common_range([ones, ones.astype(np.uint16)], (0, 100))
    for wrong in ("folder:9:1", "folder:1", "folder:0:200", "folder:"):
        with pytest.raises(UserError, match="not understood"):
            parse_shares(wrong)


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}])
@pytest.mark.parametrize("shape", [(3, 9, 12), (3, 9, 12, 3)])
def test_pages_in(tmp_path, options, shape):
    dtype = np.uint16 if len(shape) == 3 else np.uint8
    pages = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    path = tmp_path / "a.tif"
    kind = "minisblack" if len(shape) == 3 else "rgb"
    with tifffile.TiffWriter(path, **options) as writer:
        for page in pages:
            writer.write(page, photometric=kind)
        writer.write(pages[0, ::3, ::3], photometric=kind)  # a preview
    np.testing.assert_array_equal(read_pages(path), pages)
    assert count_pages(path) == 3
    np.testing.assert_array_equal(read_image(path), pages[0])


def test_pages_out_and_of_other_files(tmp_path):
    pages = list(np.random.default_rng(0).integers(0, 9999, (4, 9, 12)).astype(np.uint16))
    path = tmp_path / "a.tif"
    path.write_bytes(encode_pages(pages))
    np.testing.assert_array_equal(read_pages(path), pages)
    write_image(tmp_path / "a.png", pages[0])
    assert count_pages(tmp_path / "a.png") == 1
    np.testing.assert_array_equal(read_pages(tmp_path / "a.png"), pages[:1])


def test_pages_that_are_damaged(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((2, 9, 12), np.uint16), photometric="minisblack")
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * entries, first)
    path.write_bytes(data)
    with pytest.raises(UserError, match="circle"):
        read_pages(path)
    struct.pack_into("<I", data, first + 2 + 12 * entries, len(data) + 9)
    path.write_bytes(data)
    with pytest.raises(UserError, match="cut short"):
        read_pages(path)
