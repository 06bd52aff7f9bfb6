"""A fixed rig of two cameras: one transform for all their images, kept in a small file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emma_fusion import __version__
from emma_fusion.align.geometry import Matrix, Size
from emma_fusion.errors import UserError

KIND = "emma-fusion calibration"
_FORMAT = 1


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
        software: what made it.
    """

    matrix: Matrix
    model: str
    infrared: Size
    visible: Size
    pairs: int
    residual: float
    software: str = f"emma-fusion {__version__}"

    def check(self, infrared: Size, visible: Size, labels: tuple[str, str]) -> None:
        """Check that two images have the sizes that were calibrated.

        Raises:
            UserError: they have not.
        """
        for label, size, known in zip(
            labels, (infrared, visible), (self.infrared, self.visible), strict=True
        ):
            if size != known:
                raise UserError(
                    f"{label} is {size[1]}x{size[0]} pixels, but the calibration is for "
                    f"{known[1]}x{known[0]}: calibrate with images of this size."
                )

    def to_json(self) -> bytes:
        """The text of its file."""
        facts = {
            "kind": KIND,
            "format": _FORMAT,
            "software": self.software,
            "infrared": {"height": self.infrared[0], "width": self.infrared[1]},
            "visible": {"height": self.visible[0], "width": self.visible[1]},
            "model": self.model,
            "visible_to_infrared": self.matrix.tolist(),
            "pairs": self.pairs,
            "residual_pixels": round(self.residual, 3),
        }
        return (json.dumps(facts, indent=2) + "\n").encode()


def load_rig(path: Path | str) -> Rig:
    """Read a calibration.

    Raises:
        UserError: the file is missing, damaged, or no calibration.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"The calibration {path} does not exist.")
    try:
        facts: Any = json.loads(path.read_text("utf-8"))
        if facts["kind"] != KIND or facts["format"] != _FORMAT:
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
        return Rig(
            matrix,
            str(facts["model"]),
            infrared=sizes[0],
            visible=sizes[1],
            pairs=int(facts["pairs"]),
            residual=float(facts["residual_pixels"]),
            software=str(facts["software"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        raise UserError(
            f"{path} is no calibration, or a damaged one: make it anew with emma calibrate."
        ) from None
