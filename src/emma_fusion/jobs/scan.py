"""Two scans, as NIfTI or DICOM, fused slice by slice.

What is said and recorded here names no patient: files as the user typed them, and numbers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from emma_fusion import __version__
from emma_fusion.errors import UserError
from emma_fusion.images.folders import SUFFIXES
from emma_fusion.images.raster import write_whole
from emma_fusion.images.record import beside, to_json
from emma_fusion.jobs.image import open_fuser
from emma_fusion.jobs.messages import Messages, Outcome
from emma_fusion.jobs.request import FuseRequest, ScanOptions
from emma_fusion.jobs.targets import Targets, check_record
from emma_fusion.pair import FloatArray
from emma_fusion.scans.display import name_plane, slice_axis
from emma_fusion.scans.grid import register_rigid, resample
from emma_fusion.scans.nifti import encode_nifti
from emma_fusion.scans.open import is_nifti, read_volume
from emma_fusion.scans.secondary_capture import encode_series, is_ours
from emma_fusion.scans.slices import fuse_slices
from emma_fusion.scans.volume import Volume
from emma_fusion.scans.window import find_window, parse_window
from emma_fusion.values.palettes import Palette

# The colours of nuclear medicine where none are asked for, by DICOM's names of the modalities.
_PALETTES: dict[str, Palette] = {"PT": "hot", "NM": "hot"}


def fuse_scans(request: FuseRequest, messages: Messages) -> Outcome:
    """Fuse two scans on the anatomical one's grid, into a NIfTI file or a folder of DICOM files.

    Raises:
        UserError: A scan cannot be read, the two do not overlap, or an option is none for scans.
    """
    functional, anatomical, target = map(Path, (request.infrared, request.visible, request.output))
    scan = request.scan
    _need_extra()
    _check(request)
    low_high = parse_window(scan.window) if scan.window else None
    _check_target(target, (functional, anatomical), request)
    moving, fixed = read_volume(functional), read_volume(anatomical)
    as_dicom = not is_nifti(target)
    if as_dicom and not fixed.frames:
        raise UserError(
            f"{target} would be a folder of DICOM files, which need an anatomical DICOM series to "
            "refer to: write to a .nii.gz file."
        )
    for doubt in _doubts(moving, fixed, scan):
        messages.say(f"Note: {doubt}")

    on_grid, motion = _bring_together(moving, fixed, request, messages)
    rule = "auto" if low_high is None else f"{low_high[0]!r}:{low_high[1]!r}"
    moving = replace(moving, unit=request.unit or moving.unit)
    infrared, first = _scale(moving, on_grid, request.infrared_range, functional)
    visible, second = _scale(fixed, fixed.voxels, rule, anatomical)

    palette = request.palette
    if palette is None and request.colour != "none":
        palette = _PALETTES.get(moving.modality)
    if palette and request.depth == "16":
        raise UserError(
            "Coloured volumes have 8 bit: leave out --depth 16, or the colour (--colour none)."
        )

    axis = slice_axis(fixed, scan.plane)
    fuser = open_fuser(request.network)
    record = {
        "software": f"emma-fusion {__version__}",
        "model": fuser.name,
        "precision": fuser.precision,
        "infrared": first,
        "visible": second,
        "colour": f"palette {palette}" if palette else "none",
        "plane": name_plane(axis),
        "place": motion,
    }
    with messages.bar("Fusing slices") as show:
        fused = fuse_slices(
            infrared,
            visible,
            fixed.affine,
            axis,
            fuser.fuse_luminance,
            palette=palette,
            dtype=f"uint{request.depth or 8}",
            show=show,
        )
    _write(target, fused, moving, fixed, record)
    messages.say(f"Wrote {target}")
    return Outcome()


def _need_extra() -> None:
    """Say which extra is missing before anything is read."""
    for name in ("nibabel", "pydicom", "SimpleITK"):
        if find_spec(name) is None:
            raise UserError(f"Fusing scans needs {name}: pip install 'emma-fusion[medical]'.")


def _check(request: FuseRequest) -> None:
    """Refuse the options of images that mean nothing for scans."""
    if request.protocol == "paper":
        raise UserError("The paper protocol is for images, not for scans: leave out --protocol.")
    if request.contrast != "none":
        raise UserError(
            "Scans are not stretched slice by slice, which would make slices differ: leave out "
            "--contrast, and choose the values that are shown with --window and --infrared-range."
        )
    if request.colour == "visible":
        raise UserError(
            "The anatomical scan has no colour: leave out --colour, or choose a --palette."
        )
    if request.mending != "none" or request.infrared_range.startswith("folder"):
        raise UserError("--mend and --infrared-range folder are for images: leave them out.")
    if request.align != "off":
        raise UserError("--align is for images; for scans there is --register: leave it out.")
    if request.format:
        raise UserError("Scans are written as NIfTI or DICOM: leave out --format.")


def _check_target(target: Path, sources: tuple[Path, Path], request: FuseRequest) -> None:
    """Refuse a target that is no volume's, is an input, or exists."""
    if target.suffix.lower() in (*SUFFIXES, ".dcm", ".hdr", ".img", ".gz") and not is_nifti(target):
        raise UserError(
            f"{target.name} is no name for a fused scan: write to a .nii or .nii.gz file, or to a "
            "folder for DICOM files."
        )
    place = target.resolve()
    for source in map(Path.resolve, sources):
        inside = source.is_dir() and source in place.parents
        if inside or (place.is_dir() and place in source.parents):
            raise UserError(
                f"{target} lies within one of the inputs or holds one: write to another place."
            )
    targets = Targets(sources, request.overwrite)
    if is_nifti(target):
        if target.is_dir():
            raise UserError(f"{target} is a folder: write to another file.")
        targets.check(target)
        return
    targets.check_folder(target)
    check_record(target, request.overwrite)
    if target.is_dir() and any(target.iterdir()):
        if not request.overwrite:
            raise UserError(f"{target} exists: write to another place, or replace it: --overwrite.")
        if not all(map(is_ours, target.iterdir())):
            raise UserError(
                f"{target} holds files that are no fused scan: write to another folder."
            )


