"""How close the baselines are to their authors' images; puts the table into reports/baselines.md.

    python benchmarks/originals.py [--golden ../shared/golden]

The VIFB benchmark holds what the authors' programs made of five of its pairs, as JPEG files. Each
channel is fused as there; correlation and SSIM (scikit-image, range 1) are of all three.
"""

import argparse
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from emma_fusion import baselines
from emma_fusion.baselines import gradient_transfer
from marked import made_by, put

HERE = Path(__file__).resolve().parents[1]
ORIGINALS = {
    "guided": "GFF",
    "diffusion": "ADF",
    "two-scale": "TIF",
    "gradient-transfer": "GTF",
}
MARGIN = 20  # pixels
PAPER_SMOOTHNESS = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--golden", type=Path, default=HERE.parent / "shared" / "golden")
    parser.add_argument("--document", type=Path, default=HERE / "reports" / "baselines.md")
    options = parser.parse_args()
    vifb = options.golden / "vifb"
    pairs = sorted(path.stem for path in (vifb / "ir").iterdir())
    lines = [f"| | {' | '.join(pairs)} | mean |", "|---" * (len(pairs) + 2) + "|"]
    for name, original in ORIGINALS.items():
        lines.append(row(f"`{name}`, {original}", [compare(name, vifb, pair) for pair in pairs]))
    inside = [compare("two-scale", vifb, pair, MARGIN) for pair in pairs]
    lines.append(row(f"TIF without {MARGIN} pixels of border", inside))
    with mock.patch.object(gradient_transfer, "SMOOTHNESS", PAPER_SMOOTHNESS):
        paper = [compare("gradient-transfer", vifb, pair) for pair in pairs]
    lines.append(row(f"GTF with the paper's weight of {PAPER_SMOOTHNESS:g}", paper))
    block = "\n".join([*lines, "", made_by("python benchmarks/originals.py")])
    put(options.document, "agreement", block)
    print(block)


def compare(name: str, vifb: Path, pair: str, margin: int = 0) -> tuple[float, float]:
    """Correlation and SSIM of our fused image with the authors'."""
    inside = np.s_[margin : -margin or None, margin : -margin or None]
    fused = fuse(name, *(read(vifb / side / f"{pair}.jpg") for side in ("ir", "vi")))[inside]
    theirs = read(vifb / "fused" / ORIGINALS[name] / f"{pair}.jpg")[inside]
    similarity = structural_similarity(fused, theirs, channel_axis=2, data_range=1.0)
    return np.corrcoef(fused.ravel(), theirs.ravel())[0, 1], similarity


def read(path: Path) -> np.ndarray:
    """(H, W, 3) in [0, 1]."""
    return cv2.imread(str(path), cv2.IMREAD_COLOR) / 255.0


def fuse(name: str, infrared: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Fuse each channel, to 8 bit."""
    channels = zip(np.moveaxis(infrared, 2, 0), np.moveaxis(visible, 2, 0), strict=True)
    planes = [baselines.fuse(name, *map(np.ascontiguousarray, pair)) for pair in channels]
    return np.rint(np.dstack(planes) * 255) / 255


def row(title: str, values: list[tuple[float, float]]) -> str:
    cells = [f"{r:.3f} · {s:.3f}" for r, s in values]
    r, s = np.mean(values, axis=0)
    return f"| {title} | {' | '.join(cells)} | **{r:.3f} · {s:.3f}** |"


if __name__ == "__main__":
    main()
