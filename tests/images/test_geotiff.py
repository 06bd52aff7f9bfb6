import struct

import numpy as np
import pytest

from emma_fusion.images.geotiff import Tag, read_georeference
from emma_fusion.images.raster import read_image, write_image

TAGS = [
    Tag(33550, 12, 3, struct.pack("<3d", 0.5, 0.5, 0)),
    Tag(33922, 12, 6, struct.pack("<6d", 0, 0, 0, 500000, 4600000, 0)),
    Tag(34735, 3, 8, struct.pack("<8H", 1, 1, 0, 1, 3072, 0, 1, 32633)),
    Tag(34737, 2, 8, b"WGS 84|\0"),
]
IMAGE = np.random.default_rng(0).integers(0, 255, (9, 13), np.uint8)


@pytest.fixture
def referenced(tmp_path):
    write_image(tmp_path / "a.tif", IMAGE, georeference=TAGS)
    return tmp_path / "a.tif"


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_written_is_read(tmp_path, channels, dtype):
    image = np.random.default_rng(0).integers(0, 255, (9, 13, *channels)).astype(dtype)
    write_image(tmp_path / "a.tif", image, georeference=TAGS)
    assert read_georeference(tmp_path / "a.tif") == TAGS
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


def test_other_formats_are_written_without(tmp_path):
    write_image(tmp_path / "a.png", IMAGE, georeference=TAGS)
    assert read_georeference(tmp_path / "a.png") == []


@pytest.mark.parametrize("damage", [lambda d: d[:-3], lambda d: d[:10], lambda d: b"", bytes.upper])
def test_damage_is_no_georeference_and_no_error(referenced, damage):
    referenced.write_bytes(damage(referenced.read_bytes()))
    read_georeference(referenced)


def test_a_turned_image_has_none(referenced):
    write_image(referenced, IMAGE, georeference=[*TAGS, Tag(274, 3, 1, struct.pack("<H", 6))])
    assert read_georeference(referenced) == []


def test_a_missing_file_has_none(tmp_path):
    assert read_georeference(tmp_path / "no.tif") == []


@pytest.mark.parametrize("options", [{}, {"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"}])
def test_what_rasterio_writes_and_reads(tmp_path, options):
    rasterio = pytest.importorskip("rasterio")
    from rasterio.transform import from_origin

    place = {"crs": "EPSG:32633", "transform": from_origin(500000, 4600000, 0.5, 0.25)}
    shape = {"width": 13, "height": 9, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **shape, **place, **options) as file:
        file.write(IMAGE, 1)
    tags = read_georeference(tmp_path / "a.tif")
    write_image(tmp_path / "b.tif", IMAGE, georeference=tags)
    with rasterio.open(tmp_path / "b.tif") as file:
        assert file.crs == place["crs"]
        assert file.transform == place["transform"]
        np.testing.assert_array_equal(file.read(1), IMAGE)
