"""Figures that papers printed, to stand beside measured ones and never to be ranked with them."""

from __future__ import annotations

import csv
from pathlib import Path

#: Where the figures of published.csv are from.
CITATION = (
    "Z. Zhao et al., Equivariant Multi-Modality Image Fusion, CVPR 2024, arXiv 2305.11443, "
    "tables of the comparison on RoadScene, MSRS, M3FD and the Harvard medical images (there "
    "without fine-tuning)"
)
#: What a reader must know of them.
CAVEAT = (
    "printed in the paper, not measured here: under the paper protocol, on images that it does "
    "not list, so they orient; methods that ran here on the same images decide"
)

_FILE = Path(__file__).with_name("published.csv")


def published(dataset: str) -> dict[str, dict[str, str]]:
    """The published figures of a dataset, as printed.

    Returns:
        Method -> metric -> figure; nothing where there are none.

    >>> published("roadscene")["EMMA"]["SCD"]
    '1.69'
    """
    with _FILE.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.pop("dataset") == dataset]
    return {row.pop("method"): row for row in rows}
