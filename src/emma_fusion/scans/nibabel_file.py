"""NIfTI, Analyze and MGH files opened by what they hold, packed or not, whatever they are named."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from emma_fusion.errors import UserError
from emma_fusion.scans.volume import MAX_VOXELS

PAIRS = {".hdr": ".img", ".img": ".hdr"}
_GZIP = b"\x1f\x8b"
_HEAD = 540  # bytes of the longest header, NIfTI-2's
_MAX_OFFSET = 2**26  # bytes before the voxels, which would be read or skipped


def is_mgh(path: Path) -> bool:
    """Whether a file is named as FreeSurfer's MGH."""
    return path.name.lower().endswith((".mgh", ".mgz", ".mgh.gz"))


def partner(path: Path) -> Path | None:
    """The other file of an .hdr and .img pair; None for a name that is of no pair."""
    packed = path.suffix.lower() == ".gz"
    inner = path.with_suffix("") if packed else path
    other = PAIRS.get(inner.suffix.lower())
    if other is None:
        return None
    other = other.upper() if inner.suffix.isupper() else other
    return inner.with_suffix(other + (path.suffix if packed else ""))


@contextmanager
def open_image(path: Path) -> Iterator[Any]:
    """Open a file, and the other one of a pair, as a nibabel image whose voxels are not read yet.

    Raises:
        UserError: it is missing its other half, damaged, or no such file.
    """
    other = partner(path)
    if other is not None and not other.exists():
        raise UserError(f"{path} is half of a pair, and {other.name} does not lie beside it.")
    with _quiet(), ExitStack() as opened:
        try:
            kind = _kind(path, other)
            files = kind.filespec_to_file_map(str(path))
            for name, holder in files.items():
                if name != "mat" or Path(holder.filename).exists():
                    holder.fileobj = opened.enter_context(_open(Path(holder.filename)))
            image = kind.from_file_map(files)
        except UserError:
            raise
        except Exception:  # nibabel raises many kinds, and their texts quote the header
            raise UserError(
                f"{path} is damaged, or is not a NIfTI file (nor Analyze, nor MGH)."
            ) from None
        yield image


def _open(path: Path) -> IO[bytes]:
    """A file's bytes, unpacked where they are packed."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


def _kind(path: Path, other: Path | None) -> Any:
    """The class of nibabel for a file, by its header, whose claims on memory are checked.

    nibabel chooses by the name, and reads what lies before the voxels at once.
    """
    import nibabel as nib

    header_file = path if other is None or ".hdr" in path.name.lower() else other
    with _open(header_file) as file:
        head = file.read(_HEAD)
    if is_mgh(path):
        version, *shape = (int(value) for value in np.frombuffer(head[:20], ">i4"))
        if version != 1 or not 0 < np.prod(shape, dtype=object) <= MAX_VOXELS:
            raise UserError(f"{path} is no MGH file, or has not between 1 and {MAX_VOXELS} voxels.")
        if int(np.frombuffer(head[28:30], ">i2")[0]) == 0:
            raise UserError(
                f"{path} does not say where its voxels lie (goodRASFlag is 0), so left and right "
                "are unknown: convert it anew from the scanner's DICOM files."
            )
        return nib.MGHImage
    kind: Any
    if 540 in np.frombuffer(head[:4], "<i4").tolist() + np.frombuffer(head[:4], ">i4").tolist():
        kind = nib.Nifti2Pair if head[4:7] == b"ni2" else nib.Nifti2Image
    elif head[344:347] in (b"n+1", b"ni1"):
        kind = nib.Nifti1Pair if head[344:347] == b"ni1" else nib.Nifti1Image
    else:
        kind = nib.Spm2AnalyzeImage
        if other is None:
            raise UserError(f"{path} is damaged, or is not a NIfTI file (nor Analyze, nor MGH).")
    size = kind.header_class.template_dtype.itemsize
    header = kind.header_class(head[:size], check=False)
    if not 0 <= float(header["vox_offset"]) <= _MAX_OFFSET:
        raise UserError(f"{path} is damaged: its voxels are said to begin far behind its header.")
    return kind


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nibabel from logging what it finds in headers."""
    logger = logging.getLogger("nibabel.global")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
