"""Give `emma` files that were damaged at random, and say what it does not stand.

    python benchmarks/fuzz.py --minutes 60 --keep finds [--formats tif,dicom] [--seeds FOLDER]

A seed of each format, small and made here, is changed in a few places: bits, whole numbers such as
0, -1 and the largest, parts cut out, doubled or taken from another seed. `--seeds` adds files of a
folder. Each is one call of the command line in a process of its own, which may take 20 seconds and
2 GB, and must end with exit code 0, 1 or 2, with a sentence and without a traceback, and leave
nothing behind that is not whole. What does otherwise is kept in `--keep`, with what it said.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2

from fuzz_seeds import ARCHIVE, Format, images, others, scans, videos, whole

SECONDS, BYTES = 20, 2 * 2**30
# The numbers that sizes, counts and offsets are wrong by.
_NUMBERS = (0, 1, 2, 3, 7, 8, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# What a call of the command line imports, so that children need not.
_IMPORTED = (
    "av",
    "flyr.thermogram",
    "nibabel",
    "pydicom",
    "emma_fusion.cli",
    "emma_fusion.align",
    "emma_fusion.scans.open",
    "emma_fusion.video",
    "emma_fusion.web.archives",
)
_HEAD = 512  # bytes, where most of what can be wrong stands


def read_archive(path: str) -> None:
    """Read all of an archive as the page does."""
    from emma_fusion.web.archives import Archive, match_paths
    from emma_fusion.web.limits import Limits

    archive = Archive(Path(path), Limits())
    try:
        match_paths(archive.paths)
        for name in archive.paths:
            archive.read(name)
    finally:
        archive.close()


def mutate(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A file with a few changes of one kind or several."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        if not changed:
            break
        end = len(changed) if dice.random() < 0.5 else min(_HEAD, len(changed))
        at = dice.randrange(end)
        kind = dice.random()
        if kind < 0.3:
            changed[at] ^= 1 << dice.randrange(8)
        elif kind < 0.4:
            changed[at] = dice.randrange(256)
        elif kind < 0.7:
            form = dice.choice(("<B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
            size = struct.calcsize(form)
            number = dice.choice(_NUMBERS) & (256**size - 1)
            changed[at : at + size] = struct.pack(form, number)
        elif kind < 0.78:
            del changed[at:]
        elif kind < 0.84:
            del changed[at : at + dice.randrange(1, 64)]
        elif kind < 0.9:
            changed[at:at] = changed[at : at + dice.randrange(1, 64)]
        elif kind < 0.95:
            length = dice.randrange(1, 128)
            start = dice.randrange(max(1, len(other)))
            changed[at : at + length] = other[start : start + length]
        else:
            changed[at:at] = dice.randbytes(dice.randrange(1, 64))
    return bytes(changed)


@dataclass
class Result:
    """What became of one call."""

    code: int
    said: str
    seconds: float
    megabytes: float


def run(arguments: list[str]) -> Result:
    """Call the command line in a child that shares what this process has imported."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryFile() as said:
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            _be_child(arguments, said.fileno())
        code, usage = _wait(child, start)
        seconds = usage.ru_utime + usage.ru_stime  # of the processor: others may be busy here
        said.seek(0)
        text = said.read(2**20).decode("utf-8", "replace")
    return Result(code, text, seconds, max(0, usage.ru_maxrss - before) / 1024)


def _be_child(arguments: list[str], said: int) -> None:
    """The call itself; never returns."""
    code = 70
    try:
        os.setsid()
        for number in (1, 2):
            os.dup2(said, number)
        sys.stdout = sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + 2 * BYTES, held + 2 * BYTES))
        if arguments[0] == ARCHIVE:
            from emma_fusion.errors import UserError

            try:
                read_archive(arguments[1])
                code = 0
            except UserError as error:
                print(f"emma: {error}")
                code = 2
        else:
            from emma_fusion.cli import main as emma

            emma(arguments)
            code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int, start: float) -> tuple[int, resource.struct_rusage]:
    """The exit code of a child, negative for a signal, and what it used."""
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage
        if time.monotonic() - start > 5 * SECONDS:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)


def judge(result: Result, case: Path, before: set[str], target: str) -> list[str]:
    """What is wrong with a result; nothing where all is well."""
    faults = []
    if result.code < 0:
        faults.append(f"killed by {signal.Signals(-result.code).name}")
    elif result.code not in (0, 1, 2) or "Traceback" in result.said:
        faults.append("a traceback")
    elif result.code and "emma: " not in result.said and "Failed" not in result.said:
        faults.append("no sentence")
    if result.seconds > SECONDS:
        faults.append("slow")
    if result.megabytes * 2**20 > BYTES:
        faults.append("large")
    after = {str(path.relative_to(case)) for path in case.rglob("*")} - before
    allowed = {target, f"{target}.json", "out.tif", "out.tif.json"} if result.code == 0 else set()
    if after - allowed:
        faults.append(f"left {', '.join(sorted(after - allowed))}")
    return faults


