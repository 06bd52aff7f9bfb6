"""Values that other programs gave to images, where the folder with both is at hand."""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

PAPER = ("EN", "SD", "SF", "AG", "MI", "SCD", "VIF", "Qabf")
VIFB = {
    "AG": "Avg_gradient",
    "CE": "Cross_entropy",
    "EI": "Edge_intensity",
    "EN": "Entropy",
    "MI": "Mutinf",
    "PSNR": "Psnr",
    "Qabf": "Qabf",
    "Qcb": "Qcb",
    "Qcv": "Qcv",
    "RMSE": "Rmse",
    "SF": "Spatial_frequency",
    "SSIM": "Ssim",
    "SD": "Variance",
}
#: Their stored images are not those that were scored; MST_SR has none (it is LP_SR).
NOT_SCORED = {"YDTR", "SwinFusion", "MST_SR"}


@dataclass(frozen=True)
class Golden:
    """A fused image with its values.

    Attributes:
        method: Who fused it.
        image: Its stem.
        paths: Fused, infrared and visible file.
        values: Metric -> value.
        colour: Whether all three are to be read as colour.
    """

    method: str
    image: str
    paths: tuple[Path, Path, Path]
    values: dict[str, float]
    colour: bool = False

    def read(self) -> list[np.ndarray]:
        """Fused, infrared and visible image, (H, W) or (H, W, 3) RGB uint8."""
        flag = cv2.IMREAD_COLOR if self.colour else cv2.IMREAD_UNCHANGED
        images = [cv2.imread(str(path), flag) for path in self.paths]
        return [p if p.ndim == 2 else np.ascontiguousarray(p[..., ::-1]) for p in images]


def paper_values(golden: Path, data: Path) -> list[Golden]:
    """What the evaluator of the EMMA paper's authors printed of 20 images."""
    test = data / "roadscene" / "test"
    return [
        Golden(
            row["method"],
            row["picture"],
            (
                golden / "fused" / row["method"] / f"{row['picture']}.png",
                test / "ir" / f"{row['picture']}.jpg",
                test / "vi" / f"{row['picture']}.jpg",
            ),
            {name: float(row[name]) for name in PAPER},
        )
        for row in _rows(golden / "metrics-paper.csv")
    ]


def vifb_values(golden: Path) -> list[Golden]:
    """What the VIFB benchmark published of 5 images of the methods whose images it scored."""
    folder = golden / "vifb"
    return [
        Golden(
            row["method"],
            row["picture"],
            (
                folder / "fused" / row["method"] / f"{row['picture']}.jpg",
                folder / "ir" / f"{row['picture']}.jpg",
                folder / "vi" / f"{row['picture']}.jpg",
            ),
            {name: float(row[column]) for name, column in VIFB.items()},
            colour=True,
        )
        for row in _rows(folder / "values.csv")
        if row["method"] not in NOT_SCORED
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))
