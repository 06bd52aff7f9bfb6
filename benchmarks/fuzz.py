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
import gzip
import importlib
import io
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import tifffile

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


@dataclass
class Format:
    """How files of a format are given to the command line.

    Attributes:
        seeds: files by name.
        command: arguments, of the folder of a case and the name of the file in it.
        also: other files that the case needs, by their path in its folder.
        target: what the command makes, in the folder of a case.
        repair: mends checksums, so that damage gets past them; half of the cases.
    """

    seeds: dict[str, bytes]
    command: Callable[[Path, str], list[str]]
    also: dict[str, bytes] = field(default_factory=dict)
    target: str = "out.png"
    repair: Callable[[bytes], bytes] | None = None


def scene(channels: int = 1, depth: int = 8, seed: int = 0) -> np.ndarray:
    """A small image."""
    random_ = np.random.default_rng(seed)
    plane = cv2.GaussianBlur(random_.random((40, 48, channels)), (0, 0), 3)
    plane = (plane - plane.min()) / np.ptp(plane) * (2**depth - 1)
    return plane.reshape((40, 48) if channels == 1 else plane.shape).astype(f"uint{depth}")


def encode(suffix: str, image: np.ndarray, *options: int) -> bytes:
    """An image as OpenCV writes it."""
    return cv2.imencode(suffix, image, list(options))[1].tobytes()


def tiff(image: np.ndarray, **options: object) -> bytes:
    """An image, or several, as tifffile writes it."""
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)  # type: ignore[arg-type]
    return file.getvalue()


def whole(name: str) -> str:
    """What the undamaged file of a case is called, which is of the damaged one's size."""
    return str(Path(name).with_name(f"whole-{Path(name).name}"))


