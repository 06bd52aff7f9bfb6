"""Small files of each format for `fuzz.py`, and how each is given to the command line."""

from __future__ import annotations

import gzip
import io
import random
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image


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


_CODECS = {"mp4": "libx264", "mkv": "libx264", "avi": "mjpeg", "ts": "mpeg2video",
           "webm": "libvpx-vp9", "mov": "mpeg4"}  # fmt: skip


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


def pillow(image: Image.Image, kind: str, **options: object) -> bytes:
    """An image as Pillow writes it."""
    file = io.BytesIO()
    image.save(file, kind, **options)
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
            "table.png": pillow(Image.fromarray(colour).convert("P"), "PNG", transparency=3),
        },
        "jpg": {
            "colour.jpg": encode(".jpg", colour),
            "progressive.jpg": encode(".jpg", colour, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
            "inks.jpg": pillow(Image.fromarray(colour).convert("CMYK"), "JPEG"),
            "restarts.jpg": encode(".jpg", grey, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        },
        "bmp": {
            "colour.bmp": encode(".bmp", colour),
            "grey.bmp": encode(".bmp", grey),
            "bits.bmp": pillow(Image.fromarray(grey > 99), "BMP"),
        },
        "webp": {
            "lossy.webp": encode(".webp", colour, cv2.IMWRITE_WEBP_QUALITY, 80),
            "exact.webp": encode(".webp", scene(4), cv2.IMWRITE_WEBP_QUALITY, 101),
            "moving.webp": pillow(
                Image.fromarray(colour),
                "WEBP",
                save_all=True,
                append_images=[Image.fromarray(scene(3, seed=1))],
            ),
        },
        "tif": {
            "plain.tif": tiff(deep),
            "tiles.tif": tiff(colour, tile=(16, 16), compression="zlib", photometric="rgb"),
            "lzw.tif": tiff(deep, compression="lzw", predictor=True, rowsperstrip=8),
            "planes.tif": tiff(colour.transpose(2, 0, 1), photometric="rgb", planarconfig=2),
            "pages.tif": tiff(np.stack([deep, deep]), photometric="minisblack"),
            "float.tif": tiff(deep.astype(np.float32) / 65535, extratags=[(42113, 2, 0, "nan", 1)]),
            "big.tif": tiff(deep, bigtiff=True, byteorder=">"),
            "jpeg.tif": tiff(colour, compression="jpeg", photometric="rgb"),
            "zstd.tif": tiff(deep, compression="zstd"),
            "lzma.tif": tiff(deep, compression="lzma"),
            "packbits.tif": tiff(colour, compression="packbits", photometric="rgb"),
            "bits.tif": tiff(grey > 99, photometric="miniswhite"),
            "inks.tif": tiff(scene(4), photometric="separated"),
            "table.tif": tiff(
                grey, photometric="palette", colormap=np.arange(768, dtype=np.uint16).reshape(3, -1)
            ),
            "predicted.tif": tiff(deep.astype(np.float32) / 65535, compression="zlib", predictor=3),
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
    """NIfTI, MGH, Analyze, and a DICOM series of which one file is damaged."""
    import nibabel
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, RLELossless, generate_uid

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
        if number == 1:
            one.compress(RLELossless, generate_instance_uid=False)
            packed = io.BytesIO()
            pydicom.dcmwrite(packed, one, enforce_file_format=True)

    def fuse_nifti(case: Path, name: str) -> list[str]:
        other = "partner.nii"
        return ["fuse", str(case / name), str(case / other), "-o", str(case / "out.nii.gz")]

    def fuse_series(case: Path, name: str) -> list[str]:
        series = str((case / name).parent)
        return ["fuse", series, str(case / "partner.nii"), "-o", str(case / "out.nii.gz")]

    rest = {f"mr/{name}": data for name, data in slices.items() if name != "1.dcm"}
    also = {"partner.nii": plain}
    seeds = {"plain.nii": plain, "packed.nii.gz": gzip.compress(plain)}
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    mgh = nibabel.MGHImage(volume, affine).to_bytes()
    analyze = nibabel.Spm2AnalyzeImage(volume, affine)
    parts = {name: io.BytesIO() for name in ("header", "image", "mat")}
    for name, part in parts.items():
        analyze.file_map[name].fileobj = part
    analyze.to_file_map()
    header, voxels, _ = (part.getvalue() for part in parts.values())

    def fuse_analyze(case: Path, name: str) -> list[str]:
        other = "partner.nii"
        return ["fuse", str(case / "ana.hdr"), str(case / other), "-o", str(case / "out.nii.gz")]

    return {
        "mgh": Format(
            {"plain.mgh": mgh, "packed.mgz": gzip.compress(mgh)}, fuse_nifti, also, "out.nii.gz"
        ),
        "analyze": Format(
            {"ana.hdr": header}, fuse_analyze, also | {"ana.img": voxels}, "out.nii.gz"
        ),
        "enhanced": Format({"many.dcm": enhanced()}, fuse_nifti, also, "out.nii.gz"),
        "nifti": Format(seeds, fuse_nifti, also, "out.nii.gz"),
        "dicom": Format({"mr/1.dcm": slices["1.dcm"]}, fuse_series, also | rest, "out.nii.gz"),
        "rle": Format({"mr/1.dcm": packed.getvalue()}, fuse_series, also | rest, "out.nii.gz"),
    }


def enhanced() -> bytes:
    """An enhanced MR file of four frames, which says for each where it lies."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

    def items(**values: object) -> list[Dataset]:
        item = Dataset()
        for name, value in values.items():
            setattr(item, name, value)
        return [item]

    one = items(
        SOPClassUID=EnhancedMRImageStorage, SOPInstanceUID=generate_uid(), Modality="MR",
        StudyInstanceUID=generate_uid(), SeriesInstanceUID=generate_uid(),
        FrameOfReferenceUID=generate_uid(), Rows=40, Columns=48, NumberOfFrames=4,
        SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=16, BitsStored=16,
        HighBit=15, PixelRepresentation=0,
    )[0]  # fmt: skip
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    one.SharedFunctionalGroupsSequence = items(
        PixelMeasuresSequence=items(PixelSpacing=[2, 2], SliceThickness=2),
        PlaneOrientationSequence=items(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        PixelValueTransformationSequence=items(
            RescaleSlope=2, RescaleIntercept=1, RescaleType="US"
        ),
    )
    one.PerFrameFunctionalGroupsSequence = [
        items(PlanePositionSequence=items(ImagePositionPatient=[0, 0, 2 * number]))[0]
        for number in range(4)
    ]
    one.PixelData = np.stack([scene(1, 8, seed) for seed in range(4)]).astype("<u2").tobytes()
    file = io.BytesIO()
    pydicom.dcmwrite(file, one, enforce_file_format=True)
    return file.getvalue()


def videos() -> dict[str, Format]:
    """MP4, Matroska, AVI, WebM, QuickTime and transport streams of four frames."""
    import av

    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix, codec in _CODECS.items():
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
            ARCHIVE, str(case / name)]),
    }  # fmt: skip


def radiometric() -> bytes:
    """A FLIR file with a visible image inside, as the tests make it."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import flir

    counts = flir.to_counts(20 + scene(1, 8).astype(float) / 10)
    return flir.radiometric(counts, scene(3), (1.3, 2, -1), how="swapped png")


ARCHIVE = "an archive of the page"  # not a verb: only the page reads these
