"""DICOM series in: frames put in order by where they lie, their values as the scanner means them.

Nothing here quotes a tag that can name a patient, neither in errors nor in warnings; pydicom's own
warnings, which do, are silenced.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.pair import FloatArray
from emma_fusion.scans.volume import MAX_VOXELS, Affine, Volume

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM's axes run to the left and to the back
_PARALLEL = 1e-3  # how far the cosines of slices may differ
# how far a slice may lie from where an even spacing puts it, in spacings
_UNEVEN = 0.1
# transfer syntaxes without compression, and run lengths (PS3.5 A)
_PLAIN = ("1.2.840.10008.1.2", *(f"1.2.840.10008.1.2.{n}" for n in ("1", "1.99", "2", "5")))
_PIXEL_TAGS = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData"),
)


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice, as its header describes it.

    Attributes:
        header: of its file, without the pixels (a pydicom Dataset).
        path: of its file.
        number: within a file of many frames, from 1; 0 in a file of one.
        axes: (2, 3), the directions in which columns and rows follow each other, LPS.
        position: (3,) millimetres, the centre of the first pixel, LPS.
        spacing: millimetres from row to row and from column to column.
        thickness: millimetres from slice to slice as the header claims, 0 where it does not.
        scale: slope and intercept of the values.
        window: the values to be shown as black and white, or None.
    """

    header: Any
    path: Path
    number: int
    axes: npt.NDArray[np.float64]
    position: npt.NDArray[np.float64]
    spacing: tuple[float, float]
    thickness: float
    scale: tuple[float, float]
    window: tuple[float, float] | None


def read_series(path: Path) -> Volume:
    """Read a DICOM series: a folder with the files of one series, or one file of many frames.

    Classic series, enhanced multi-frame files, and reconstructed nuclear medicine. Slices are put
    in order by their positions; names, instance numbers and slice thickness are not believed. The
    window is the first that the header gives (LINEAR, LINEAR_EXACT; SIGMOID as its linear part);
    where it changes from slice to slice it is the one that spans all of them. MONOCHROME1, whose
    large values are black, comes with its sign turned.

    Raises:
        UserError: there is no series or more than one, a tag that places the slices is missing,
            slices are not parallel, not evenly spaced or twice at one place, or the pixels cannot
            be decoded.
    """
    with _quiet():
        headers = _one_series(path)
        frames = _in_order([frame for file, header in headers for frame in _frames(file, header)])
        affine = _TO_RAS @ _affine(frames, path)
        rows, columns = int(frames[0].header.Rows), int(frames[0].header.Columns)
        if rows * columns * len(frames) > MAX_VOXELS:
            raise UserError(f"{path} claims more than {MAX_VOXELS} voxels, which are not read.")
        voxels = _voxels(frames)
        windows = [frame.window for frame in frames if frame.window is not None]
        window = None
        if windows:
            window = min(low for low, _ in windows), max(high for _, high in windows)
        if _text(frames[0].header, "PhotometricInterpretation") == "MONOCHROME1":
            voxels = -voxels
            window = (-window[1], -window[0]) if window else None
        modality = _text(frames[0].header, "Modality")
        unit = _text(frames[0].header, "Units") or _text(frames[0].header, "RescaleType")
        return Volume(
            voxels,
            affine,
            window=window,
            modality=modality,
            unit=unit or ("HU" if modality == "CT" else ""),
            frames=frames,
        )


def decode(path: Path) -> npt.NDArray[Any]:
    """Decode a file's pixels, values as stored: (frames, rows, columns).

    Plain and run-length coded pixels are read by pydicom, all others by the codecs in SimpleITK,
    which get a copy of the pixels alone: they might log what else a header says.

    Raises:
        UserError: the pixels are missing, cut short, coloured, or of a compression that is not
            read.
    """
    import pydicom
    from pydicom.uid import UID

    with _quiet():
        dataset = pydicom.dcmread(path)
        syntax = UID(dataset.file_meta.get("TransferSyntaxUID", ""))
        by_pydicom = syntax in _PLAIN
        if int(dataset.get("SamplesPerPixel", 1)) != 1 or "PALETTE" in _text(
            dataset, "PhotometricInterpretation"
        ):
            raise UserError(
                f"{path} holds colours, not a scanner's values: give the series itself."
            )
        if "PixelData" not in dataset:
            raise UserError(f"{path} has no pixels.")
        try:
            pixels = dataset.pixel_array if by_pydicom else _decode_by_itk(dataset)
            return pixels.reshape(-1, int(dataset.Rows), int(dataset.Columns))
        except Exception:  # every decoder has errors of its own
            how = "" if by_pydicom else f", compressed as {syntax.name or 'unknown'},"
            raise UserError(
                f"The pixels of {path}{how} could not be decoded: the file is damaged, or is to be "
                "converted to uncompressed DICOM first."
            ) from None


