"""Box plots of per-image values, as SVG to put into a page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from emma_fusion.bench.tables import arrow

# Stands for the colour of the text around the figure, which the page decides.
_INK = "#010203"
_WIDTH, _ROW = 3.4, 0.24  # inches: of a metric's plot, and of a method in it


def box_plots(
    values: Mapping[str, Mapping[str, Sequence[float]]],
    metrics: Sequence[str],
    colours: Sequence[str],
    salt: str = "",
) -> list[str]:
    """Draw one plot a metric, with a box a method.

    Args:
        values: Method -> metric -> one finite value an image.
        metrics: One plot each.
        colours: One a method.
        salt: Makes the names inside the drawings differ from those of other calls.

    Returns:
        One SVG element a metric. Boxes span the quartiles, whiskers 1.5 times that, the line is
        the median and the diamond the mean.
    """
    import matplotlib
    from matplotlib.figure import Figure

    methods = list(values)
    style: Any = {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "text.color": _INK,
        "axes.edgecolor": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
    }
    drawings = []
    for metric in metrics:
        style["svg.hashsalt"] = f"{salt} {metric}"
        with matplotlib.rc_context(style):
            figure = Figure(figsize=(_WIDTH, 0.55 + _ROW * len(methods)), layout="constrained")
            axes = figure.subplots()
            boxes = axes.boxplot(
                [list(values[method][metric]) for method in methods],
                orientation="horizontal",
                tick_labels=methods,
                patch_artist=True,
                showmeans=True,
                widths=0.62,
                medianprops={"color": _INK, "linewidth": 1.4},
                meanprops={
                    "marker": "D",
                    "markersize": 3.2,
                    "markerfacecolor": _INK,
                    "markeredgecolor": "none",
                },
                whiskerprops={"color": _INK, "linewidth": 0.8},
                capprops={"color": _INK, "linewidth": 0.8},
                boxprops={"edgecolor": _INK, "linewidth": 0.8},
                flierprops={
                    "marker": ".",
                    "markersize": 3,
                    "markerfacecolor": _INK,
                    "markeredgecolor": "none",
                },
            )
            for box, colour in zip(boxes["boxes"], colours, strict=True):
                box.set_facecolor(colour)
            axes.invert_yaxis()
            axes.set_title(f"{metric} {arrow(metric)}", fontsize=10, fontweight="bold", loc="left")
            axes.grid(axis="x", color=_INK, alpha=0.15, linewidth=0.6)
            axes.set_axisbelow(True)
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
            text = io.StringIO()
            figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
        drawings.append(_inline(text.getvalue(), f"{metric}: values of each method"))
    return drawings


def _inline(svg: str, title: str) -> str:
    """The svg element alone, in the page's colour, with a text for those who do not see it."""
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
