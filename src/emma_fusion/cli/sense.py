"""emma sense FUSED -o OUT: what an infrared and a visible camera would see in a fused image."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from emma_fusion.cli.options import MatchOption
from emma_fusion.cli.progress import bar
from emma_fusion.cli.scoring import finite

if TYPE_CHECKING:
    from emma_fusion.experiments.sensing import Scores
    from emma_fusion.sensor import Sensor


class Job(NamedTuple):
    """A fused image, where the two sensed ones go, and its two sources where they are known."""

    fused: Path
    infrared: Path
    visible: Path
    sources: tuple[Path, Path] | None

    @property
    def is_done(self) -> bool:
        """Whether both sensed images are there."""
        return self.infrared.exists() and self.visible.exists()


def sense(
    fused: Annotated[Path, typer.Argument(help="The fused image or folder, from any program.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The folder that is given two folders, infrared and visible, with one PNG file "
            "for each image.",
            metavar="OUT",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help="The model to use: the name of a shipped one, or the folder of a training run."
        ),
    ] = "base",
    sources: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            help="The two images that were fused, or their folders. PSNR and SSIM against them are "
            "printed. Without it, nothing is scored.",
            metavar="INFRARED VISIBLE",
        ),
    ] = None,
    match: MatchOption = None,
    attack: Annotated[
        bool,
        typer.Option(
            "--attack",
            help="Also print how far EMMA's loss falls when the fused images change by at most 2, "
            "4 and 8/255 a pixel, which no eye sees. This needs --sources.",
        ),
    ] = False,
    better: Annotated[
        Path | None,
        typer.Option(
            help="For --attack: a folder with better fused images of the same names. How far the "
            "loss falls for them is printed too.",
            metavar="FOLDER",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of a table. This needs --sources.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that exist.")
    ] = False,
    device: Annotated[
        str, typer.Option(help="The device that the network runs on: auto, cpu, cuda and so on.")
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(
            help="The number of threads on a CPU. Without it, there is one for each usable core.",
            min=1,
        ),
    ] = None,
) -> None:
    """Write what the model's sensing networks A_i and A_v see in fused images.

    Coloured images are sensed by their luminance. The results are grey PNG files with the size
    and the bit depth of the fused image.

    Files that exist are not replaced without --overwrite; they are skipped.
    """
    from emma_fusion.errors import UserError

    if as_json and sources is None:
        raise UserError("--json prints scores, for which --sources INFRARED VISIBLE is needed.")
    if (attack and sources is None) or (better and not attack):
        raise UserError("--attack needs --sources INFRARED VISIBLE, and --better needs --attack.")
    if match is not None and (sources is None or not fused.is_dir()):
        raise UserError("--match is for folders as FUSED and --sources: leave it out.")
    jobs = plan(fused, output, sources, match)
    todo = jobs if overwrite else [job for job in jobs if not job.is_done]
    if len(todo) < len(jobs):
        skipped = len(jobs) - len(todo)
        print(f"Skipped {skipped} that exist; --overwrite replaces them.", file=sys.stderr)
    failures: dict[Path, str] = {}
    if todo:
        from emma_fusion.sensor import Sensor

        sensor = Sensor.from_pretrained(model, device=device, threads=threads)
        with bar("Sensing") as show:
            for number, job in enumerate(todo, 1):
                try:
                    write(sensor, job)
                except Exception as error:  # one bad image must not cost the others their night
                    failures[job.fused] = str(error) or type(error).__name__
                show(number, len(todo))
        done = len(todo) - len(failures)
        print(f"Sensed {done} of {len(todo)} images into {output}", file=sys.stderr)
    if sources is not None:
        scored = [job for job in jobs if job.fused not in failures]
        report(scored, model, as_json, failures)
        if attack:
            report_attack(scored, model, better, as_json)
    for path, said in failures.items():
        print(f"Failed {path.stem}: {said}", file=sys.stderr)
    if failures:
        raise typer.Exit(2 if len(jobs) == 1 else 1)


def plan(
    fused: Path, output: Path, sources: tuple[Path, Path] | None, match: str | None
) -> list[Job]:
    """What is to be done with each fused image; sources are found by stem in folders.

    Raises:
        UserError: something does not exist, folders and files are mixed, no source fits, or a
            sensed image would take the place of an input.
    """
    from emma_fusion.errors import UserError
    from emma_fusion.images.folders import list_images, match_pairs
    from emma_fusion.jobs.targets import Targets, check_exist

    check_exist(fused, *(sources or ()))
    for path in (fused, *(sources or ())):
        if path.is_dir() != fused.is_dir():
            kinds = [f"{p} is a {'folder' if p.is_dir() else 'file'}" for p in (fused, path)]
            raise UserError(f"{' and '.join(kinds)}: give files only or folders only.")
    targets = Targets((fused, *(sources or ())), overwrite=True)  # what exists is skipped later
    targets.check_folder(output)
    images = list_images(fused) if fused.is_dir() else {fused.stem: fused}
    if not images:
        raise UserError(f"The folder {fused} holds no images.")
    known = {}
    if sources is not None:
        pairs = match_pairs(*sources, match)[0] if fused.is_dir() else [(fused.stem, *sources)]
        known = {stem: (infrared, visible) for stem, infrared, visible in pairs}
        if not images.keys() & known.keys():
            raise UserError(
                f"No name in {fused} is that of a pair in {sources[0]} and {sources[1]}: "
                "they are matched by file name without its suffix."
            )
        for stem in sorted(images.keys() - known.keys()):
            print(
                f"Not scored, because its two sources are missing: {images[stem]}", file=sys.stderr
            )
    jobs = [
        Job(
            path,
            output / "infrared" / f"{stem}.png",
            output / "visible" / f"{stem}.png",
            known.get(stem),
        )
        for stem, path in images.items()
    ]
    for side in ("infrared", "visible"):
        targets.check_all([getattr(job, side) for job in jobs])
    return jobs


def write(sensor: Sensor, job: Job) -> None:
    """Sense a fused image, and write both images with the record of how they were made."""
    from emma_fusion import __version__
    from emma_fusion.images.raster import read_image, write_image

    infrared, visible = sensor(read_image(job.fused))
    made = {"software": f"emma-fusion {__version__}", "model": sensor.name, "of": job.fused.name}
    write_image(job.infrared, infrared, {**made, "sensed": "infrared"})
    write_image(job.visible, visible, {**made, "sensed": "visible"})


def report(jobs: list[Job], model: str, as_json: bool, failures: dict[Path, str]) -> None:
    """Score the sensed images, as they are written, against the sources, and print the means.

    Images that cannot be scored are added to the failures.
    """
    from emma_fusion import __version__
    from emma_fusion.experiments.sensing import mean_scores

    scores: dict[str, Scores] = {}
    for job in jobs:
        if job.sources is not None:
            try:
                scores[job.fused.stem] = score(job.fused, job.infrared, job.visible, job.sources)
            except Exception as error:
                failures[job.fused] = str(error) or type(error).__name__
    if not scores:
        return
    means = mean_scores(list(scores.values()))
    if as_json:
        found = {"software": f"emma-fusion {__version__}", "model": model, "count": len(scores)}
        print(json.dumps(finite({**found, "mean": means, "images": scores}), indent=2))
    else:
        print_table(means, len(scores))


def report_attack(jobs: list[Job], model: str, better: Path | None, as_json: bool) -> None:
    """Print how far the loss falls under an attack on the model's sensing networks."""
    from emma_fusion.experiments.attack import attack_files
    from emma_fusion.images.folders import list_images

    images = [(job.fused, *job.sources) for job in jobs if job.sources is not None]
    found = attack_files(model, images, list_images(better) if better else {})
    if as_json:
        print(json.dumps({"loss falls by": found}, indent=2))
        return
    for name, share in found.items():
        where = "for the better image" if name == "better" else f"within {name}"
        print(f"EMMA's loss falls by {100 * share:.1f}% {where}")


def score(fused: Path, infrared: Path, visible: Path, sources: tuple[Path, Path]) -> Scores:
    """Score one fused image and what was sensed in it."""
    from emma_fusion.experiments.sensing import score_sensing
    from emma_fusion.images.raster import read_image, read_pair
    from emma_fusion.metrics import luminance
    from emma_fusion.values.arrays import without_alpha

    pair = read_pair(*sources, colour="none")
    plane = luminance(without_alpha(read_image(fused)))
    sensed = (read_image(infrared), read_image(visible))
    return score_sensing(sensed, plane, (pair.infrared, pair.visible))


def print_table(means: Scores, count: int) -> None:
    """Print each mean against both sources."""
    from rich.console import Console
    from rich.table import Table

    from emma_fusion.experiments.sensing import METRICS, SENSED, SOURCES

    table = Table(caption=f"means of {count} images; i infrared, v visible, f fused")
    table.add_column("")
    for source in SOURCES.values():
        for metric in METRICS:
            table.add_column(f"{metric} to {source}", justify="right")
    for name, title in SENSED.items():
        values = [means[name][source][metric] for source in SOURCES for metric in METRICS]
        table.add_row(title, *(f"{value:.3f}" for value in values))
    Console().print(table)
