"""DICOM series in: frames put in order by where they lie, their values as the scanner means them.

Nothing here quotes a tag that can name a patient, neither in errors nor in warnings; pydicom's own
warnings, which do, are silenced.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.scans.dicom_file import quiet, text
from emma_fusion.scans.dicom_frames import DicomFrame, affine_of, frames_of, in_order
from emma_fusion.scans.pixels import decode
from emma_fusion.scans.series import find_series
from emma_fusion.scans.volume import MAX_SLICES, MAX_VOXELS, Volume, darken_unknown
from emma_fusion.scans.window import drop_stale_window
from emma_fusion.values.arrays import FloatArray

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM's axes run to the left and to the back


def read_series(path: Path) -> Volume:
    """Read a DICOM series: a folder with the files of one series, or one file of many frames.

    Classic series, enhanced multi-frame files, and reconstructed nuclear medicine. Slices are put
    in order by their positions; names, instance numbers and slice thickness are not believed. The
    window is the first that the header gives (LINEAR, LINEAR_EXACT; SIGMOID as its linear part);
    where it changes from slice to slice it is the one that spans all of them, and where it misses
    the values there is none. MONOCHROME1, whose large values are black, is an inverted volume in
    the file's own values. Pixel padding is unknown.

    Raises:
        UserError: there is no series or more than one, a file of it is damaged or a mosaic, a tag
            that places the slices is missing, slices are not parallel, not evenly spaced or twice
            at one place, or the pixels cannot be decoded.
    """
    with quiet():
        series = find_series(path)
        frames: list[DicomFrame] = []
        for file, header in series.files:
            frames += frames_of(file, header)
            rows, columns = int(frames[0].header.Rows), int(frames[0].header.Columns)
            if len(frames) > MAX_SLICES or rows * columns * len(frames) > MAX_VOXELS:
                raise UserError(
                    f"{path} claims more than {MAX_SLICES} slices or {MAX_VOXELS} voxels, which "
                    "are not read."
                )
        frames = in_order(frames)
        affine = _TO_RAS @ affine_of(frames, path)
        voxels, known = _voxels(frames)
        windows = [frame.window for frame in frames if frame.window is not None]
        window = None
        if windows:
            window = min(low for low, _ in windows), max(high for _, high in windows)
        first = frames[0].header
        modality = text(first, "Modality")
        unit = text(first, "Units") or text(first, "RescaleType")
        inverted = text(first, "PhotometricInterpretation") == "MONOCHROME1"
        volume = Volume(
            darken_unknown(voxels, known, inverted, str(path)),
            affine,
            window=window,
            modality=modality,
            unit=unit or ("HU" if modality == "CT" else ""),
            frames=frames,
            known=None if known.all() else known,
            inverted=inverted,
            notes=series.notes,
        )
        return drop_stale_window(volume, str(path))


def _voxels(frames: list[DicomFrame]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """The values of all frames, (columns, rows, slices), and where they are no padding."""
    header = frames[0].header
    voxels = np.empty((int(header.Columns), int(header.Rows), len(frames)), np.float32)
    known = np.ones(voxels.shape, bool)
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
        if frame.padding is not None and pixels.dtype.kind in "iu":
            # a padding of -2000 may be written as an unsigned 63536, and is the same bits
            low, high = np.sort(np.array(frame.padding).astype(pixels.dtype))
            known[:, :, k] = ~((pixels >= low) & (pixels <= high)).T
    return voxels, known
