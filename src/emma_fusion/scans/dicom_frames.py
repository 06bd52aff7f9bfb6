"""Slices of a DICOM series: what each header says of where it lies and what its values mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.scans.dicom_file import first_item, text
from emma_fusion.scans.volume import MAX_SLICES, MAX_VOXELS, Affine

_PARALLEL = 1e-3  # how far the cosines of slices may differ
# how far a slice may lie from where an even spacing puts it, in spacings
_UNEVEN = 0.1


@dataclass(frozen=True, eq=False)
class DicomFrame:
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
        padding: the stored values, from and to, that stand for no measurement, or None.
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
    padding: tuple[int, int] | None = None


def frames_of(path: Path, header: Any) -> list[DicomFrame]:
    """The frames of a file.

    Raises:
        UserError: it is a mosaic, contradicts itself, or does not say where a frame lies.
    """
    try:
        _check(path, header)
        count = int(header.get("NumberOfFrames") or 1)
        shared = first_item(header, "SharedFunctionalGroupsSequence")
        own = header.get("PerFrameFunctionalGroupsSequence") or []
        if own:
            return [_frame(path, header, n + 1, [own[n], shared, header]) for n in range(count)]
        if count > 1:
            return _detector_frames(path, header, count)
        return [_frame(path, header, 0, [header])]
    except UserError:
        raise
    except Exception:  # values of a wrong kind or number
        raise UserError(f"{path} is damaged: tags that place its slices are unreadable.") from None


def _check(path: Path, header: Any) -> None:
    """Refuse files that would be read as something that they are not."""
    count, size = int(header.get("NumberOfFrames") or 1), int(header.Rows) * int(header.Columns)
    if not 0 < count <= MAX_SLICES or not 0 < count * size <= MAX_VOXELS:
        raise UserError(
            f"{path} claims {count} slices of {header.Columns}x{header.Rows} pixels; between 1 and "
            f"{MAX_SLICES} slices and at most {MAX_VOXELS} voxels are read."
        )
    if "MOSAIC" in text(header, "ImageType").upper():
        raise UserError(
            f"{path} is a Siemens mosaic, which holds the slices of a volume as tiles of one "
            "image: convert it to NIfTI (dcm2niix does) and give that."
        )
    allocated, stored, high = (
        header.get(tag) for tag in ("BitsAllocated", "BitsStored", "HighBit")
    )
    if (high is not None and stored is not None and int(high) != int(stored) - 1) or (
        allocated is not None and stored is not None and int(stored) > int(allocated)
    ):
        raise UserError(
            f"{path} contradicts itself: BitsAllocated is {allocated}, BitsStored {stored} and "
            f"HighBit {high}, so which bits are the value is unknown."
        )


def _padding(header: Any) -> tuple[int, int] | None:
    """The stored values that stand for no measurement (PS3.3 C.7.5.1.1.2)."""
    value, limit = header.get("PixelPaddingValue"), header.get("PixelPaddingRangeLimit")
    if value in (None, ""):
        return None
    ends = int(value), int(value if limit in (None, "") else limit)
    return min(ends), max(ends)


def _frame(path: Path, header: Any, number: int, groups: Sequence[Any]) -> DicomFrame:
    """A frame by what the first of its groups says that says it (PS3.3 C.7.6.2, C.7.6.16.2)."""

    def find(sequence: str, tag: str) -> Any:
        for group in groups:
            for place in (first_item(group, sequence), group):
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
    return DicomFrame(
        header,
        path,
        number,
        axes,
        need("PlanePositionSequence", "ImagePositionPatient", 3),
        (float(rows), float(columns)),
        abs(float(claimed)),
        (1.0 if slope is None else float(slope), float(intercept or 0)),
        _window(*(find(voi, tag) for tag in ("WindowCenter", "WindowWidth", "VOILUTFunction"))),
        _padding(header),
    )


def _detector_frames(path: Path, header: Any, count: int) -> list[DicomFrame]:
    """Frames of reconstructed nuclear medicine, stacked from the first (PS3.3 C.8.4.11)."""
    kind = [str(word).upper() for word in header.get("ImageType", [])]
    detector = first_item(header, "DetectorInformationSequence")
    gap = header.get("SpacingBetweenSlices") or header.get("SliceThickness")
    if detector is None or "RECON TOMO" not in kind or not gap:
        raise UserError(
            f"{path} holds {count} frames that are no slices of one volume, or do not say where "
            "they lie."
        )
    first = _frame(path, header, 1, [detector, header])
    step = np.cross(*first.axes) * float(gap)
    thickness = abs(float(gap))
    return [
        replace(first, number=n + 1, position=first.position + n * step, thickness=thickness)
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


def in_order(frames: list[DicomFrame]) -> list[DicomFrame]:
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
        if text(frame.header, "PhotometricInterpretation") != text(
            first.header, "PhotometricInterpretation"
        ) or frame.header.get("FrameOfReferenceUID") != first.header.get("FrameOfReferenceUID"):
            raise UserError(
                f"{frame.path} contradicts {first.path.name} of the same series in its frame of "
                "reference or in what its values mean."
            )
    normal = np.cross(*first.axes)
    return sorted(frames, key=lambda frame: float(frame.position @ normal))


def affine_of(frames: list[DicomFrame], path: Path) -> Affine:
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
