"""Score models and teachers on brain scans that no training saw: is each scan still visible?

    python benchmarks/scans.py -o OUT medical base mmdrfuse refusion average maximum
    python benchmarks/scans.py -o OUT medical base average --kinds pet-mri

Names are those of benchmarks/validation.py; so is OUT. The pairs are of the patients that
configs/medical.yaml keeps out, at most eight a kind. Beside the metrics, the table has:

- functional, MRI: rank correlation (Spearman) between the fused luminance and each scan's, over the
  head: the pixels where a scan is above 5/255, holes filled. Functional is CT, PET or SPECT.
- air: mean of the fused image in 1/255 where both scans are at most 2/255.
- glare: share in percent of fused pixels above 250/255 where no scan is.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats

from emma_fusion.training.config import load_config
from emma_fusion.values.arrays import FloatArray
from validation import ROOT, validation_pairs, write_rows

KINDS = ("ct-mri", "pet-mri", "spect-mri")


def head_of(functional: FloatArray, mri: FloatArray) -> npt.NDArray[np.bool_]:
    """Where the head is: ``(H, W)``."""
    tissue = np.maximum(functional, mri) > 5 / 255
    filled: npt.NDArray[np.bool_] = ndimage.binary_fill_holes(tissue)
    return filled


def visible_parts(fused: FloatArray, functional: FloatArray, mri: FloatArray) -> dict[str, float]:
    """How well both scans are seen in a fused image, and what is in it that is in neither.

    Args:
        fused: ``(H, W)`` in [0, 1].
        functional: The same shape.
        mri: The same shape.

    Returns:
        The four measures of this file's head.
    """
    head = head_of(functional, mri)
    air = np.maximum(functional, mri) <= 2 / 255
    glaring = (fused > 250 / 255) & (np.maximum(functional, mri) <= 250 / 255)
    return {
        "functional": float(stats.spearmanr(fused[head], functional[head]).statistic),
        "MRI": float(stats.spearmanr(fused[head], mri[head]).statistic),
        "air": float(255 * fused[air].mean()) if air.any() else 0.0,
        "glare": float(100 * glaring.mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="+", metavar="METHOD")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "medical.yaml")
    parser.add_argument("--most", type=int, default=8, help="pairs of each kind")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    arguments = parser.parse_args()
    pairs = []
    for kind in arguments.kinds:
        sets = [p for p in load_config("cpu", arguments.config).pairs if kind in p.infrared.parts]
        pairs += validation_pairs(sets[-1:], arguments.most)
    write_rows(arguments.methods, pairs, arguments.output, visible_parts)


if __name__ == "__main__":
    main()
