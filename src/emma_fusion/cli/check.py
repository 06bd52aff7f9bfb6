"""emma check INFRARED VISIBLE: which pairs are misaligned, the worst first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

from emma_fusion.cli.options import takes
from emma_fusion.cli.progress import Terminal, bar
from emma_fusion.jobs.camera_requests import CheckRequest


@takes(CheckRequest)
def check(request: CheckRequest) -> None:
    """Register every pair and list the pairs by how far they are apart; no file is changed.

    The distance is the mean over the corners of the visible image, in its pixels. Pairs that
    cannot be registered with confidence come last.
    """
    from emma_fusion import __version__
    from emma_fusion.errors import UserError
    from emma_fusion.jobs.targets import find_pairs
    from emma_fusion.scans.open import is_volume

    for path in (request.infrared, request.visible):
        if path.exists() and is_volume(path):
            raise UserError(
                f"{path} is a scan. Scans are brought together by where their headers say that "
                "they lie, so there are no pixels to check: emma info FIRST SECOND says how much "
                "of one lies within the other."
            )
    pairs = find_pairs(request.infrared, request.visible, Terminal(), request.pairing)
    rows: list[dict[str, Any]] = []
    failures = []
    with bar("Checking") as show:
        for number, (stem, i, v) in enumerate(pairs, 1):
            try:
                rows.append({"name": stem, **measure(i, v)})
            except Exception as error:
                failures.append(f"{stem}: {str(error) or type(error).__name__}")
            show(number, len(pairs))
    rows.sort(key=lambda row: (not row["sure"], -row["off_pixels"], row["name"]))
    if request.as_json:
        found = {"software": f"emma-fusion {__version__}", "count": len(rows), "pairs": rows}
        print(json.dumps(found, indent=2))
    else:
        print_table(rows)
    for failure in failures:
        print(f"Failed {failure}", file=sys.stderr)
    if failures:
        raise typer.Exit(1 if rows else 2)


def measure(infrared: Path, visible: Path) -> dict[str, Any]:
    """How far one pair is off, and how sure that is."""
    from emma_fusion.align import register
    from emma_fusion.align.geometry import size_of
    from emma_fusion.align.registration import plane_of
    from emma_fusion.images.pairing import read_infrared_values
    from emma_fusion.images.raster import read_image

    thermal, image = read_infrared_values(infrared), read_image(visible)
    found = register(plane_of(thermal), plane_of(image))
    sizes = {
        side: f"{size[1]}x{size[0]}"
        for side, size in (("infrared", size_of(thermal)), ("visible", size_of(image)))
    }
    return {
        "off_pixels": round(found.moved, 2),
        "model": found.model,
        "confidence": round(found.confidence, 3),
        "sure": found.trusted,
        **sizes,
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the pairs, the worst first."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(caption="pixels of the visible image, mean over its corners")
    for title in ("pair", "off by", "model", "confidence", ""):
        table.add_column(title, justify="right" if title in ("off by", "confidence") else "left")
    for row in rows:
        off = f"{row['off_pixels']:.1f}" if row["sure"] else "?"
        remark = "" if row["sure"] else "cannot tell"
        if row["infrared"] != row["visible"]:
            remark = f"{remark} infrared {row['infrared']}, visible {row['visible']}".strip()
        table.add_row(escape(row["name"]), off, row["model"], f"{row['confidence']:.2f}", remark)
    Console().print(table)
