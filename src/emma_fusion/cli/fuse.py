"""emma fuse INFRARED VISIBLE -o OUT: two files, or two folders matched by stem."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from emma_fusion.cli.progress import bar

if TYPE_CHECKING:
    import numpy.typing as npt

    from emma_fusion.fuser import Fuser
    from emma_fusion.media.alignment import Aligner
    from emma_fusion.pair import Pair

    Fused = tuple[npt.NDArray[Any], dict[str, Any]]

# The names of the formats whose suffix has two spellings.
_SPELLINGS = {"jpeg": "jpg", "tiff": "tif"}
_FILMS = "Films, folders of frames, cameras"
_CLUSTERS = "Several workers, several machines"
# Pixels of a pair beyond which no other is read while it is in memory.
_HEAVY = 2**23
Job = tuple[Path, Path, Path]
"""Infrared, visible and fused file of a pair."""
Place = TypeVar("Place")


@dataclass(frozen=True)
class Request:
    """What is asked for, the same for every pair."""

    colour: Literal["auto", "visible", "infrared", "none"]
    contrast: Literal["none", "stretch"]
    infrared_range: str
    paper: bool
    format: str | None
    depth: str | None
    palette: str | None
    overwrite: bool
    mending: Literal["none", "dead-pixels", "stripes", "both"] = "none"
    unit: str = ""
    range_rule: str | None = None  # what the infrared range was found by, where not by Pair
    aligner: Aligner | None = None

    def suffix(self, visible: PurePath) -> str:
        """The suffix of a fused picture."""
        if self.format:
            return f".{self.format}"
        return ".png" if self.paper else visible.suffix

    def made_by(self, fuser: Fuser) -> dict[str, str]:
        """What the record of a fused picture says of the program, the model and the options."""
        from emma_fusion import __version__

        return {
            "software": f"emma-fusion {__version__}",
            "model": fuser.name,
            "precision": fuser.precision,
            "runtime": fuser.runtime,
            "protocol": "paper" if self.paper else "none",
            "contrast": self.contrast,
        }


def fuse(
    first: Annotated[  # text, because a path would lose part of a camera's URL
        str,
        typer.Argument(
            help="Infrared picture, film or folder (medical: PET, SPECT or CT).", metavar="INFRARED"
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(
            help="Visible picture, film or folder of the same scene (medical: MRI).",
            metavar="VISIBLE",
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Where to: a file, or a folder.", metavar="OUT")
    ],
    model: Annotated[
        str, typer.Option(help="Weights that ship, by name, or a .safetensors file.")
    ] = "base",
    colour: Annotated[
        Literal["auto", "visible", "infrared", "none"],
        typer.Option(help="Whose colour to take; auto: the visible's if it has any."),
    ] = "auto",
    contrast: Annotated[
        Literal["none", "stretch"],
        typer.Option(help="stretch: spread the fused luminance over the whole range."),
    ] = "none",
    infrared_range: Annotated[
        str,
        typer.Option(
            help="Which infrared values become black and white: auto, full, LOW:HIGH (values), "
            "percentile:LOW:HIGH, or folder (percentiles 0.1 to 99.9 over the whole folder, so "
            "that its pictures compare) or folder:LOW:HIGH. auto: percentile:0.1:99.9 for 16-bit "
            "pictures that use less than half their range, else full.",
            metavar="RULE",
        ),
    ] = "auto",
    protocol: Annotated[
        Literal["none", "paper"],
        typer.Option(help="paper: as EMMA's authors score, grey, stretched, 8-bit png."),
    ] = "none",
    format: Annotated[
        Literal["png", "jpg", "bmp", "tif", "webp"] | None,
        typer.Option(help="Of the fused picture; without it, as OUT or the visible picture."),
    ] = None,
    depth: Annotated[
        Literal["8", "16"] | None,
        typer.Option(help="Bits of the fused picture; without it, the visible picture's."),
    ] = None,
    align: Annotated[
        str,
        typer.Option(
            help="How the infrared picture comes onto the visible one: off, translation, "
            "rigid, similarity, affine, homography, auto (the simplest that explains it), or FILE "
            "of emma calibrate.",
            metavar="HOW",
        ),
    ] = "off",
    palette: Annotated[
        Literal["inferno", "magma", "plasma", "viridis", "turbo", "hot"] | None,
        typer.Option(help="Colour the fused picture by the infrared values, instead of --colour."),
    ] = None,
    mending: Annotated[
        Literal["none", "dead-pixels", "stripes", "both"],
        typer.Option(
            "--mend",
            help="Of the infrared picture: single pixels unlike all their neighbours, offsets of "
            "rows and columns.",
            rich_help_panel="Thermal cameras",
        ),
    ] = "none",
    unit: Annotated[
        str,
        typer.Option(
            help="Of the infrared values, for the record: K, degC, counts.",
            rich_help_panel="Thermal cameras",
        ),
    ] = "",
    plane: Annotated[
        Literal["auto", "axial", "coronal", "sagittal"],
        typer.Option(
            help="Of the slices that are fused; auto: across the widest voxels.",
            rich_help_panel="Scans (NIfTI, DICOM)",
        ),
    ] = "auto",
    window: Annotated[
        str | None,
        typer.Option(
            help="Of the anatomical scan; without it the file's own, else percentiles 0.1 to 99.9. "
            "The first scan's is --infrared-range.",
            metavar="LEVEL:WIDTH",
            rich_help_panel="Scans (NIfTI, DICOM)",
        ),
    ] = None,
    register: Annotated[
        Literal["headers", "rigid"],
        typer.Option(
            help="How the first scan comes onto the second's grid: as the headers say, or also by "
            "mutual information.",
            rich_help_panel="Scans (NIfTI, DICOM)",
        ),
    ] = "headers",
    video: Annotated[
        bool,
        typer.Option(
            "--video",
            help="Two folders are the numbered frames of two films; so they are, too, where OUT is "
            "a video file.",
            rich_help_panel=_FILMS,
        ),
    ] = False,
    layout: Annotated[
        Literal["fused", "side-by-side", "picture-in-picture"],
        typer.Option(
            help="The fused film alone; infrared, visible and fused in a row; or with the infrared "
            "small in a corner.",
            rich_help_panel=_FILMS,
        ),
    ] = "fused",
    rate: Annotated[
        str | None,
        typer.Option(
            help="Frames a second of folders; without it, the other film's, else 25.",
            metavar="RATE",
            rich_help_panel=_FILMS,
        ),
    ] = None,
    offset: Annotated[
        float,
        typer.Option(
            help="How many seconds later than the visible film the infrared one begins.",
            rich_help_panel=_FILMS,
        ),
    ] = 0.0,
    frames: Annotated[
        int | None,
        typer.Option(help="Only the first so many.", min=1, rich_help_panel=_FILMS),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="INFRARED and VISIBLE are cameras: numbers, or URLs of streams. Ctrl-C ends it.",
            rich_help_panel=_FILMS,
        ),
    ] = False,
    show: Annotated[
        bool,
        typer.Option("--show", help="Show it in a window meanwhile.", rich_help_panel=_FILMS),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"], typer.Option(help="Of the network's arithmetic.")
    ] = "fp32",
    threads: Annotated[
        int | None, typer.Option(help="On a CPU; without it, one for each usable core.", min=1)
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help="What this process may hold, on a GPU what it may hold there: 4GiB, 800MB. "
            "Pictures too large for it are fused in strips, with the same output. Without it, "
            "what is free.",
            metavar="SIZE",
        ),
    ] = None,
    runtime: Annotated[
        Literal["auto", "torch", "engine", "onnxruntime", "openvino"],
        typer.Option(
            help="What runs the network on a CPU; auto: the fastest that is installed (extra "
            "runtimes), tried out the first time and remembered."
        ),
    ] = "torch",
    engine: Annotated[
        Literal["here", "ray"],
        typer.Option(
            help="ray: two folders, paths or URLs such as s3://bucket/ir, by workers on this "
            "machine or on those of the Ray cluster that RAY_ADDRESS names.",
            rich_help_panel=_CLUSTERS,
        ),
    ] = "here",
    workers: Annotated[
        int | None,
        typer.Option(
            help="How many, each with the model opened once; without it, one for each GPU, or "
            "without GPUs one for every two cores.",
            min=1,
            rich_help_panel=_CLUSTERS,
        ),
    ] = None,
) -> None:
    """Fuse two pictures, the pictures of two folders that have the same stem, or two films.

    The fused picture has the visible picture's size and depth, and in a folder its format.

    Nothing that exists is replaced without --overwrite; with folders it is skipped.
    """
    from emma_fusion.errors import UserError
    from emma_fusion.pair import parse_range

    if infrared_range.split(":")[0] != "folder":
        parse_range(infrared_range)
    if protocol == "paper":
        if palette:
            raise UserError("The paper protocol writes grey pictures: leave out --palette.")
        if format in ("jpg", "webp") or depth == "16" or colour not in ("auto", "none"):
            raise UserError(
                "The paper protocol writes 8-bit grey pictures without loss: leave out --colour "
                "and --depth, and write png, tif or bmp."
            )
        colour, contrast, depth = "none", "stretch", "8"
    request = Request(
        colour,
        contrast,
        infrared_range,
        protocol == "paper",
        format,
        depth,
        palette,
        overwrite,
        mending,
        unit,
        aligner=open_aligner(align),
    )
    if not output:
        raise UserError("The output has no name: -o FILE or -o FOLDER.")
    if engine == "ray":
        from emma_fusion.cli.cluster import fuse_on_ray

        def open_there(share: int) -> Fuser:
            from emma_fusion.fuser import Fuser

            return Fuser.from_pretrained(
                model,
                device=device,
                precision=precision,
                threads=threads or share,
                memory=memory,
                runtime=runtime,
            )

        for option, value, default in (
            ("--video", video, False),
            ("--live", live, False),
            ("--plane", plane, "auto"),
            ("--window", window, None),
            ("--register", register, "headers"),
        ):
            if value != default:
                raise UserError(f"--engine ray is for folders of pictures: leave out {option}.")
        if not fuse_on_ray(first, second, output, request, open_there, workers):
            raise typer.Exit(1)
        return
    if workers:
        raise UserError("--workers is for --engine ray.")
    infrared, visible = Path(first), Path(second)
    for path in () if live else (infrared, visible):
        if not os.path.exists(path):
            raise UserError(f"{path} does not exist.")

    def open_fuser() -> Fuser:
        from emma_fusion.fuser import Fuser

        return Fuser.from_pretrained(
            model,
            device=device,
            precision=precision,
            threads=threads,
            memory=memory,
            runtime=runtime,
        )

    from emma_fusion.cli.video import FilmOptions, fuse_video, is_film
    from emma_fusion.media.volumes import is_volume

    film = FilmOptions(video, live, layout, rate, offset, frames, show)
    if is_film(first, second, output, film):
        fuse_video(first, second, output, request, film, open_fuser)
        return
    if is_volume(infrared) or is_volume(visible):
        from emma_fusion.cli.volumes import Scan, fuse_volumes

        if request.aligner is not None:
            raise UserError("--align is for pictures; for scans there is --register: leave it out.")
        scan = Scan(plane, window, register)
        fuse_volumes(infrared, visible, output, request, scan, open_fuser)
        return
    if (plane, window, register) != ("auto", None, "headers"):
        raise UserError("--plane, --window and --register are for scans: leave them out.")
    if infrared.is_dir() != visible.is_dir():
        folder, file = (infrared, visible) if infrared.is_dir() else (visible, infrared)
        raise UserError(
            f"{folder} is a folder and {file} is a file: give two files or two folders."
        )
    from emma_fusion.cli.thermal import fuse_pages, settle_range
    from emma_fusion.media.rasters import count_pages

    if infrared.is_dir():
        jobs = plan_folder(infrared, visible, Path(output), request)
        request = settle_range(infrared, request) if jobs else request
        if jobs and not fuse_folder(jobs, open_fuser(), request):
            raise typer.Exit(1)
        return
    target = plan_file(infrared, visible, output, request)
    if max(count_pages(infrared), count_pages(visible)) > 1:
        fuse_pages(open_fuser(), infrared, visible, target, request)
        print(f"Wrote {target}", file=sys.stderr)
        return
    if infrared_range.startswith("folder"):
        raise UserError("--infrared-range folder is for two folders, or TIFF files of many pages.")
    pair = read(infrared, visible, target, request)  # what is wrong with it is said at once
    fuser = open_fuser()
    with bar("Fusing") as show_done:
        # told of strips only: a picture that is fused as a whole is done at once
        picture = fuser.fuse_pair(pair, contrast, lambda share: show_done(round(100 * share), 100))
    record = request.made_by(fuser) | pair.record
    del pair  # of a very large one, its memory is wanted for writing
    put(picture, record, infrared, visible, target)
    print(f"Wrote {target}", file=sys.stderr)


def open_aligner(how: str) -> Aligner | None:
    """What aligns pairs as asked; None for "off"."""
    if how == "off":
        return None
    from emma_fusion.media.alignment import Aligner

    return Aligner(how)


def plan_file(infrared: Path, visible: Path, output: str, request: Request) -> Path:
    """Where the fused picture of two files goes."""
    from emma_fusion.errors import UserError

    target = Path(output)
    if target.is_dir() or output.endswith(("/", os.sep)):
        target = target / (visible.stem + request.suffix(visible))
    elif request.format and _format(target) != request.format:
        raise UserError(
            f"{target.name} has not the suffix of the format {request.format}: leave out --format "
            f"or write to {target.with_suffix('.' + request.format).name}."
        )
    if request.paper and _format(target) in ("jpg", "webp"):
        raise UserError(
            f"The paper protocol writes pictures without loss, not {target.name}: write png."
        )
    if target.exists():
        if any(target.samefile(source) for source in (infrared, visible)):
            raise UserError(f"{target} is one of the two inputs: write to another file.")
        if not request.overwrite:
            raise UserError(f"{target} exists: write to another file, or replace it: --overwrite.")
    return target


def plan_folder(infrared: Path, visible: Path, output: Path, request: Request) -> list[Job]:
    """What is to be done. The rest is listed."""
    from emma_fusion.errors import UserError
    from emma_fusion.media.folders import fold, match_pairs

    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file: the fused pictures of two folders need a folder.")
    if output.exists() and any(output.samefile(source) for source in (infrared, visible)):
        raise UserError(f"{output} is one of the two inputs: write to another folder.")
    pairs, unmatched = match_pairs(infrared, visible)
    jobs = [(i, v, output / (stem + request.suffix(v))) for stem, i, v in pairs]
    names: dict[str, Path] = {}
    for _, _, target in jobs:
        other = names.setdefault(fold(target.name), target)
        if other != target:
            raise UserError(
                f"{other.name} and {target.name} would be one file on Windows and macOS: rename "
                "one of the two."
            )
    todo = jobs if request.overwrite else [job for job in jobs if not job[2].exists()]
    tell(unmatched, len(jobs) - len(todo))
    return todo


def tell(unmatched: Sequence[object], skipped: int) -> None:
    """Say what will not be fused."""
    for path in unmatched:
        print(f"No partner for {path}", file=sys.stderr)
    if skipped:
        print(f"Skipped {skipped} that exist; --overwrite makes them anew.", file=sys.stderr)


def fuse_folder(jobs: list[Job], fuser: Fuser, request: Request) -> bool:
    """Fuse all pairs, whatever becomes of single ones; whether all went well."""
    failures = []
    with bar("Fusing") as show:
        outcomes = fuse_jobs(jobs, fuser, request, lambda job: job, lambda *_: None)
        for number, (job, error) in enumerate(outcomes, 1):
            if error:  # one bad pair must not cost the others their night
                failures.append(f"{job[1].stem}: {str(error) or type(error).__name__}")
            show(number, len(jobs))
    return report(failures, len(jobs), jobs[0][2].parent)


def report(failures: list[str], number: int, output: Path | str) -> bool:
    """Say how many pairs were fused, and which were not; whether all were."""
    done = number - len(failures)
    print(f"Fused {done} of {number} pairs into {output}", file=sys.stderr)
    for failure in failures:
        print(f"Failed {failure}", file=sys.stderr)
    return not failures


def fuse_jobs(
    jobs: Iterable[Place],
    fuser: Fuser,
    request: Request,
    fetch: Callable[[Place], Job],
    store: Callable[[Place, Job], None],
) -> Iterator[tuple[Place, Exception | None]]:
    """Fuse pairs, the next of which is read while the last is written.

    Args:
        jobs: What is to be done.
        fuser: Fuses.
        request: What is asked for.
        fetch: Makes files of a job that are here, where it names others.
        store: Puts the fused file where the job wants it, where that is not here.

    Yields:
        Each job when it is done, in order, and the exception that it failed by, or None.
    """
    from emma_fusion.cli.overlap import overlapped
    from emma_fusion.cli.thermal import fuse_pages
    from emma_fusion.media.rasters import count_pages

    def read_job(place: Place) -> tuple[Job, Pair | None]:
        infrared, visible, target = fetch(place)
        pair = None  # many pages are read when it is their turn
        if max(count_pages(infrared), count_pages(visible)) == 1:
            pair = read(infrared, visible, target, request)
        return (infrared, visible, target), pair

    def work(place: Place, item: tuple[Job, Pair | None]) -> tuple[Job, Fused | None]:
        job, pair = item
        if pair is None:
            fuse_pages(fuser, *job, request)
            return job, None
        picture = fuser.fuse_pair(pair, request.contrast)
        return job, (picture, request.made_by(fuser) | pair.record)

    def write(place: Place, result: tuple[Job, Fused | None]) -> None:
        job, fused = result
        if fused is not None:
            put(*fused, *job)
        store(place, job)

    def heavy(item: tuple[Job, Pair | None]) -> bool:
        return item[1] is None or item[1].visible.size > _HEAVY

    yield from overlapped(jobs, read_job, work, write, heavy)


def read(infrared: Path, visible: Path, target: Path, request: Request) -> Pair:
    """Read a pair, in the form in which its fused picture is to be written to `target`."""
    from emma_fusion.media.rasters import read_pair

    pair = read_pair(
        infrared,
        visible,
        colour=request.colour,
        infrared_range=request.infrared_range,
        mending=request.mending,
        aligner=request.aligner,
    )
    pair = prepare(pair, target, request)
    check_target(target, request)
    return pair


def check_target(target: Path, request: Request) -> None:
    """Check that the record beside a picture takes the place of nothing else."""
    from emma_fusion.media.records import check_beside

    if not request.overwrite:
        check_beside(target)


def prepare(pair: Pair, target: Path, request: Request) -> Pair:
    """A pair in the form in which its fused picture is to be written to `target`."""
    import numpy as np

    from emma_fusion.media.rasters import ALPHA_SUFFIXES, check_format

    if request.range_rule:
        pair.record["infrared"]["rule"] = request.range_rule
    if request.unit:
        pair.record["infrared"]["unit"] = request.unit
    opaque = pair.alpha is not None and pair.alpha.min() == 1
    if request.paper or (opaque and target.suffix.lower() not in ALPHA_SUFFIXES):
        pair = replace(pair, alpha=None)
    if request.paper:
        pair = replace(pair, colour=None)
    if request.palette:
        from emma_fusion.media.palettes import colour_by_infrared

        pair = colour_by_infrared(pair, request.palette)
    if request.depth:
        pair = replace(pair, dtype=np.dtype(f"uint{request.depth}"))
    check_format(target, pair.dtype, pair.alpha is not None)
    return pair


def put(
    picture: npt.NDArray[Any],
    record: dict[str, Any],
    infrared: Path,
    visible: Path,
    target: Path,
) -> None:
    """Write a fused picture with its record, and where it lies on the Earth if its inputs say."""
    from emma_fusion.media.geotiff import read_georeference
    from emma_fusion.media.rasters import write_picture

    georeference = read_georeference(visible) or read_georeference(infrared)
    write_picture(target, picture, record, georeference)


def _format(path: Path) -> str:
    """The format that a file's suffix stands for."""
    suffix = path.suffix.lower().removeprefix(".")
    return _SPELLINGS.get(suffix, suffix)
