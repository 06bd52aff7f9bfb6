"""The report: one HTML file with tables, box plots and images, and nothing from outside it."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from emma_fusion.bench import tables as writers
from emma_fusion.bench import temporal
from emma_fusion.bench.plots import box_plots
from emma_fusion.bench.published import CAVEAT, CITATION
from emma_fusion.bench.runner import BenchResult, Scores
from emma_fusion.bench.statistics import Cell
from emma_fusion.bench.tables import SIGNIFICANT, TOO_FEW, Table
from emma_fusion.bench.temporal import Steadiness
from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_image, read_pair
from emma_fusion.metrics import METRICS
from emma_fusion.values.arrays import from_unit, without_alpha

#: Characters of embedded images in all, so that the file stays below 25 MB.
BUDGET = 20_000_000

_SHOWN = (".png", ".jpg", ".jpeg", ".webp")
_PAGE = Path(__file__).with_name("page")
_COLOURS = (
    "#7aa6d8", "#e8a15c", "#86bf7e", "#d98585", "#ab93cf",
    "#b89a86", "#dd9cc6", "#9aa3ad", "#c3bf68", "#6fc0c9",
)  # fmt: skip


def render(
    outcome: BenchResult,
    tables: list[Table],
    facts: dict[str, str],
    images: int = 8,
    steadiness: Sequence[Steadiness] = (),
) -> str:
    """Write the report.

    Args:
        outcome: What was measured.
        tables: The same, summarised; one a dataset.
        facts: Name -> text, for the top of the page.
        images: How many pairs of each dataset are embedded at most; fewer where they would
            make the file larger than 25 MB.
        steadiness: Temporal scores of the datasets that are videos.

    Returns:
        HTML.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    browser = [
        _embed(scores, outcome.rules.metrics, images, BUDGET // len(outcome.scores))
        for scores in outcome.scores
    ]
    browser = [embedded for embedded in browser if embedded["pairs"]]
    environment = Environment(
        loader=FileSystemLoader(_PAGE), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html").render(
        tables=tables,
        steadiness=steadiness,
        temporal=temporal,
        facts=facts,
        warnings=outcome.warnings + outcome.failures,
        methods=outcome.scores[0].methods,
        metrics=outcome.rules.metrics,
        about=METRICS,
        plots={
            scores.dataset.name: _plots(scores, outcome.rules.metrics) for scores in outcome.scores
        },
        browser=browser,
        shown=_count(outcome.scores, browser),
        style=(_PAGE / "report.css").read_text("utf-8"),
        script=(_PAGE / "report.js").read_text("utf-8"),
        caveat=CAVEAT,
        citation=CITATION,
        significant=SIGNIFICANT,
        too_few=TOO_FEW,
        arrow=writers.arrow,
        label=writers.label,
        rank=writers.rank,
        interval=writers.interval,
        difference=_difference,
        verdict=_verdict,
        p_value=_p_value,
    )


def _plots(scores: Scores, metrics: tuple[str, ...]) -> list[str]:
    """Box plots of the methods and metrics that have finite values."""
    values = {
        method.name: {
            metric: [
                v[metric] for v in scores.values[method.name].values() if math.isfinite(v[metric])
            ]
            for metric in metrics
        }
        for method in scores.methods
    }
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(values))]
    return box_plots(values, metrics, colours, scores.dataset.name)


def _embed(scores: Scores, metrics: tuple[str, ...], most: int, budget: int) -> dict[str, Any]:
    """Pairs spread evenly over the dataset, as long as there is room for them."""
    stems = list(scores.dataset.pairs)
    count = min(most, len(stems))
    chosen = [stems[k * len(stems) // count] for k in range(count)]
    pairs = []
    for stem in chosen:
        images = [
            {
                "name": name,
                "src": address,
                "scores": _scores(scores, name, stem, metrics),
            }
            for name, address in _images(scores, stem)
        ]
        budget -= sum(len(image["src"]) for image in images)
        if budget < 0:
            break
        if images:
            pairs.append({"stem": stem, "images": images})
    return {"title": scores.dataset.title, "pairs": pairs}


def _images(scores: Scores, stem: str) -> Iterator[tuple[str, str]]:
    """Both sources and every method's fused image as addresses, as far as they can be read."""
    infrared, visible = scores.dataset.pairs[stem]
    files = {
        method.name: scores.fused[method.name][stem]
        for method in scores.methods
        if stem in scores.values[method.name]
    }
    try:
        pair = read_pair(infrared, visible)
        first, second = scores.dataset.labels
        yield first, _data_url(infrared, from_unit(pair.infrared, np.uint8))
        for name, path in ({second: visible} | files).items():
            image = without_alpha(read_image(path))
            yield name, _data_url(path, image)
    except UserError:  # a bad file has been reported where it was scored
        return


def _data_url(path: Path, image: npt.NDArray[Any]) -> str:
    """An image as the text of an address: its own file where browsers show it as it is."""
    if path.suffix.lower() in _SHOWN and read_image(path).dtype == np.uint8:
        data = path.read_bytes()
    else:
        if image.dtype == np.uint16:
            image = np.rint(image / 257).astype(np.uint8)
        bgr = image[..., ::-1] if image.ndim == 3 else image
        data = cv2.imencode(".png", np.ascontiguousarray(bgr))[1].tobytes()
    return "data:image;base64," + base64.b64encode(data).decode()


def _scores(scores: Scores, method: str, stem: str, metrics: tuple[str, ...]) -> str:
    """The values of one image, in a line."""
    values = scores.values.get(method, {}).get(stem, {})
    return ", ".join(
        f"{metric}\u00a0{values[metric]:.4g}" for metric in metrics if metric in values
    )


def _count(scores: list[Scores], browser: list[dict[str, Any]]) -> str:
    shown = {embedded["title"]: len(embedded["pairs"]) for embedded in browser}
    counts = [
        f"{shown.get(s.dataset.title, 0)} of {len(s.dataset.pairs)} of {s.dataset.title}"
        for s in scores
    ]
    return f"Pairs shown here: {', '.join(counts)}; without loss, as they were scored."


def _difference(table: Table, metric: str, cell: Cell) -> str:
    return "–" if math.isnan(cell.difference) else table.number(metric, cell.difference, "+")


def _verdict(metric: str, cell: Cell) -> str:
    """Better or worse than the reference, where the test says so."""
    if math.isnan(cell.p) or cell.p >= SIGNIFICANT:
        return "same"
    higher = cell.difference > 0
    return "better" if higher == (METRICS[metric].better == "higher") else "worse"


def _p_value(cell: Cell) -> str:
    if math.isnan(cell.p):
        return "–"
    return "p < 0.001" if cell.p < 0.001 else f"p = {cell.p:.3f}"
