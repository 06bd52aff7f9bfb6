"""Put the figures of README.md and docs/ in place: each is copied from a card or a report.

    python benchmarks/figures.py

Nothing is measured here. The cards (`src/emma_fusion/models/NAME/README.md`) are filled by
benchmarks/card.py, the reports by the command that each names. tests/benchmarks/test_figures.py
fails when a page says anything else than its source.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from math import prod
from pathlib import Path

from emma_fusion import models
from marked import get, put

HERE = Path(__file__).resolve().parents[1]
DOCS, REPORTS = HERE / "docs", HERE / "reports"
SEVEN = ("EN", "SD", "SF", "AG", "SCD", "VIF", "Qabf")
PURPOSE = {
    "base": "infrared with visible images: roads, streets by day and night, smoke",
    "emma": "the same pairs, trained from scratch by EMMA's loss, for research",
    "fast": "the same pairs, in real time; distilled from `base`",
    "medical": "scans of brains: CT, PET or SPECT with MRI; tuned from `base` by EMMA's loss",
}
UNKNOWN = "–"
Row = dict[str, str]


def rows(text: str, *columns: str) -> list[Row]:
    """The first table of a Markdown text whose heading has these columns, a dict for each row.

    Raises:
        ValueError: There is none.
    """
    lines = text.splitlines()
    for number, line in enumerate(lines[:-1]):
        head = cells(line)
        if line.startswith("|") and set(columns) <= set(head):
            body = lines[number + 2 :]
            end = next((n for n, row in enumerate(body) if not row.startswith("|")), len(body))
            return [dict(zip(head, cells(row), strict=True)) for row in body[:end]]
    raise ValueError(f"There is no table with the columns {', '.join(columns)}.")


def cells(line: str) -> list[str]:
    """A row's cells: no marks of the best and the second, no arrows."""
    plain = re.sub(r"</?ins>|\*\*|[↑↓]", "", line.strip().strip("|"))
    return [cell.strip() for cell in plain.split("|")]


