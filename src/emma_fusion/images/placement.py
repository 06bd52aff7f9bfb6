"""Where an infrared image belongs on a visible one, known before the two are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emma_fusion.align.geometry import Matrix
from emma_fusion.images.geotiff import between, curved


@dataclass(frozen=True, eq=False)
class Placement:
    """A transform that files themselves tell.

    Attributes:
        matrix: (3, 3), from (x, y) of the visible image to (x, y) of the infrared one; None
            where the two are left as they are, which the note says.
        facts: for the record: who says so, and the kind of transform.
        note: a sentence for the user.
    """

    matrix: Matrix | None
    facts: dict[str, Any]
    note: str


def by_georeference(infrared: Path, visible: Path, labels: tuple[str, str]) -> Placement | None:
    """Where two GeoTIFFs say that they lie; None where they do not, or on one pixel grid.

    Raises:
        UserError: see `geotiff.between`.
    """
    matrix = between(infrared, visible, labels)
    if matrix is None:
        return _curved(infrared, visible, labels)
    note = f"{labels[0]} was brought onto the pixels of {labels[1]} by georeference."
    return Placement(matrix, {"by": "georeference", "model": "affine"}, note)


def _curved(infrared: Path, visible: Path, labels: tuple[str, str]) -> Placement | None:
    """A word on georeferences that are not used; None where there are none, or equal ones."""
    first, second = curved(infrared), curved(visible)
    if first == second:
        return None
    kind = first[0] or second[0]
    note = (
        f"{labels[0]} and {labels[1]} are not placed alike: "
        f"{labels[0 if first[0] else 1]} has {kind}, which is not used. They were taken to show "
        "the same scene pixel for pixel; rectify them first (gdalwarp), or use --align."
    )
    return Placement(None, {}, note)