def _doubts(moving: Volume, fixed: Volume, scan: ScanOptions) -> list[str]:
    """What the headers say against each other, without quoting them."""
    if not moving.frames or not fixed.frames:
        return []
    first, second = moving.frames[0].header, fixed.frames[0].header
    doubts = []
    if first.get("PatientID") != second.get("PatientID"):
        doubts.append("the two series carry different patient IDs.")
    frames = [header.get("FrameOfReferenceUID") for header in (first, second)]
    if scan.register == "headers" and (None in frames or frames[0] != frames[1]):
        doubts.append(
            "the two series do not share a frame of reference, so their headers need not agree on "
            "where the patient is; see --register rigid."
        )
    return doubts


def _bring_together(
    moving: Volume, fixed: Volume, request: FuseRequest, messages: Messages
) -> tuple[FloatArray, dict[str, Any]]:
    """The functional values on the anatomical grid, and how they came there."""
    motion = None
    facts: dict[str, Any] = {"by": request.scan.register}
    if request.scan.register == "rigid":
        found = register_rigid(moving, fixed)
        motion = found.motion
        facts |= {
            "shift_mm": round(found.shift_mm, 2),
            "degrees": round(found.degrees, 2),
            "mutual_information": [round(value, 4) for value in found.information],
            "motion": found.motion.round(6).tolist(),
        }
        messages.say(
            f"Registered: moved by {found.shift_mm:.1f} mm and {found.degrees:.1f} degrees, mutual "
            f"information {found.information[0]:.3f} to {found.information[1]:.3f}"
        )
    on_grid, share = resample(moving, fixed.affine, fixed.voxels.shape, motion)
    if share == 0:
        raise UserError(
            f"{request.infrared} and {request.visible} do not overlap: their headers put them at "
            "different places. --register rigid starts from their centres."
        )
    if share < 0.5:
        messages.say(
            f"Note: only {share:.0%} of the anatomical scan lies within the functional one."
        )
    return on_grid, {**facts, "covered": round(share, 4)}


def _scale(
    volume: Volume, voxels: FloatArray, rule: str, path: Path
) -> tuple[FloatArray, dict[str, Any]]:
    """Voxels of a volume in [0, 1], and the record of how they came there."""
    kind, low, high = find_window(volume, rule, str(path))
    scaled = np.clip((voxels - np.float32(low)) / np.float32(high - low), 0, 1)
    record = {
        "range": [low, high],
        "rule": kind,
        "unit": volume.unit,
        "modality": volume.modality,
        # which data they were, without the name of a file that may name a patient
        "sha256": hashlib.sha256(np.ascontiguousarray(volume.voxels).data).hexdigest(),
    }
    return scaled.astype(np.float32), record


def _write(target: Path, fused: Any, moving: Volume, fixed: Volume, record: dict[str, Any]) -> None:
    """Write the files beside their names, and rename them; older ones of ours go."""
    files = {}
    if is_nifti(target):
        note = f"{record['software']} {record['model']}"
        files[target] = encode_nifti(target, fused, fixed.affine, code=fixed.code, note=note)
    else:
        note = json.dumps(record, separators=(",", ":"))
        series = encode_series(fused, fixed.frames, moving.frames, note)
        files |= {target / f"{k:04}.dcm": data for k, data in enumerate(series, 1)}
    files[beside(target)] = to_json(record)
    write_whole(files)
    if target.is_dir():
        for path in set(target.iterdir()) - files.keys():
            path.unlink()
