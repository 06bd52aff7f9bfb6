"""A fixed rig of two cameras: one transform for all their images, kept in a small file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion import __version__
from emma_fusion.align.geometry import Matrix, Size, apply
from emma_fusion.align.lens import Lens
from emma_fusion.errors import UserError

KIND = "emma-fusion calibration"
# 2 has lenses; 1 has none, and an older version that reads a file of 2 says that it cannot.
_FORMAT, _FORMAT_WITH_LENSES = 1, 2


@dataclass(frozen=True, eq=False)
class Rig:
    """How the infrared camera of a rig sees what the visible one sees.

    Attributes:
        matrix: (3, 3), from (x, y) of the visible image to (x, y) of the infrared one.
        model: the kind of transform it is.
        infrared: (height, width) of the infrared images.
        visible: (height, width) of the visible images.
        pairs: how many went into it.
        residual: median over these of how far their own transforms take the corners of the
            visible image from where the rig's does, in the infrared's pixels.
        lenses: of the infrared and of the visible camera; None for none. `matrix` is between
            images from which their distortion is taken.
        notes: what else stands in the file: of a board, its distance and what parallax costs.
        software: what made it.
    """

    matrix: Matrix
    model: str
    infrared: Size
    visible: Size
    pairs: int
    residual: float
    lenses: tuple[Lens, Lens] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    software: str = f"emma-fusion {__version__}"

    def check(self, infrared: Size, visible: Size, labels: tuple[str, str]) -> None:
        """Check that two images have the sizes that were calibrated.

        Raises:
            UserError: they have others.
        """
        for label, size, known in zip(
            labels, (infrared, visible), (self.infrared, self.visible), strict=True
        ):
            if size != known:
                raise UserError(
                    f"{label} is {size[1]}x{size[0]} pixels, but the calibration is for "
                    f"{known[1]}x{known[0]}: calibrate with images of this size."
                )

    def seen(self, points: npt.NDArray[Any]) -> Matrix:
        """Where the infrared camera sees (N, 2) pixels of the visible image."""
        if self.lenses is None:
            return apply(self.matrix, points)
        infrared, visible = self.lenses
        return infrared.bend(apply(self.matrix, visible.straighten(points)))

    def to_json(self) -> bytes:
        """The contents of the calibration's file."""
        facts: dict[str, Any] = {
            "kind": KIND,
            "format": _FORMAT if self.lenses is None else _FORMAT_WITH_LENSES,
            "software": self.software,
            "infrared": {"height": self.infrared[0], "width": self.infrared[1]},
            "visible": {"height": self.visible[0], "width": self.visible[1]},
            "model": self.model,
            "visible_to_infrared": self.matrix.tolist(),
            "pairs": self.pairs,
            "residual_pixels": round(self.residual, 3),
        }
        if self.lenses is not None:
            facts["lenses"] = {
                side: lens.to_facts()
                for side, lens in zip(("infrared", "visible"), self.lenses, strict=True)
            }
        if self.notes:
            facts["notes"] = self.notes
        return (json.dumps(facts, indent=2) + "\n").encode()


def load_rig(path: Path | str) -> Rig:
    """Read a calibration.

    Raises:
        UserError: the file is missing or damaged, or it is not a calibration.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"The calibration {path} does not exist.")
    try:
        facts: Any = json.loads(path.read_text("utf-8"))
        if facts["kind"] != KIND or facts["format"] not in (_FORMAT, _FORMAT_WITH_LENSES):
            raise ValueError
        sizes = [
            (int(facts[side]["height"]), int(facts[side]["width"]))
            for side in ("infrared", "visible")
        ]
        matrix = np.array(facts["visible_to_infrared"], np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise ValueError
        if min(*sizes[0], *sizes[1]) < 1 or abs(np.linalg.det(matrix)) < 1e-9:
            raise ValueError
        lenses = None
        if facts["format"] == _FORMAT_WITH_LENSES:
            lenses = (
                Lens.from_facts(facts["lenses"]["infrared"]),
                Lens.from_facts(facts["lenses"]["visible"]),
            )
        return Rig(
            matrix,
            str(facts["model"]),
            infrared=sizes[0],
            visible=sizes[1],
            pairs=int(facts["pairs"]),
            residual=float(facts["residual_pixels"]),
            lenses=lenses,
            notes=dict(facts.get("notes", {})),
            software=str(facts["software"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        raise UserError(
            f"{path} is not a calibration, or it is damaged: make it again with emma calibrate."
        ) from None
