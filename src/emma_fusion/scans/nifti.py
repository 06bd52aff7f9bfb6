"""NIfTI files in and out, and what else nibabel reads: Analyze pairs and MGH."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.errors import UserError
from emma_fusion.scans.nibabel_file import open_image
from emma_fusion.scans.volume import MAX_VOXELS, Affine, Volume, apply_affine, darken_unknown
from emma_fusion.scans.window import drop_stale_window

# NIfTI's numbers for the unit of length, in millimetres; 0 is unknown and means millimetres.
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
_RGBA = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
_ANALYZE = (
    "{} is an Analyze file, which says neither where the patient lies nor which side is left: its "
    "first voxels are taken for the right side and its middle for the middle, as SPM does."
)


def read_nifti(path: Path) -> Volume:
    """Read a NIfTI-1 or NIfTI-2 file of one volume, an Analyze pair, or FreeSurfer's MGH.

    Whether it is gzipped is seen by its bytes. The position is that of the sform where that is
    coded, else of the qform; Analyze, which has none, is taken as SPM takes it, with a note.
    `cal_min` and `cal_max` are the window where they do not miss the values. Values that are not
    finite (PET outside its field of view) are unknown.

    Raises:
        UserError: the file is damaged or holds several volumes or colours, or its header has no
            position, or two that contradict each other.
    """
    notes: tuple[str, ...] = ()
    with open_image(path) as image:
        header = image.header
        shape, dtype = tuple(map(int, header.get_data_shape())), header.get_data_dtype()
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) == 4:
            raise UserError(
                f"{path} holds {shape[3]} volumes: write the one to be fused, or their mean, into "
                "a file of its own."
            )
        if len(shape) != 3 or min(shape) < 1 or int(np.prod(shape, dtype=object)) > MAX_VOXELS:
            raise UserError(
                f"{path} has the shape {'x'.join(map(str, shape))}: a volume has three axes and at "
                f"most {MAX_VOXELS} voxels."
            )
        if dtype in (_RGB, _RGBA) or dtype.kind not in "iuf":
            raise UserError(f"{path} holds colours or complex values, not a scanner's values.")
        if "qform_code" in header:
            affine, code = _position(header, shape, path)
        else:
            affine, code = np.asarray(image.affine, np.float64), 1
            _check_affine(affine, path)
            place = image.file_map.get("mat")  # SPM's file with the affine of an Analyze pair
            if place is not None and not Path(place.filename).exists():
                notes = (_ANALYZE.format(path),)
        try:
            voxels = image.get_fdata(dtype=np.float32, caching="unchanged").reshape(shape)
        except (OSError, EOFError, ValueError, zlib.error):
            raise UserError(f"{path} is damaged: its voxels end too early.") from None
        window = None
        if "cal_min" in header:
            low, high = float(header["cal_min"]), float(header["cal_max"])
            window = (low, high) if np.isfinite([low, high]).all() and low < high else None
    known = np.isfinite(voxels)
    volume = Volume(
        darken_unknown(voxels, known, False, str(path)),
        affine,
        window=window,
        code=code,
        known=None if known.all() else known,
        notes=notes,
    )
    return drop_stale_window(volume, str(path))


def encode_nifti(
    path: Path, voxels: npt.NDArray[Any], affine: Affine, *, code: int = 1, note: str = ""
) -> bytes:
    """The bytes of a NIfTI-1 file.

    Args:
        path: decides with its suffix whether they are gzipped.
        voxels: (X, Y, Z) uint8 or uint16, or (X, Y, Z, 3) uint8 RGB.
        affine: (4, 4) to millimetres in RAS+; a sheared one is written as sform alone, since a
            qform cannot hold it.
        code: NIfTI's number for the space of the affine.
        note: up to 79 characters for the header's description.
    """
    import nibabel as nib

    if voxels.ndim == 4:
        voxels = np.ascontiguousarray(voxels).view(_RGB)[..., 0]
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = note.encode("ascii", "replace")[:79]
    image.set_sform(affine, code)
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    orthogonal = np.allclose(axes.T @ axes, np.eye(3), atol=1e-4)
    image.set_qform(affine if orthogonal else None, code if orthogonal else 0)
    data: bytes = image.to_bytes()
    return gzip.compress(data, 6, mtime=0) if path.name.lower().endswith(".gz") else data


def _position(header: Any, shape: tuple[int, ...], path: Path) -> tuple[Affine, int]:
    """The affine in millimetres, and the code of its space."""
    scale = _MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)
    try:
        qform, sform = header.get_qform(coded=True), header.get_sform(coded=True)
    except Exception:
        raise UserError(f"{path} is damaged: its position in the header is no position.") from None
    affine, code = sform if sform[1] > 0 else qform
    if affine is None or code == 0:
        raise UserError(
            f"{path} does not say where its voxels lie (qform_code and sform_code are 0), so left "
            "and right are unknown: convert it anew from the scanner's DICOM files."
        )
    affine = np.asarray(affine, np.float64)
    _check_affine(affine, path)
    if sform[1] > 0 and sform[1] == qform[1]:
        far = np.array(shape) - 1.0
        ends = np.stack([0 * far, far, *(np.eye(3) * far)])
        apart = np.linalg.norm(apply_affine(sform[0], ends) - apply_affine(qform[0], ends), axis=1)
        if apart.max() > np.linalg.norm(affine[:3, :3], axis=0).min() / 2:
            raise UserError(
                f"{path} contradicts itself: its sform and its qform claim the same space and lie "
                f"up to {apart.max() * scale:.1f} mm apart. Remove the wrong one from the header."
            )
    affine = affine * scale
    affine[3, 3] = 1
    return affine, int(code)


def _check_affine(affine: Affine, path: Path) -> None:
    """Refuse an affine that is no place."""
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UserError(f"{path} is damaged: the affine in its header is not invertible.")