def table(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def card(model: str) -> Path:
    return models.find(model).with_name("README.md")


def from_card(model: str, part: str, row: str) -> Row:
    """A row of one of a card's tables, by how it begins; empty where the card has none."""
    try:
        found = rows(get(card(model), part), "EN")
    except (KeyError, ValueError):
        return {}
    return next((each for each in found if next(iter(each.values())).startswith(row)), {})


def parameters(model: str) -> int:
    """How many numbers a fusing network has, by the header of its file."""
    with models.find(model).open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(prod(x["shape"]) for name, x in header.items() if name != "__metadata__")


def milliseconds(model: str) -> list[str]:
    """Of a 640x480 pair in fp32 and bf16; a network of the same size is as fast."""
    text = (REPORTS / "performance.md").read_text(encoding="utf-8")
    for name in [model, *(m for m in models.shipped() if parameters(m) == parameters(model))]:
        if f"<!-- inference-{name} -->" in text:
            measured = rows(get(REPORTS / "performance.md", f"inference-{name}"), "median ms")
            found = {x["version"]: x["median ms"] for x in measured if x["image"] == "640×480"}
            return [f"{found[x]}\u00a0ms" for x in (fastest(found, "fp32"), fastest(found, "bf16"))]
    return [UNKNOWN, UNKNOWN]


def fastest(found: Row, precision: str) -> str:
    """The row of PyTorch's own fastest runtime: the engine, where it was measured."""
    return next(x for x in (f"engine {precision}", f"torch {precision}") if x in found)


def data(model: str) -> str:
    """The data that a card says the weights were trained on."""
    try:
        found = rows(card(model).read_text(encoding="utf-8"), "data", "terms")
    except ValueError:
        return UNKNOWN
    texts = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", row["data"]) for row in found)  # no links
    names = (re.split(r"[,(]", text)[0].strip() for text in texts)
    return ", ".join(dict.fromkeys(names))


def seven(values: Row) -> list[str]:
    """Scores with the two digits that the cards print."""
    return [f"{float(values[name]):.2f}" if values.get(name) else UNKNOWN for name in SEVEN]


def model_table(cards: str) -> str:
    """What ships: for what, how large, how fast, and the terms of the data.

    Args:
        cards: From the page to the folder of the models.
    """
    body = []
    for model in models.shipped():
        link = f"[`{model}`]({cards}/{model}/README.md)"
        size = f"{parameters(model) / 1e6:.2f} M"
        purpose = PURPOSE.get(model, "see its card")
        terms = models.licence(model).split(",")[0].rstrip(".")
        body.append([link, purpose, size, *milliseconds(model), data(model), terms])
    head = ["model", "for", "parameters", "640×480, fp32", "bf16", "trained on", "may be used for"]
    return table(head, body)


def model_scores() -> str:
    """The scores of what ships on RoadScene, beside a formula and the printed row."""
    body = []
    for model in models.shipped():
        if row := from_card(model, "scores", "this model, protocol `paper`"):
            body.append([f"`{model}`", *seven(row)])
    for row in rows(get(REPORTS / "scores.md", "scores"), "Method", "EN"):
        if row["Method"] == "additive":
            body.append(["`additive`, a formula that learns nothing", *seven(row)])
        elif row["Method"] == "EMMA †":
            body.append(["EMMA, as printed in the paper †", *seven(row)])
    return table(["", *SEVEN], body)


def scan_scores() -> str:
    """The scores of what ships on brain scans."""
    body = []
    for model in models.shipped():
        if row := from_card(model, "medical", "mean of the three"):
            body.append([f"`{model}`", *seven(row)])
    return table(["", *SEVEN], body)


def method_scores() -> str:
    """Every method of the report, in the paper's protocol."""
    names = (*SEVEN, "SSIM", "MI")
    found = rows(get(REPORTS / "scores.md", "scores"), "Method", "EN")
    return table(
        ["method", *names],
        [[row["Method"], *(row[name] or UNKNOWN for name in names)] for row in found],
    )


def speed() -> str:
    """Every runtime on one size, for each network that was measured."""
    text = (REPORTS / "performance.md").read_text(encoding="utf-8")
    found: dict[str, Row] = {}
    networks = re.findall(r"<!-- inference-(\S+) -->", text)
    for name in networks:
        for row in rows(get(REPORTS / "performance.md", f"inference-{name}"), "median ms"):
            if row["image"] == "640×480":
                found.setdefault(row["version"], {})[name] = row["median ms"]
    body = [[version, *(x.get(name, UNKNOWN) for name in networks)] for version, x in found.items()]
    return table(["640×480, milliseconds", *(f"`{name}`" for name in networks)], body)


def crops() -> str:
    """The comparison of inputs for segmentation."""
    found = rows(get(REPORTS / "downstream.md", "cwfid"), "Input")
    return table(list(found[0]), [list(row.values()) for row in found])


def errors() -> str:
    """Equivariance errors away from the frame, of what a user can name."""
    text = get(REPORTS / "equivariance.md", "equivariance")
    found = rows(text[text.index("At least") :], "Method", "reflections")
    kept = [row for row in found if not row["Method"].startswith("ablation-")]
    return table(list(kept[0]), [list(row.values()) for row in kept])


def sensed() -> str:
    """What the sensing networks see on RoadScene, without the intervals."""
    text = get(REPORTS / "sensing.md", "sensing")
    found = rows(text[text.index("RoadScene") :], "PSNR to i")
    body = [[re.sub(r" \[.*\]", "", value) for value in row.values()] for row in found]
    return table(["", *list(found[0])[1:]], body)


PARTS: dict[tuple[Path, str], Callable[[], str]] = {
    (HERE / "README.md", "models"): lambda: model_table("src/emma_fusion/models"),
    (HERE / "README.md", "scores"): model_scores,
    (DOCS / "models.md", "models"): lambda: model_table("../src/emma_fusion/models"),
    (DOCS / "models.md", "scores"): model_scores,
    (DOCS / "models.md", "scans"): scan_scores,
    (DOCS / "results.md", "scores"): method_scores,
    (DOCS / "performance.md", "speed"): speed,
    (DOCS / "downstream.md", "crops"): crops,
    (DOCS / "equivariance.md", "errors"): errors,
    (DOCS / "sensing.md", "sensed"): sensed,
}


def main() -> None:
    for (page, name), make in PARTS.items():
        put(page, name, make())
        print(f"{page.relative_to(HERE)}: {name}")


if __name__ == "__main__":
    main()
