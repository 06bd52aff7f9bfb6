import struct

import numpy as np
import pytest

from emma_fusion.images.geotiff import Tag, read_georeference, read_grid
from emma_fusion.images.placement import by_georeference
from emma_fusion.images.raster import read_image, read_pair, write_image

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


def control_points(bend=0.0, east=500000.0):
    """Tie points of a grid of 0.5 and -0.25 a pixel; bent, no affine transform goes through."""
    places = [(x, y) for x in (0.0, 6.0, 13.0) for y in (0.0, 9.0)]
    values = [
        value
        for x, y in places
        for value in (x, y, 0, east + 0.5 * x + bend * x * y, 4600000 - 0.25 * y, 0)
    ]
    return [Tag(33922, 12, len(values), struct.pack(f"<{len(values)}d", *values)), TAGS[2]]


GRID = [Tag(33550, 12, 3, struct.pack("<3d", 0.5, 0.25, 0)), *TAGS[1:]]
RPC = [Tag(50844, 12, 92, struct.pack("<92d", *range(92)))]


def test_control_points_on_one_transform_are_a_grid(tmp_path):
    write_image(tmp_path / "points.tif", IMAGE, georeference=control_points())
    write_image(tmp_path / "grid.tif", IMAGE, georeference=GRID)
    grids = [read_grid(tmp_path / f"{name}.tif") for name in ("points", "grid")]
    np.testing.assert_allclose(grids[0].matrix, grids[1].matrix, atol=1e-8)
    assert by_georeference(tmp_path / "points.tif", tmp_path / "grid.tif", ("a", "b")) is None
    write_image(tmp_path / "east.tif", IMAGE, georeference=control_points(east=500001.0))
    placement = by_georeference(tmp_path / "east.tif", tmp_path / "grid.tif", ("a", "b"))
    np.testing.assert_allclose(placement.matrix, [[1, 0, -2], [0, 1, 0], [0, 0, 1]], atol=1e-5)


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        (control_points(bend=0.05), "ground control points"),
        (RPC, "a rational polynomial model (RPC)"),
    ],
)
def test_what_no_affine_transform_says_is_said_and_kept(tmp_path, tags, what):
    write_image(tmp_path / "a.tif", IMAGE, georeference=tags)
    write_image(tmp_path / "b.tif", IMAGE, georeference=GRID)
    write_image(tmp_path / "c.tif", IMAGE)
    for other in "bc":
        for one, two in (("a", other), (other, "a")):
            pair = read_pair(tmp_path / f"{one}.tif", tmp_path / f"{two}.tif")
            (note,) = pair.record["notes"]
            assert f"a.tif has {what}, which is not used" in note
    assert "notes" not in read_pair(tmp_path / "a.tif", tmp_path / "a.tif").record
    assert read_georeference(tmp_path / "a.tif") == tags


@pytest.mark.parametrize(("suffix", "ending"), [("tif", "tfw"), ("png", "PGW"), ("jpg", "wld")])
def test_world_files_place_images_that_say_nothing_themselves(tmp_path, suffix, ending):
    for name, east in (("a", 500001.0), ("b", 500000.0), ("c", 500000.0)):
        write_image(tmp_path / f"{name}.{suffix}", IMAGE)
        if name != "c":
            text = f"0.5\n0\n0\n-0.25\n{east}\n4600000\n"
            (tmp_path / f"{name}.{ending}").write_text(text)
    a, b, c = (tmp_path / f"{name}.{suffix}" for name in "abc")
    placement = by_georeference(a, b, ("a", "b"))
    np.testing.assert_allclose(placement.matrix, [[1, 0, -2], [0, 1, 0], [0, 0, 1]], atol=1e-6)
    assert by_georeference(b, b, ("b", "b")) is None
    assert by_georeference(a, c, ("a", "c")) is None
    (tmp_path / f"a.{ending}").write_text("no numbers")
    assert by_georeference(a, b, ("a", "b")) is None
