"""Two scans, as NIfTI or DICOM, fused slice by slice.

What is said and recorded here names no patient: files as the user typed them, and numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from emma_fusion.scans.colour import choose_palette
from emma_fusion.scans.dicom_file import text
from emma_fusion.scans.display import name_plane, slice_axis
from emma_fusion.scans.folders import volume_name
from emma_fusion.scans.grid import register_rigid, resample
from emma_fusion.scans.nifti import encode_nifti
from emma_fusion.scans.open import is_nifti, read_volume
from emma_fusion.scans.secondary_capture import SecondaryCapture, is_ours
from emma_fusion.scans.slices import fuse_slices, overlay_slices
from emma_fusion.scans.volume import Volume
from emma_fusion.scans.window import apply_window, find_window, parse_window
from emma_fusion.values.arrays import FloatArray
from emma_fusion.values.ranges import note_missed

if TYPE_CHECKING:
    from emma_fusion.fuser import Fuser


_GREY_FOR_16_BITS = (
    "Note: the fused scan is left grey, since coloured volumes have 8 bits; leave out --depth 16 "
    "for the palette {}."
)


def fuse_scans(
    request: FuseRequest, messages: Messages, get_fuser: Callable[[], Fuser] | None = None
) -> Outcome:
    """Fuse two scans on the anatomical one's grid, into a NIfTI file or a folder of DICOM files.

    Args:
        request: What is asked for.
        messages: Takes what there is to say.
        get_fuser: Gives the network where it is open already; without it, it is opened once all
            that can be wrong with the request is known to be right.

    Raises:
        UserError: A scan cannot be read, the two do not overlap, or an option is none for scans.
    """
    functional, anatomical, target = map(Path, (request.infrared, request.visible, request.output))
    scan = request.scan
    need_extra()
    _check(request)
    low_high = parse_window(scan.window) if scan.window else None
    targets = [target] if request.overlay is None else [target, overlay_target(target)]
    for path in targets:
        _check_target(path, (functional, anatomical), request)
    moving, fixed = read_volume(functional), read_volume(anatomical)
    captures = _prepare_series(targets, moving, fixed)
    notes = [*moving.notes, *fixed.notes, *_doubts(moving, fixed, scan)]
    for note in [*notes, *(captures[0].notes if captures else [])]:
        messages.say(f"Note: {note}")

    on_grid, motion = _bring_together(moving, fixed, request, messages)
    rule = "auto" if low_high is None else f"{low_high[0]!r}:{low_high[1]!r}"
    moving = replace(moving, unit=request.unit or moving.unit)
    infrared, first = _show(moving, on_grid, request.infrared_range, functional)
    visible, second = _show(fixed, fixed.voxels, rule, anatomical)
    for volume, about, path, option in (
        (moving, first, functional, "--infrared-range"),
        (fixed, second, anatomical, "--window"),
    ):
        if about["rule"] == "fixed":
            low, high = about["range"]
            for note in note_missed(volume.values, low, high, str(path), option):
                messages.say(f"Note: {note}")
    palette = _palette(request, moving, messages)

    axis = slice_axis(fixed, scan.plane)
    fuser = get_fuser() if get_fuser else open_fuser(request.network)
    facts = {"infrared": first, "visible": second, "place": motion}
    record = {
        "software": f"emma-fusion {__version__}",
        "model": fuser.name,
        "precision": fuser.precision,
        **facts,
        "colour": f"palette {palette}" if palette else "none",
        "plane": name_plane(axis),
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
    _write(target, fused, fixed, record, captures[:1])
    messages.say(f"Wrote {target}")
    if request.overlay is not None:
        colours = palette or "hot"
        laid = overlay_slices(infrared, visible, colours, request.overlay)
        record = {
            "software": f"emma-fusion {__version__}",
            "overlay": {"palette": colours, "opacity": request.overlay},
            **facts,
        }
        _write(targets[1], laid, fixed, record, captures[1:])
        messages.say(f"Wrote {targets[1]}")
    return Outcome()


def overlay_target(target: Path) -> Path:
    """Where the overlay beside a fused scan goes.

    >>> overlay_target(Path("out/fused.nii.gz")).name, overlay_target(Path("out/fused")).name
    ('fused_overlay.nii.gz', 'fused_overlay')
    """
    if not is_nifti(target):
        return target.with_name(f"{target.name}_overlay")
    name = volume_name(target)
    return target.with_name(f"{name}_overlay{target.name[len(name) :]}")


def need_extra() -> None:
    """Say which extra is missing before anything is read."""
    for name in ("imagecodecs", "nibabel", "pydicom", "SimpleITK"):
        if find_spec(name) is None:
            raise UserError(f"Fusing scans needs {name}: pip install 'emma-fusion[medical]'.")


def _check(request: FuseRequest) -> None:
    """Refuse the options of images that mean nothing for scans."""
    if request.protocol == "paper":
        raise UserError("The paper protocol is for images, not for scans: leave out --protocol.")
    if request.contrast == "stretch":
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
    if request.visible_range != "auto":
        raise UserError("--visible-range is for images; for the second scan there is --window.")
    if request.false_colour != "auto":
        raise UserError("--false-colour is for images: leave it out.")
    if request.strip_metadata:
        raise UserError(
            "--strip-metadata is for images: leave it out. A fused DICOM series names the patient "
            "and the study that it belongs to; a NIfTI file (-o fused.nii.gz) names neither."
        )
    if request.align != "off":
        raise UserError("--align is for images; for scans there is --register: leave it out.")
    if request.palette not in (None, "none") and request.depth == "16":
        raise UserError(
            "Coloured volumes have 8 bits: leave out --depth 16, or the colour (--palette none)."
        )
    if request.format:
        raise UserError("Scans are written as NIfTI or DICOM: leave out --format.")


def _check_target(target: Path, sources: tuple[Path, Path], request: FuseRequest) -> None:
    """Refuse a target that is no volume's, is an input, or exists."""
    if target.suffix.lower() in (*SUFFIXES, ".dcm", ".hdr", ".img", ".gz") and not is_nifti(target):
        raise UserError(
            f"{target.name} is not a name for a fused scan: write to a .nii or .nii.gz file, or to "
            "a folder for DICOM files."
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
            raise UserError(
                f"{target} exists: write to another place, or replace it with --overwrite."
            )
        if not all(map(is_ours, target.iterdir())):
            raise UserError(
                f"{target} holds files that are not a fused scan: write to another folder."
            )


def _doubts(moving: Volume, fixed: Volume, scan: ScanOptions) -> list[str]:
    """What the headers say against each other, without quoting them."""
    doubts = []
    if moving.modality == "MR" and fixed.modality in ("PT", "NM", "CT"):
        doubts.append(
            f"the first scan is an MRI and the second is not ({fixed.modality}): the PET, SPECT or "
            "CT belongs into the first place and the MRI into the second."
        )
    if not moving.frames or not fixed.frames:
        return doubts
    first, second = moving.frames[0].header, fixed.frames[0].header
    if text(first, "PatientID") != text(second, "PatientID"):
        doubts.append("the two series carry different patient IDs.")
    frames = [text(header, "FrameOfReferenceUID") for header in (first, second)]
    if scan.register == "headers" and (not frames[0] or frames[0] != frames[1]):
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


def _show(
    volume: Volume, voxels: FloatArray, rule: str, path: Path
) -> tuple[FloatArray, dict[str, Any]]:
    """Voxels of a volume in [0, 1], and the record of how they came there."""
    kind, low, high = find_window(volume, rule, str(path))
    record = {
        "range": [low, high],
        "rule": kind,
        "inverted": volume.inverted,
        "unit": volume.unit,
        "modality": volume.modality,
        # which data they were, without the name of a file that may name a patient
        "sha256": hashlib.sha256(np.ascontiguousarray(volume.voxels).data).hexdigest(),
    }
    return apply_window(volume, voxels, low, high), record


def _palette(request: FuseRequest, moving: Volume, messages: Messages) -> str | None:
    """The palette of the fused scan: the one that is asked for, else that of a functional scan."""
    if request.palette is not None:
        return None if request.palette == "none" else request.palette
    if request.colour == "none":
        return None
    palette = choose_palette(moving, request.infrared)
    if palette and request.depth == "16":
        messages.say(_GREY_FOR_16_BITS.format(palette))
        return None
    if palette and not moving.modality:
        messages.say(
            f"Note: {request.infrared} does not say what it is and is taken for a functional scan, "
            f"so it gives the fused one the palette {palette}; --palette none leaves it grey."
        )
    return palette


def _prepare_series(targets: list[Path], moving: Volume, fixed: Volume) -> list[SecondaryCapture]:
    """The DICOM series to be written, one for each target; none where these are NIfTI files.

    What cannot be written is found here, before anything is fused.
    """
    if is_nifti(targets[0]):
        return []
    if not fixed.frames:
        raise UserError(
            f"{targets[0]} would be a folder of DICOM files, which need an anatomical DICOM series "
            "to refer to: write to a .nii.gz file."
        )
    names = ("Fused", "Overlay")[: len(targets)]
    return [SecondaryCapture(fixed.frames, moving.frames, name) for name in names]


def _write(
    target: Path,
    voxels: Any,
    fixed: Volume,
    record: dict[str, Any],
    captures: Sequence[SecondaryCapture],
) -> None:
    """Write the files beside their names, and rename them; older ones of ours go."""
    files: dict[Path, bytes] = {}
    if captures:
        note = json.dumps(record, separators=(",", ":"))
        series = captures[0].encode(voxels, note)
        files |= {target / f"{k:04}.dcm": data for k, data in enumerate(series, 1)}
    else:
        note = f"{record['software']} {record.get('model', 'overlay')}"
        files[target] = encode_nifti(target, voxels, fixed.affine, code=fixed.code, note=note)
    files[beside(target)] = to_json(record)
    write_whole(files)
    if target.is_dir():
        for path in set(target.iterdir()) - files.keys():
            path.unlink()