def _decode_by_itk(dataset: Any) -> npt.NDArray[Any]:
    import SimpleITK as sitk
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    bare = Dataset()
    for tag in _PIXEL_TAGS:
        if tag in dataset:
            bare[tag] = dataset[tag]
    bare.SOPClassUID, bare.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.file_meta.MediaStorageSOPClassUID = bare.SOPClassUID
    bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "pixels.dcm"
        bare.save_as(copy, enforce_file_format=True)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(copy))
        pixels: npt.NDArray[Any] = sitk.GetArrayFromImage(reader.Execute())
    return pixels


def _one_series(path: Path) -> list[tuple[Path, Any]]:
    """The headers of a series' files, those without pixels left out."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    files = sorted(path.iterdir()) if path.is_dir() else [path]
    series: dict[str, list[tuple[Path, Any]]] = {}
    others: list[tuple[Path, str]] = []
    for file in files:
        if not file.is_file():
            continue
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
        except InvalidDicomError:
            continue  # a viewer's or an index file
        except Exception:
            raise UserError(f"{file} is damaged: its DICOM header ends too early.") from None
        if "Rows" in header and "Columns" in header:
            series.setdefault(_text(header, "SeriesInstanceUID"), []).append((file, header))
        else:  # an index, a report; or a slice that is cut short
            others.append((file, _text(header.file_meta, "MediaStorageSOPClassUID")))
    kinds = {_text(header, "SOPClassUID") for found in series.values() for _, header in found}
    for file, kind in others:
        if kind in kinds:
            raise UserError(f"{file} is damaged: its DICOM header ends too early.")
    if not series:
        raise UserError(
            f"{path} holds no DICOM images: give the folder of a series, whose files have DICM "
            "after 128 bytes."
        )
    if len(series) > 1:
        found = ", ".join(
            f"{len(files)} of {_text(files[0][1], 'Modality') or 'unknown'}"
            for files in series.values()
        )
        raise UserError(
            f"{path} holds {len(series)} series ({found}): put the files of one into a folder of "
            "their own."
        )
    return next(iter(series.values()))


def _frames(path: Path, header: Any) -> list[Frame]:
    """The frames of a file. Raises `UserError` where one does not say where it lies."""
    count = int(header.get("NumberOfFrames") or 1)
    shared = _first(header, "SharedFunctionalGroupsSequence")
    own = header.get("PerFrameFunctionalGroupsSequence") or []
    try:
        if own:
            return [_frame(path, header, n + 1, [own[n], shared, header]) for n in range(count)]
        if count > 1:
            return _detector_frames(path, header, count)
        return [_frame(path, header, 0, [header])]
    except UserError:
        raise
    except Exception:  # values of a wrong kind or number
        raise UserError(f"{path} is damaged: tags that place its slices are unreadable.") from None


def _frame(path: Path, header: Any, number: int, groups: Sequence[Any]) -> Frame:
    """A frame by what the first of its groups says that says it (PS3.3 C.7.6.2, C.7.6.16.2)."""

    def find(sequence: str, tag: str) -> Any:
        for group in groups:
            for place in (_first(group, sequence), group):
                if place is not None and place.get(tag) not in (None, ""):
                    return place[tag].value
        return None

    def need(sequence: str, tag: str, size: int) -> npt.NDArray[np.float64]:
        found = find(sequence, tag)
        if found is None:
            raise UserError(f"{path} has no {tag}, so where its slice lies is unknown.")
        values = np.array(found, float)
        if values.shape != (size,) or not np.isfinite(values).all():
            raise UserError(f"{path} is damaged: its {tag} is not {size} numbers.")
        return values

    if find("", "ModalityLUTSequence") is not None:
        raise UserError(f"{path} maps its values by a table (Modality LUT), which is not read.")
    axes = need("PlaneOrientationSequence", "ImageOrientationPatient", 6).reshape(2, 3)
    if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-2):
        raise UserError(f"{path} is damaged: its ImageOrientationPatient is no pair of directions.")
    measures, values, voi = (
        "PixelMeasuresSequence",
        "PixelValueTransformationSequence",
        "FrameVOILUTSequence",
    )
    rows, columns = need(measures, "PixelSpacing", 2)
    if min(rows, columns) <= 0:
        raise UserError(f"{path} is damaged: its PixelSpacing is not above 0.")
    claimed = find(measures, "SpacingBetweenSlices") or find(measures, "SliceThickness") or 0.0
    slope, intercept = find(values, "RescaleSlope"), find(values, "RescaleIntercept")
    return Frame(
        header,
        path,
        number,
        axes,
        need("PlanePositionSequence", "ImagePositionPatient", 3),
        (float(rows), float(columns)),
        abs(float(claimed)),
        (1.0 if slope is None else float(slope), float(intercept or 0)),
        _window(*(find(voi, tag) for tag in ("WindowCenter", "WindowWidth", "VOILUTFunction"))),
    )


def _detector_frames(path: Path, header: Any, count: int) -> list[Frame]:
    """Frames of reconstructed nuclear medicine, stacked from the first (PS3.3 C.8.4.11)."""
    kind = [str(word).upper() for word in header.get("ImageType", [])]
    detector = _first(header, "DetectorInformationSequence")
    gap = header.get("SpacingBetweenSlices") or header.get("SliceThickness")
    if detector is None or "RECON TOMO" not in kind or not gap:
        raise UserError(
            f"{path} holds {count} frames that are no slices of one volume, or do not say where "
            "they lie."
        )
    first = _frame(path, header, 1, [detector, header])
    step = np.cross(*first.axes) * float(gap)
    return [
        Frame(
            header,
            path,
            n + 1,
            first.axes,
            first.position + n * step,
            first.spacing,
            abs(float(gap)),
            first.scale,
            first.window,
        )
        for n in range(count)
    ]


def _window(center: Any, width: Any, function: Any) -> tuple[float, float] | None:
    """Which values become black and white (PS3.3 C.11.2.1.2), None where that is not said."""
    try:
        c, w = (float(np.atleast_1d(np.array(value, float))[0]) for value in (center, width))
    except (TypeError, ValueError, IndexError):
        return None
    if str(function or "LINEAR").upper() == "LINEAR":
        c, w = c - 0.5, w - 1
    return (c - w / 2, c + w / 2) if np.isfinite([c, w]).all() and w > 0 else None


def _in_order(frames: list[Frame]) -> list[Frame]:
    """Frames of one orientation, size and spacing, along their normal."""
    first = frames[0]
    for frame in frames[1:]:
        same_size = all(
            frame.header[tag].value == first.header[tag].value for tag in ("Rows", "Columns")
        )
        if not same_size or not np.allclose(frame.spacing, first.spacing, rtol=1e-3):
            raise UserError(
                f"{frame.path} has another number of pixels or another PixelSpacing than "
                f"{first.path.name} of the same series."
            )
        if not np.allclose(frame.axes, first.axes, atol=_PARALLEL):
            raise UserError(
                f"{frame.path} is not parallel to {first.path.name} of the same series: a "
                "localizer is no volume."
            )
        if _text(frame.header, "PhotometricInterpretation") != _text(
            first.header, "PhotometricInterpretation"
        ) or frame.header.get("FrameOfReferenceUID") != first.header.get("FrameOfReferenceUID"):
            raise UserError(
                f"{frame.path} contradicts {first.path.name} of the same series in its frame of "
                "reference or in what its values mean."
            )
    normal = np.cross(*first.axes)
    return sorted(frames, key=lambda frame: float(frame.position @ normal))


def _affine(frames: list[Frame], path: Path) -> Affine:
    """From (column, row, slice) to millimetres in LPS (PS3.3 C.7.6.2.1.1).

    The third axis runs from the first slice's position to the last's, which a tilted gantry makes
    oblique to the slices.
    """
    first, last, n = frames[0], frames[-1], len(frames)
    affine = np.eye(4)
    affine[:3, 0] = first.axes[0] * first.spacing[1]
    affine[:3, 1] = first.axes[1] * first.spacing[0]
    affine[:3, 3] = first.position
    normal = np.cross(*first.axes)
    if n == 1:
        if first.thickness == 0:
            raise UserError(f"{path} holds one slice, which does not say how thick it is.")
        affine[:3, 2] = normal * first.thickness
        return affine
    positions = np.stack([frame.position for frame in frames])
    gaps = np.diff(positions @ normal)
    if gaps.min() < 0.01 * gaps.max() or gaps.max() <= 0:
        raise UserError(
            f"{path} holds several slices at one place (echoes, times or repeats): put those of "
            "one volume into a folder of their own."
        )
    affine[:3, 2] = (last.position - first.position) / (n - 1)
    even = first.position + np.arange(n)[:, None] * affine[:3, 2]
    if np.linalg.norm(positions - even, axis=1).max() > _UNEVEN * gaps.mean():
        raise UserError(
            f"{path} has slices {gaps.min():.2f} to {gaps.max():.2f} mm apart: a slice is missing, "
            "or the spacing is not even."
        )
    return affine


def _voxels(frames: list[Frame]) -> FloatArray:
    """The values of all frames, (columns, rows, slices)."""
    header = frames[0].header
    voxels = np.empty((int(header.Columns), int(header.Rows), len(frames)), np.float32)
    decoded: dict[Path, npt.NDArray[Any]] = {}
    for k, frame in enumerate(frames):
        if frame.number == 0:
            pixels = decode(frame.path)[0]
        else:
            if frame.path not in decoded:
                decoded[frame.path] = decode(frame.path)
            pixels = decoded[frame.path][frame.number - 1]
        slope, intercept = frame.scale
        voxels[:, :, k] = pixels.T * slope + intercept
    return voxels


def _first(dataset: Any, sequence: str) -> Any:
    """The first item of a sequence, None where there is none."""
    items = dataset.get(sequence) if dataset is not None and sequence else None
    return items[0] if items else None


def _text(dataset: Any, tag: str) -> str:
    return str(dataset.get(tag) or "").strip()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pydicom from checking values it reads, and from quoting them in warnings."""
    from pydicom import config

    before = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.settings.reading_validation_mode = before
