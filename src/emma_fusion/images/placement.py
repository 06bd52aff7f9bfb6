"""Where an infrared image belongs on a visible one, known before the two are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emma_fusion.align.geometry import Matrix
from emma_fusion.images.geotiff import between


@dataclass(frozen=True, eq=False)
class Placement:
    """A transform that files themselves tell.

    Attributes:
        matrix: (3, 3), from (x, y) of the visible image to (x, y) of the infrared one.
        facts: for the record: who says so, and the kind of transform.
        note: a sentence for the user.
    """

    matrix: Matrix
    facts: dict[str, Any]
    note: str


def by_georeference(infrared: Path, visible: Path, labels: tuple[str, str]) -> Placement | None:
    """Where two GeoTIFFs say that they lie; None where they do not, or on one pixel grid.

    Raises:
        UserError: see `geotiff.between`.
    """
    matrix = between(infrared, visible, labels)
    if matrix is None:
        return None
    note = f"{labels[0]} was brought onto the pixels of {labels[1]} by georeference."
    return Placement(matrix, {"by": "georeference", "model": "affine"}, note)