def beside(kind: str, name: str, one: Format) -> dict[str, bytes]:
    """The undamaged file, except in a series, where it would be one slice more."""
    return {} if kind in ("dicom", "rle") else {whole(name): one.seeds[name]}


@contextmanager
def case_folder(names: dict[str, bytes]) -> Iterator[Path]:
    """A folder with these files."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        for file, data in names.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_bytes(data)
        yield folder


def add_seeds(formats: dict[str, Format], folder: Path) -> None:
    """The files of a folder, small ones, beside the seeds of their suffix."""
    suffixes = {Path(name).suffix: kind for kind, one in formats.items() for name in one.seeds}
    suffixes |= {".jpeg": "jpg", ".tiff": "tif"}
    for path in sorted(folder.rglob("*")):
        kind = suffixes.get(path.suffix.lower())
        if (
            kind not in (None, "dicom", "rle", "enhanced", "analyze")
            and path.is_file()
            and path.stat().st_size < 2**20
        ):
            formats[kind].seeds[f"{path.parent.name}-{path.name}"] = path.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--formats", help="with commas between; all without it")
    parser.add_argument("--seeds", type=Path, help="a folder with more seeds")
    parser.add_argument("--keep", type=Path, default=Path("finds"), help="where finds go")
    parser.add_argument("--number", type=int, default=0, help="of the first case, to repeat one")
    parser.add_argument("--cases", type=int, help="how many, in place of --minutes")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    formats = images() | scans() | videos() | others()
    wanted = options.formats.split(",") if options.formats else list(formats)
    warm_up({kind: formats[kind] for kind in wanted})
    if options.seeds:
        add_seeds(formats, options.seeds)

    counts: Counter[str] = Counter()
    finds: Counter[str] = Counter()
    largest: dict[str, float] = Counter()
    slowest: dict[str, float] = Counter()
    number, stop = options.number, time.monotonic() + 60 * options.minutes
    while number < options.number + options.cases if options.cases else time.monotonic() < stop:
        dice = random.Random(number)
        kind = wanted[number % len(wanted)]
        number += 1
        one = formats[kind]
        name = dice.choice(sorted(one.seeds))
        other = one.seeds[dice.choice(sorted(one.seeds))]
        data = mutate(one.seeds[name], other, dice)
        if one.repair and dice.random() < 0.7:
            data = one.repair(data)
        with case_folder(one.also | beside(kind, name, one) | {name: data}) as case:
            before = {str(path.relative_to(case)) for path in case.rglob("*")}
            result = run(one.command(case, name))
            faults = judge(result, case, before, one.target)
        counts[kind] += 1
        largest[kind] = max(largest[kind], result.megabytes)
        slowest[kind] = max(slowest[kind], result.seconds)
        if faults:
            last = (result.said.strip().splitlines() or [""])[-1][:160]
            print(f"{kind} {name}, case {number - 1}: {'; '.join(faults)}: {last}", flush=True)
            finds[kind] += 1
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{number - 1}-{Path(name).name}").write_bytes(data)
            (options.keep / f"{number - 1}-{Path(name).name}.txt").write_text(result.said)
    print("format       cases  finds  slowest s  most MB")
    for kind in wanted:
        figures = f"{counts[kind]:6} {finds[kind]:6} {slowest[kind]:10.1f} {largest[kind]:8.0f}"
        print(f"{kind:12}{figures}")


def warm_up(formats: dict[str, Format]) -> None:
    """Import what the children need, and see that the seeds themselves are taken."""
    import torch

    from emma_fusion.fuser import Fuser

    torch.set_num_threads(1)
    Fuser.from_pretrained("base")
    for module in _IMPORTED:
        importlib.import_module(module)
    for kind, one in formats.items():
        for name, data in one.seeds.items():
            with case_folder(one.also | beside(kind, name, one) | {name: data}) as case:
                result = run(one.command(case, name))
            if result.code:
                print(f"The seed {name} of {kind} is not taken: {result.said.strip()[-300:]}")


if __name__ == "__main__":
    if not hasattr(os, "fork"):
        raise SystemExit("This needs a system with fork: Linux or macOS.")
    if shutil.which("nice"):
        os.nice(10)
    main()
