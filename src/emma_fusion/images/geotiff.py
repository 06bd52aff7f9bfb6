"""Where on the Earth a GeoTIFF lies (OGC 19-008r4), read, compared, and kept for the output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from emma_fusion.errors import UserError
from emma_fusion.images.formats import Damaged
from emma_fusion.images.tiff import TiffImages, is_tiff, orientation_of
from emma_fusion.images.world_file import read_world_file

_SCALE, _TIEPOINTS, _MATRIX, _KEYS, _RPC = 33550, 33922, 34264, 34735, 50844
_GEO_TAGS = (_SCALE, _TIEPOINTS, _MATRIX, _KEYS, 34736, 34737, _RPC)
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 11: 4, 12: 8}  # bytes of a value, by its TIFF type
_RASTER_TYPE, _PIXEL_IS_POINT = "GTRasterTypeGeoKey", 2
# What is said in words, and where a pixel's place is taken, makes no other coordinate system.
_NOT_THE_SYSTEM = ("Citation", "GTRasterType", "KeyDirectoryVersion", "KeyRevision")
# How far two pixel grids may be apart at a corner, in pixels, and still be one.
_TOLERANCE = 0.1
# How far, in pixels, control points may lie from one affine transform that is used for them all.
_FITS = 0.25
# How many times as large the pixels of one image may be as those of the other.
_SIZES = 1000


@dataclass(frozen=True)
class Tag:
    """A tag of a TIFF directory.

    Attributes:
        number: of the tag.
        type: of its values, as TIFF numbers them.
        count: of its values.
        values: little-endian.
    """

    number: int
    type: int
    count: int
    values: bytes


@dataclass(frozen=True, eq=False)
class Grid:
    """A pixel grid on the Earth.

    Attributes:
        matrix: (3, 3), from (x, y) of a pixel's centre to coordinates.
        system: the coordinate system, as the keys of the file give it.
        size: (height, width).
    """

    matrix: npt.NDArray[np.float64]
    system: tuple[tuple[str, str], ...]
    size: tuple[int, int]


def read_georeference(path: Path | str) -> list[Tag]:
    """Read the tags that say where on the Earth an image lies.

    Returns:
        The tags in order; none where the file has none, is no readable TIFF, or is to be turned
        before it is seen (its orientation), since they hold for the image as it is stored.
    """
    with _page_of(path) as page:
        if page is None:
            return []
        found = (page.tags.get(number) for number in _GEO_TAGS)
        tags = [_raw(tag) for tag in found if tag is not None and int(tag.dtype) in _WIDTHS]
    return [tag for tag in tags if tag is not None]


def _raw(tag: tifffile.TiffTag) -> Tag | None:
    """A tag with its values as bytes; None where the file is cut short in them."""
    width, file, order = _WIDTHS[int(tag.dtype)], tag.parent.filehandle, tag.parent.tiff.byteorder
    file.seek(tag.valueoffset)
    values = file.read(width * tag.count)
    if len(values) != width * tag.count:
        return None
    little = np.frombuffer(values, f"{order}u{width}").astype(f"<u{width}").tobytes()
    return Tag(tag.code, int(tag.dtype), tag.count, little)


def read_grid(path: Path | str) -> Grid | None:
    """Read the pixel grid of an image; None where no single transform places it.

    Ground control points (several tie points) are one where an affine transform goes through all
    of them; see `curved` for the others.
    """
    with _page_of(path) as page:
        if page is None:
            return None
        scale, points, matrix = (page.tags.valueof(tag) for tag in (_SCALE, _TIEPOINTS, _MATRIX))
        size = page.imagelength, page.imagewidth
        try:
            keys = page.geotiff_tags or {}
        except Exception:  # tifffile raises nearly anything on damaged keys
            return None
    if points is not None and len(points) > 6:
        found = _fit(np.reshape(points[: len(points) // 6 * 6], (-1, 6)))
        if found is None:
            return None
        place = found
    elif matrix is not None and len(matrix) == 16:
        full = np.reshape(np.asarray(matrix, float), (4, 4))
        place = full[np.ix_([0, 1, 3], [0, 1, 3])]
    elif scale is not None and points is not None and len(points) == 6 and len(scale) >= 2:
        x, y, _, east, north, _ = points
        across, down = float(scale[0]), -float(scale[1])
        place = np.array([[across, 0, east - across * x], [0, down, north - down * y], [0, 0, 1.0]])
    else:
        return None
    with np.errstate(over="ignore"):  # of a damaged file, whose pixels have any size
        area = abs(np.linalg.det(place[:2, :2]))
    if not np.isfinite(place).all() or area == 0:
        return None
    if keys.get(_RASTER_TYPE) != _PIXEL_IS_POINT:  # the transform holds for a pixel's corner
        place = place @ np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    system = tuple(
        sorted(
            (str(name), str(value))
            for name, value in keys.items()
            if not str(name).startswith("Model")
            and not any(part in str(name) for part in _NOT_THE_SYSTEM)
        )
    )
    return Grid(place, system, size)


def _fit(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """The affine transform through ground control points, rows of x, y, z and their coordinates.

    Returns:
        (3, 3), from (x, y) to coordinates; None where they lie on a line, or not on one transform.
    """
    pixels, placed = points[:, :2], points[:, 3:5]
    if len(points) < 3 or not np.isfinite(points).all():
        return None
    middle = placed.mean(axis=0)  # coordinates are large numbers
    system = np.column_stack([pixels, np.ones(len(points))])
    solved, _, rank, _ = np.linalg.lstsq(system, placed - middle, rcond=None)
    linear = solved[:2].T
    if rank < 3 or abs(np.linalg.det(linear)) < 1e-30:
        return None
    away = np.linalg.solve(linear, (system @ solved - (placed - middle)).T)
    if np.abs(away).max() > _FITS:
        return None
    return np.vstack([np.column_stack([linear, solved[2] + middle]), [0, 0, 1.0]])


def curved(path: Path | str) -> tuple[str, bytes]:
    """What places an image by more than one affine transform: control points or an RPC model.

    Returns:
        What it is called, and its values, equal where two images are placed alike; "" where there
        is no such thing.
    """
    tags = {tag.number: tag.values for tag in read_georeference(path)}
    if _RPC in tags:
        return "a rational polynomial model (RPC)", tags[_RPC]
    if len(tags.get(_TIEPOINTS, b"")) > 48 and read_grid(path) is None:
        return "ground control points", tags[_TIEPOINTS]
    return "", b""


def between(
    infrared: Path | str, visible: Path | str, labels: tuple[str, str]
) -> npt.NDArray[np.float64] | None:
    """The transform from pixels of the visible image to those of the infrared one.

    Where neither holds a georeference, the world files beside them count, if both have one.

    Returns:
        (3, 3), from (x, y) to (x, y); None where one of the two has no georeference, or both have
        the same pixel grid.

    Raises:
        UserError: they lie in different coordinate systems, or do not overlap.
    """
    first, second = read_grid(infrared), read_grid(visible)
    if first is None and second is None:
        first, second = (_by_world_file(path) for path in (infrared, visible))
    if first is None or second is None:
        return None
    if first.system != second.system:
        differing = dict(set(second.system) - set(first.system))
        raise UserError(
            f"{labels[0]} and {labels[1]} lie in different coordinate systems "
            f"({_name(first)} and {_name(second)}{': ' if differing else ''}"
            f"{', '.join(sorted(differing))}): bring one into the other's first, with gdalwarp "
            "or your GIS."
        )
    with np.errstate(all="ignore"):
        matrix: npt.NDArray[np.float64] = np.linalg.inv(first.matrix) @ second.matrix
    if not _is_plausible(matrix):
        raise UserError(
            f"{labels[0]} and {labels[1]} cannot be brought together: by their georeference, the "
            f"pixels of one are more than {_SIZES} times as large as the other's. One of them "
            "is wrong: mend it, with gdal_edit or your GIS, or remove it."
        )
    height, width = second.size
    corners = np.array([(x, y, 1) for x in (0, width - 1) for y in (0, height - 1)])
    moved = (matrix @ corners.T)[:2].T
    if first.size == second.size and np.abs(moved - corners[:, :2]).max() <= _TOLERANCE:
        return None
    low, high = moved.min(axis=0), moved.max(axis=0)
    if (high < 0).any() or low[0] > first.size[1] - 1 or low[1] > first.size[0] - 1:
        east, north = (second.matrix - first.matrix)[:2, 2]
        raise UserError(
            f"{labels[0]} and {labels[1]} do not overlap: by their georeference the second begins "
            f"{east:g} east and {north:g} north of the first, in units of their coordinate system."
        )
    return matrix


def _is_plausible(matrix: npt.NDArray[np.float64]) -> bool:
    """Whether a transform between pixels is one of numbers, and of pixels of comparable sizes."""
    if not np.isfinite(matrix).all():
        return False
    sizes = np.linalg.svd(matrix[:2, :2], compute_uv=False)
    return bool(sizes.min() >= 1 / _SIZES and sizes.max() <= _SIZES)


def _by_world_file(path: Path | str) -> Grid | None:
    """The pixel grid by the file beside an image, which names no coordinate system."""
    found = read_world_file(Path(path))
    return None if found is None else Grid(found[0], (), found[1])


def _name(grid: Grid) -> str:
    """What a coordinate system is called: its EPSG code where it has one."""
    keys = dict(grid.system)
    for key in ("ProjectedCSTypeGeoKey", "ProjectedCRSGeoKey", "GeographicTypeGeoKey",
                "GeodeticCRSGeoKey"):  # fmt: skip
        if key in keys:
            value = keys[key]
            return f"EPSG:{value}" if value.isdigit() else value
    return "one that is not named"


@contextmanager
def _page_of(path: Path | str) -> Iterator[tifffile.TiffPage | None]:
    """The directory of a TIFF file's image, where that is readable and stands as it is stored."""
    path, images = Path(path), None
    try:
        with path.open("rb") as file:
            if is_tiff(file.read(4)):
                images = TiffImages(path)
    except (OSError, Damaged):
        images = None
    if images is None:
        yield None
        return
    with images:
        page = images.first
        yield page if orientation_of(page) == 1 else None
