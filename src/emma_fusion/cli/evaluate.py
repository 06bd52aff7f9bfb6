"""emma evaluate FUSED INFRARED VISIBLE: score fused pictures of any program."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def evaluate(
    fused: Annotated[Path, typer.Argument(help="Fused picture or folder, from any program.")],
    infrared: Annotated[Path, typer.Argument(help="Infrared picture or folder.")],
    visible: Annotated[Path, typer.Argument(help="Visible picture or folder.")],
    convention: Annotated[
        str, typer.Option(help="Whose formulas: ours, paper, vifb or tang.")
    ] = "ours",
    protocol: Annotated[
        Literal["direct", "paper"],
        typer.Option(
            help="direct: as the pictures are. paper: luminance stretched to its minimum and "
            "maximum and rounded to 8 bit first, which raises EN, SD, SF and AG."
        ),
    ] = "direct",
    metrics: Annotated[
        str | None,
        typer.Option(help="Names with commas between, or all; the convention's own if left out."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Score a fused picture, or each one of a folder, against its sources of the same stem.

    Fused pictures without both sources are named and not scored, and so are sources without a
    fused picture. If one is unreadable or of another size, nothing is averaged.
    """
    from emma_fusion.errors import UserError
    from emma_fusion.metrics.conventions import find_convention

    chosen = find_convention(convention)
    names = chosen.default
    if metrics is not None:
        names = tuple(chosen.metrics if metrics == "all" else metrics.split(","))
    if unknown := [name for name in names if name not in chosen.metrics]:
        raise UserError(
            f"The convention {convention} has no metric {unknown[0]!r}; "
            f"it has {', '.join(chosen.metrics)}."
        )
    triples, stale, missing = match(fused, infrared, visible)
    pictures, failures = {}, []
    for stem, paths in triples.items():
        try:
            pictures[stem] = score_files(paths, convention, protocol, names)
        except UserError as error:
            failures.append(f"{stem}: {error}")
    if failures:
        raise UserError(
            f"{len(failures)} of {len(triples)} fused pictures could not be scored, "
            "so nothing was averaged.\n" + "\n".join(failures)
        )
    warn(stale, missing)
    report = {
        "convention": convention,
        "protocol": protocol,
        "count": len(pictures),
        "mean": {name: mean([values[name] for values in pictures.values()]) for name in names},
        "pictures": pictures,
        "better": {name: better(name) for name in names},
        "stale": [str(path) for path in stale],
        "missing": missing,
        "versions": versions(),
    }
    if as_json:
        print(json.dumps(finite(report), indent=2, allow_nan=False))
    else:
        print_table(report, chosen.title)


Triple = tuple[Path, Path, Path]


def match(
    fused: Path, infrared: Path, visible: Path
) -> tuple[dict[str, Triple], list[Path], list[str]]:
    """Find the sources of each fused picture: by stem in folders, or the three files given.

    Returns:
        Stem -> the three paths; fused pictures without both sources; stems without a fused one.
    """
    from emma_fusion.errors import UserError
    from emma_fusion.media.folders import list_pictures, match_pairs

    paths = (fused, infrared, visible)
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist.")
    if not any(path.is_dir() for path in paths):
        return {fused.stem: paths}, [], []
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path} is a file: give three files or three folders.")
    outputs = list_pictures(fused)
    if not outputs:
        raise UserError(f"The folder {fused} holds no pictures.")
    sources = {stem: (a, b) for stem, a, b in match_pairs(infrared, visible)[0]}
    triples = {stem: (path, *sources[stem]) for stem, path in outputs.items() if stem in sources}
    if not triples:
        raise UserError(
            f"No name in {fused} is that of a pair in {infrared} and {visible}: "
            f"{next(iter(outputs))} is one in the first, {next(iter(sources))} one in the others. "
            "They are matched by file name without its suffix."
        )
    stale = [path for stem, path in outputs.items() if stem not in sources]
    return triples, stale, [stem for stem in sources if stem not in outputs]


def score_files(
    paths: Triple, convention: str, protocol: str, names: tuple[str, ...]
) -> dict[str, float]:
    """Score one fused picture."""
    from emma_fusion.errors import UserError
    from emma_fusion.media.rasters import read_picture
    from emma_fusion.metrics import luminance, prepare, score

    fused, infrared, visible = (without_alpha(read_picture(path)) for path in paths)
    sizes = {picture.shape[:2] for picture in (fused, infrared, visible)}
    if len(sizes) > 1:
        height_widths = ", ".join(
            f"{path} is {picture.shape[1]}x{picture.shape[0]}"
            for path, picture in zip(paths, (fused, infrared, visible), strict=True)
        )
        raise UserError(f"the sizes differ: {height_widths}.")
    if infrared.dtype == "uint16":
        infrared = as_fused_by_emma(infrared, visible)
    if protocol == "paper":
        fused = prepare(luminance(fused), protocol)
    return score(fused, infrared, visible, convention, names)


def without_alpha(picture: NDArray[Any]) -> NDArray[Any]:
    """Return the picture without its fourth channel, if it has one."""
    return picture[..., :3] if picture.ndim == 3 else picture


def as_fused_by_emma(infrared: NDArray[Any], visible: NDArray[Any]) -> NDArray[np.float32]:
    """Scale a thermal 16-bit picture by the rule that `emma fuse` applies to it."""
    from emma_fusion.pair import Pair

    return Pair.from_arrays(infrared, visible).infrared


def mean(values: list[float]) -> float:
    """Return the mean, exactly summed."""
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else sum(values)


def better(name: str) -> str:
    """Say whether higher or lower values of a metric are better."""
    from emma_fusion.metrics import METRICS

    return METRICS[name].better


def versions() -> dict[str, str]:
    """Return the versions of what the scores depend on."""
    import platform

    import cv2
    import numpy as np
    import torch

    import emma_fusion

    return {
        "emma-fusion": emma_fusion.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def finite(value: Any) -> Any:
    """Put null in the place of numbers that JSON does not have: infinities and NaN."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def warn(stale: list[Path], missing: list[str]) -> None:
    """Name what was left out of the mean."""
    for path in stale:
        print(f"Not scored, it has no pair of sources: {path}", file=sys.stderr)
    if missing:
        few = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        print(f"Without a fused picture: {len(missing)} pairs ({few})", file=sys.stderr)


def print_table(report: dict[str, Any], title: str) -> None:
    """Print the mean and the extremes of each metric."""
    from rich.console import Console
    from rich.table import Table

    print(f"Convention {report['convention']}: {title}.")
    table = Table(caption=f"{report['count']} pictures, protocol {report['protocol']}")
    table.add_column("metric")
    table.add_column("better")
    for column in ("mean", "lowest", "highest"):
        table.add_column(column, justify="right")
    for name, value in report["mean"].items():
        values = [scores[name] for scores in report["pictures"].values()]
        numbers = (value, min(values), max(values))
        table.add_row(name, report["better"][name], *(f"{number:.4f}" for number in numbers))
    Console().print(table)