def images() -> dict[str, Format]:
    """PNG, JPEG, BMP, WebP and TIFF, as the infrared image or as the visible one."""
    grey, colour, deep = scene(), scene(3), scene(1, 16)
    kinds = {
        "png": {
            "grey.png": encode(".png", grey),
            "deep.png": encode(".png", deep),
            "alpha.png": encode(".png", scene(4)),
        },
        "jpg": {
            "colour.jpg": encode(".jpg", colour),
            "progressive.jpg": encode(".jpg", colour, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
            "restarts.jpg": encode(".jpg", grey, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        },
        "bmp": {"colour.bmp": encode(".bmp", colour), "grey.bmp": encode(".bmp", grey)},
        "webp": {
            "lossy.webp": encode(".webp", colour, cv2.IMWRITE_WEBP_QUALITY, 80),
            "exact.webp": encode(".webp", scene(4), cv2.IMWRITE_WEBP_QUALITY, 101),
        },
        "tif": {
            "plain.tif": tiff(deep),
            "tiles.tif": tiff(colour, tile=(16, 16), compression="zlib", photometric="rgb"),
            "lzw.tif": tiff(deep, compression="lzw", predictor=True, rowsperstrip=8),
            "planes.tif": tiff(colour.transpose(2, 0, 1), photometric="rgb", planarconfig=2),
            "pages.tif": tiff(np.stack([deep, deep]), photometric="minisblack"),
            "float.tif": tiff(deep.astype(np.float32) / 1000, extratags=[(42113, 2, 0, "nan", 1)]),
            "big.tif": tiff(deep, bigtiff=True, byteorder=">"),
            "jpeg.tif": tiff(colour, compression="jpeg", photometric="rgb"),
            "zstd.tif": tiff(deep, compression="zstd"),
            "place.tif": tiff(
                deep,
                extratags=[
                    (33550, 12, 3, (1.0, 1.0, 0.0), True),
                    (33922, 12, 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True),
                    (34735, 3, 4, (1, 1, 0, 0), True),
                ],
            ),
        },
    }

    def command(case: Path, name: str) -> list[str]:
        pair = [str(case / name), str(case / whole(name))]
        if random.Random(name + case.name).random() < 0.5:
            pair.reverse()
        target = "out.tif" if name == "pages.tif" else "out.png"
        return ["fuse", *pair, "-o", str(case / target), "--threads", "1"]

    return {
        kind: Format(seeds, command, repair=mend_png if kind == "png" else None)
        for kind, seeds in kinds.items()
    }


def mend_png(data: bytes) -> bytes:
    """A PNG with right checksums, as far as its chunks can be followed."""
    mended, at = bytearray(data), 8
    while at + 12 <= len(mended):
        (length,) = struct.unpack_from(">I", mended, at)
        end = at + 8 + length
        if end + 4 > len(mended):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(mended[at + 4 : end]))
        at = end + 4
    return bytes(mended)


def scans() -> dict[str, Format]:
    """NIfTI and a DICOM series of which one file is damaged."""
    import nibabel
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    volume = np.stack([scene(1, 8, seed) for seed in range(4)], axis=-1).astype(np.int16)
    plain = nibabel.Nifti1Image(volume, np.diag([2.0, 2.0, 2.0, 1.0])).to_bytes()
    study, series, place = generate_uid(), generate_uid(), generate_uid()
    slices = {}
    for number in range(4):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = MRImageStorage
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
        one.StudyInstanceUID, one.SeriesInstanceUID = study, series
        one.FrameOfReferenceUID, one.Modality = place, "MR"
        one.Rows, one.Columns = 40, 48
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.PixelSpacing, one.SliceThickness = [2, 2], 2
        one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        one.ImagePositionPatient = [0, 0, 2 * number]
        one.InstanceNumber = number + 1
        one.PixelData = volume[..., number].astype("<u2").tobytes()
        file = io.BytesIO()
        pydicom.dcmwrite(file, one, enforce_file_format=True)
        slices[f"{number}.dcm"] = file.getvalue()

    def fuse_nifti(case: Path, name: str) -> list[str]:
        other = "partner.nii"
        return ["fuse", str(case / name), str(case / other), "-o", str(case / "out.nii.gz")]

    def fuse_series(case: Path, name: str) -> list[str]:
        series = str((case / name).parent)
        return ["fuse", series, str(case / "partner.nii"), "-o", str(case / "out.nii.gz")]

    rest = {f"mr/{name}": data for name, data in slices.items() if name != "1.dcm"}
    also = {"partner.nii": plain}
    seeds = {"plain.nii": plain, "packed.nii.gz": gzip.compress(plain)}
    return {
        "nifti": Format(seeds, fuse_nifti, also, "out.nii.gz"),
        "dicom": Format({"mr/1.dcm": slices["1.dcm"]}, fuse_series, also | rest, "out.nii.gz"),
    }


def videos() -> dict[str, Format]:
    """MP4, Matroska, AVI and transport streams of four frames."""
    import av

    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix, codec in (("mp4", "libx264"), ("mkv", "libx264"), ("avi", "mjpeg"),
                              ("ts", "mpeg2video")):  # fmt: skip
            path = Path(folder) / f"video.{suffix}"
            with av.open(str(path), "w") as container:
                stream = container.add_stream(codec, rate=10)
                stream.height, stream.width = 40, 48
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
                for number in range(4):
                    frame = av.VideoFrame.from_ndarray(scene(3, seed=number), format="rgb24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
            seeds[path.name] = path.read_bytes()

    def command(case: Path, name: str) -> list[str]:
        pair = [str(case / name), str(case / whole(name))]
        return ["fuse", *pair, "-o", str(case / "out.mp4"), "--threads", "1", "--frames", "4"]

    return {"video": Format(seeds, command, target="out.mp4")}


def others() -> dict[str, Format]:
    """Radiometric JPEGs, calibrations, weights, records and archives."""
    from emma_fusion import models
    from emma_fusion.images.raster import encode_image

    partner = {"partner.png": encode(".png", scene(3, seed=1))}
    made = encode_image("made.png", scene(), {"software": "emma-fusion", "range": [0, 1]})
    rig = (
        b'{"kind": "emma-fusion calibration", "format": 1, "software": "emma-fusion 0.1.0", '
        b'"infrared": {"height": 40, "width": 48}, "visible": {"height": 40, "width": 48}, '
        b'"model": "translation", "visible_to_infrared": [[1, 0, 2], [0, 1, 3], [0, 0, 1]], '
        b'"pairs": 12, "residual_pixels": 0.5}'
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, how in (("ir/1.png", 0), ("vi/1.png", 8), ("ir/2.png", 12), ("vi/2.png", 14)):
            packed.writestr(name, partner["partner.png"], compress_type=how)

    def fuse(case: Path, name: str) -> list[str]:
        pair = [str(case / name), str(case / "partner.png")]
        return ["fuse", *pair, "-o", str(case / "out.png"), "--threads", "1"]

    def align(case: Path, name: str) -> list[str]:
        pair = [str(case / "partner.png"), str(case / "partner.png")]
        return ["fuse", *pair, "-o", str(case / "out.png"), "--align", str(case / name)]

    def weights(case: Path, name: str) -> list[str]:
        pair = [str(case / "partner.png"), str(case / "partner.png")]
        return ["fuse", *pair, "-o", str(case / "out.png"), "--model", str(case / name)]

    def info(case: Path, name: str) -> list[str]:
        return ["info", str(case / name), str(case / "partner.png")]

    fast = models.find("fast").read_bytes()
    return {
        "record": Format({"made.png": made}, info, partner),
        "calibration": Format({"rig.json": rig}, align, partner),
        "weights": Format({"fast.safetensors": fast}, weights, partner),
        "flir": Format({"flir.jpg": radiometric()}, fuse, partner),
        "zip": Format({"pairs.zip": archive.getvalue()}, lambda case, name: [
            _ARCHIVE, str(case / name)]),
    }  # fmt: skip


def radiometric() -> bytes:
    """A FLIR file with a visible image inside, as the tests make it."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import flir

    counts = flir.to_counts(20 + scene(1, 8).astype(float) / 10)
    return flir.radiometric(counts, scene(3), (1.3, 2, -1), how="swapped png")


_ARCHIVE = "an archive of the page"  # not a verb: only the page reads these


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
        if arguments[0] == _ARCHIVE:
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
    return {} if kind == "dicom" else {whole(name): one.seeds[name]}


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
        if kind not in (None, "dicom") and path.is_file() and path.stat().st_size < 2**20:
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
