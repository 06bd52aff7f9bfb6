"""emma evaluate FUSED INFRARED VISIBLE: score fused images of any program."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from emma_fusion.cli.options import MatchOption, pair_aloud
from emma_fusion.cli.progress import bar
from emma_fusion.cli.scoring import (
    ConventionOption,
    MetricsOption,
    ProtocolOption,
    choose_metrics,
    finite,
)


def evaluate(
    fused: Annotated[Path, typer.Argument(help="The fused image or folder, from any program.")],
    infrared: Annotated[Path, typer.Argument(help="The infrared image or folder.")],
    visible: Annotated[Path, typer.Argument(help="The visible image or folder.")],
    convention: ConventionOption = "ours",
    protocol: ProtocolOption = "direct",
    metrics: MetricsOption = None,
    match: MatchOption = None,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Average over the other images where some are unreadable or of another size. "
            "Without it nothing is averaged then.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Score a fused image against the two images that it was made of, or a folder of them.

    Files belong together by their names without the suffix; the names of the infrared and the
    visible images may differ as for emma fuse. Fused images that lack a source, and
    sources that lack a fused image, are listed and not scored. If an image is unreadable or has
    another size than its sources, all such images are listed and no means are printed, unless
    --skip-bad leaves them out.
    """
    from emma_fusion.bench.facts import versions
    from emma_fusion.bench.makers import mixed_makers
    from emma_fusion.bench.scoring import Rules, score_files
    from emma_fusion.bench.statistics import mean
    from emma_fusion.errors import UserError
    from emma_fusion.metrics import METRICS
    from emma_fusion.metrics.conventions import find_convention

    names = choose_metrics(convention, metrics)
    rules = Rules(convention, protocol, names)
    triples, stale, missing = find_sources(fused, infrared, visible, match)
    images, failures = {}, []
    with bar("Scoring") as show:
        for done, (stem, paths) in enumerate(triples.items(), 1):
            try:
                images[stem] = score_files(*paths, rules)
            except UserError as error:
                failures.append(f"{stem}: {error}")
            show(done, len(triples))
    if failures and (not skip_bad or not images):
        if len(triples) == 1:
            raise UserError(f"The fused image could not be scored. {failures[0]}")
        raise UserError(
            f"{len(failures)} of {len(triples)} fused images could not be scored, "
            "so nothing was averaged.\n" + "\n".join(failures)
        )
    for failure in failures:
        print(f"Not scored, {failure}", file=sys.stderr)
    warn(stale, missing)
    if mixed := mixed_makers(paths[0] for paths in triples.values()):
        print(f"Warning: {mixed}", file=sys.stderr)
    for name, source in (("INFRARED", infrared), ("VISIBLE", visible)):
        if fused.samefile(source):
            print(f"Warning: FUSED and {name} are the same, {fused}.", file=sys.stderr)
    means = {name: mean([values[name] for values in images.values()]) for name in names}
    if means.get("SCD", 0) < 0:
        print(
            "Warning: SCD is below 0. Either the three are given in another order (first the "
            "fused image, then the infrared and the visible one), or the fused image shows little "
            "of both.",
            file=sys.stderr,
        )
    report = {
        "convention": convention,
        "protocol": protocol,
        "count": len(images),
        "mean": means,
        "images": images,
        "better": {name: METRICS[name].better for name in names},
        "stale": [str(path) for path in stale],
        "missing": missing,
        "bad": failures,
        "versions": versions(),
    }
    if as_json:
        print(json.dumps(finite(report), indent=2, allow_nan=False))
    else:
        print_table(report, find_convention(convention).title)
        files = {stem: triples[stem][0] for stem in images}
        if line := name_worst(report, files):
            print(line)


Triple = tuple[Path, Path, Path]


def find_sources(
    fused: Path, infrared: Path, visible: Path, pattern: str | None = None
) -> tuple[dict[str, Triple], list[Path], list[str]]:
    """Find the sources of each fused image: by stem in folders, or the three files given.

    What was paired by names that differ is said on stderr.

    Args:
        fused: A file or a folder, as the other two.
        infrared: See `images.folders.pair_folders`, as for the rest.
        visible: The visible images, whose stems the fused images have.
        pattern: How the sources' names go together.

    Returns:
        Stem -> the three paths; fused images without both sources; stems without a fused one.
    """
    from emma_fusion.errors import UserError
    from emma_fusion.images.folders import list_images

    paths = (fused, infrared, visible)
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist.")
        if path.name.lower().endswith((".nii", ".nii.gz", ".mgz", ".dcm")):
            raise UserError(f"{path} is a scan, and only images are scored: save slices as png.")
    if not any(path.is_dir() for path in paths):
        if pattern:
            raise UserError("--match is for folders of images: leave it out.")
        return {fused.stem: paths}, [], []
    for path in paths:
        if not path.is_dir():
            raise UserError(f"{path} is a file: give three files or three folders.")
    outputs = list_images(fused)
    if not outputs:
        raise UserError(f"The folder {fused} holds no images.")
    found = pair_aloud(infrared, visible, pattern)
    sources = {stem: (a, b) for stem, a, b in found.pairs}
    triples = {stem: (path, *sources[stem]) for stem, path in outputs.items() if stem in sources}
    if not triples:
        raise UserError(
            f"No name in {fused} is that of a pair in {infrared} and {visible}: "
            f"{next(iter(outputs))} is one in the first, {next(iter(sources))} one in the others. "
            "They are matched by file name without its suffix."
        )
    stale = [path for stem, path in outputs.items() if stem not in sources]
    return triples, stale, [stem for stem in sources if stem not in outputs]


def warn(stale: list[Path], missing: list[str]) -> None:
    """Name what was left out of the mean."""
    for path in stale:
        print(f"Not scored, because its two sources are missing: {path}", file=sys.stderr)
    if missing:
        few = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        print(f"Without a fused image: {len(missing)} pairs ({few})", file=sys.stderr)


def print_table(report: dict[str, Any], title: str) -> None:
    """Print the mean and the extremes of each metric."""
    from rich.console import Console
    from rich.table import Table

    print(f"Convention {report['convention']}: {title}.")
    images = "1 image" if report["count"] == 1 else f"{report['count']} images"
    table = Table(caption=f"{images}, protocol {report['protocol']}")
    table.add_column("metric")
    table.add_column("better")
    for column in ("mean", "lowest", "highest"):
        table.add_column(column, justify="right")
    for name, value in report["mean"].items():
        values = [scores[name] for scores in report["images"].values()]
        numbers = (value, min(values), max(values))
        table.add_row(name, report["better"][name], *(f"{number:.4f}" for number in numbers))
    Console().print(table)


def name_worst(report: dict[str, Any], files: dict[str, Path]) -> str:
    """Name the image to look at first: the worst by VIF, which agrees best with the eye.

    Args:
        report: With VIF or, where that was not asked for, another metric that stands first.
        files: The fused images by stem.

    Returns:
        A line; nothing of a single image, which the table shows.
    """
    name = "VIF" if "VIF" in report["mean"] else next(iter(report["mean"]))
    values = {stem: scores[name] for stem, scores in report["images"].items()}
    finite_ones = {stem: value for stem, value in values.items() if math.isfinite(value)}
    if len(values) < 2 or not finite_ones:
        return ""
    lowest = report["better"][name] == "higher"
    worst = (min if lowest else max)(finite_ones, key=finite_ones.__getitem__)
    shown = f"{finite_ones[worst]:.4f}, {files[worst].name}"
    return f"{'Lowest' if lowest else 'Highest'} {name}: {shown}"
