"""Results as tables in Markdown, LaTeX and CSV, in the layout of the paper's Table 1."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from emma_fusion.bench.published import CAVEAT, CITATION
from emma_fusion.bench.statistics import Cell, Line
from emma_fusion.metrics import METRICS

SIGNIFICANT = 0.05
TOO_FEW = "which no difference can reach with so few images for so many comparisons"


@dataclass(frozen=True)
class Table:
    """One dataset's results, ready to be written.

    Attributes:
        name: Of the dataset, short.
        title: Of the dataset.
        images: How many pairs it has.
        metrics: The columns.
        lines: The rows that were measured.
        reference: The method that the others were tested against, or None.
        published: Method -> metric -> figure as printed.
    """

    name: str
    title: str
    images: int
    metrics: tuple[str, ...]
    lines: list[Line]
    reference: str | None = None
    published: dict[str, dict[str, str]] = field(default_factory=dict)

    def digits(self, metric: str) -> int:
        """Decimals that tell methods apart: 2, and 3 for metrics below 1 everywhere.

        The paper prints 2 throughout, and with 2 many methods share a VIF or a Qabf.
        """
        means = [abs(line.cells[metric].mean) for line in self.lines]
        return 2 if max((m for m in means if math.isfinite(m)), default=0) >= 1 else 3

    def number(self, metric: str, value: float, sign: str = "") -> str:
        """A value of a metric as it is printed; – where there is none."""
        if math.isnan(value):
            return "–"
        return f"{value:{sign}.{self.digits(metric)}f}"

    def compared(self) -> list[Line]:
        """The lines that were tested against the reference."""
        others = [line for line in self.lines if line.method != self.reference]
        return others if self.reference is not None else []

    def too_few(self) -> bool:
        """Whether so few images cannot make any difference significant.

        If all n images agree, Wilcoxon's p is 2^(1 - n), and Holm's method multiplies the
        smallest p by the number of comparisons.
        """
        cells = [cell for line in self.compared() for cell in line.cells.values()]
        comparisons = sum(not math.isnan(cell.p) for cell in cells)
        return comparisons > 0 and comparisons * 2.0 ** (1 - self.images) >= SIGNIFICANT


def arrow(metric: str) -> str:
    """Which way is better."""
    return "↓" if METRICS[metric].better == "lower" else "↑"


def markdown(tables: list[Table]) -> str:
    """All tables in Markdown: means, intervals, and differences from the reference."""
    parts = []
    for table in tables:
        parts.append(f"## {table.title}, {table.images} images\n")
        parts.append(_markdown_means(table))
        parts.append("Bootstrap 95% intervals of the means:\n")
        parts.append(
            markdown_grid(
                ["Method", *table.metrics],
                [[label(table, line), *_cells(table, line, interval)] for line in table.lines],
            )
        )
        if table.compared():
            parts.append(
                f"Difference from {table.reference}, mean over images; \\* where Wilcoxon's "
                f"signed-rank test, corrected by Holm's method, gives p < {SIGNIFICANT}"
                f"{', ' + TOO_FEW if table.too_few() else ''}:\n"
            )
            rows = [
                [label(table, line), *_cells(table, line, difference)] for line in table.compared()
            ]
            parts.append(markdown_grid(["Method", *table.metrics], rows))
    return "\n".join(parts)


def latex(tables: list[Table]) -> str:
    """All tables in LaTeX, for the package booktabs: best bold, second underlined."""
    return "\n".join(_latex(table) for table in tables)


def as_csv(tables: list[Table]) -> str:
    """All tables in one CSV: a row for each dataset, method and metric, unrounded."""
    columns = ["dataset", "method", "source", "images", "metric", "better", "mean", "low95"]
    columns += ["high95", "place", "mean_rank", "reference", "difference", "p_holm"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for table in tables:
        for line in table.lines:
            for metric, cell in line.cells.items():
                row: dict[str, object] = {
                    "dataset": table.name,
                    "method": line.method,
                    "source": "measured",
                    "images": line.images,
                    "metric": metric,
                    "better": METRICS[metric].better,
                    "mean": repr(cell.mean),
                    "low95": repr(cell.low),
                    "high95": repr(cell.high),
                    "place": cell.place or "",
                    "mean_rank": "" if math.isnan(line.rank) else repr(line.rank),
                }
                if line in table.compared():
                    row["reference"] = table.reference
                    row["difference"] = repr(cell.difference)
                    row["p_holm"] = repr(cell.p)
                writer.writerow(row)
        for method, figures in table.published.items():
            for metric in (metric for metric in table.metrics if metric in figures):
                writer.writerow(
                    {
                        "dataset": table.name,
                        "method": method,
                        "source": "published",
                        "metric": metric,
                        "better": METRICS[metric].better,
                        "mean": figures[metric],
                    }
                )
    return text.getvalue()


def interval(table: Table, metric: str, cell: Cell) -> str:
    """The interval of a mean, as it is printed."""
    if math.isnan(cell.low):
        return "–"
    return f"{table.number(metric, cell.low)}–{table.number(metric, cell.high)}"


def difference(table: Table, metric: str, cell: Cell) -> str:
    """The difference from the reference, as it is printed."""
    if math.isnan(cell.difference):
        return "–"
    star = "\\*" if cell.p < SIGNIFICANT else ""
    return table.number(metric, cell.difference, "+") + star


def rank(line: Line) -> str:
    """A mean rank, as it is printed."""
    return "–" if math.isnan(line.rank) else f"{line.rank:.2f}"


def label(table: Table, line: Line) -> str:
    """A method, with its number of images where it has not all."""
    if line.images == table.images:
        return line.method
    return f"{line.method} ({line.images} of {table.images})"


def _cells(table: Table, line: Line, show: Callable[[Table, str, Cell], str]) -> list[str]:
    return [show(table, metric, cell) for metric, cell in line.cells.items()]


def _markdown_means(table: Table) -> str:
    marks = {0: "{}", 1: "**{}**", 2: "<ins>{}</ins>"}
    header = ["Method", *(f"{metric} {arrow(metric)}" for metric in table.metrics), "Rank"]
    rows = [
        [
            label(table, line),
            *(marks[c.place].format(table.number(m, c.mean)) for m, c in line.cells.items()),
            rank(line),
        ]
        for line in table.lines
    ]
    rows += [
        [f"{method} †", *(figures.get(metric, "") for metric in table.metrics), ""]
        for method, figures in table.published.items()
    ]
    grid = markdown_grid(header, rows)
    notes = "Best **bold**, second <ins>underlined</ins>; rank is the mean over the metrics."
    if any(line.images != table.images for line in table.lines):
        notes += " Methods without all images are not ranked."
    if table.published:
        notes += f"\n\n† Published: {CAVEAT} ({CITATION})."
    return f"{grid}\n{notes}\n"


def markdown_grid(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, its first column to the left and the others to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _latex(table: Table) -> str:
    marks = {0: "{}", 1: "\\textbf{{{}}}", 2: "\\underline{{{}}}"}
    arrows = {"↑": "$\\uparrow$", "↓": "$\\downarrow$"}
    header = ["Method", *(f"{_tex(m)} {arrows[arrow(m)]}" for m in table.metrics), "Rank"]
    rows = [
        [
            _tex(label(table, line)),
            *(marks[c.place].format(table.number(m, c.mean)) for m, c in line.cells.items()),
            rank(line),
        ]
        for line in table.lines
    ]
    published = [
        [_tex(method) + "$^\\dagger$", *(figures.get(m, "") for m in table.metrics), ""]
        for method, figures in table.published.items()
    ]
    caption = f"{_tex(table.title)}, {table.images} images. Best bold, second underlined."
    if published:
        caption += f" $\\dagger$ published: {_tex(CAVEAT)} ({_tex(CITATION)})."
    body = [" & ".join(row).replace("–", "--") + r" \\" for row in rows]
    if published:
        body += ["\\midrule", *(" & ".join(row) + r" \\" for row in published)]
    return "\n".join(
        [
            "\\begin{table}",
            "\\centering",
            f"\\begin{{tabular}}{{l{'r' * (len(table.metrics) + 1)}}}",
            "\\toprule",
            " & ".join(header) + r" \\",
            "\\midrule",
            *body,
            "\\bottomrule",
            "\\end{tabular}",
            f"\\caption{{{caption}}}",
            "\\end{table}",
            "",
        ]
    )


def _tex(text: str) -> str:
    for letter in "&%$#_{}":
        text = text.replace(letter, f"\\{letter}")
    return text
