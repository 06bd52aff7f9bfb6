"""One DICOM file, opened whether or not it carries DICOM's mark."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emma_fusion.errors import UserError

_MARK_AT, _MARK = 128, b"DICM"
# How a file without mark begins: with a tag of group 2 or 8, in either order of bytes.
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
_DEFLATED = "1.2.840.10008.1.2.1.99"
MAX_INFLATED = 2**30  # bytes that a deflated file may hold


def looks_like_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark after its preamble, or begins as DICOM without one does."""
    try:
        with path.open("rb") as file:
            head = file.read(_MARK_AT + len(_MARK))
    except OSError:
        return False
    return head[_MARK_AT:] == _MARK or head[:2] in _FIRST_GROUPS


def read_dataset(path: Path, *, pixels: bool = True) -> Any:
    """Read a DICOM file; one without preamble or file meta information is read too.

    Args:
        path: of a file that `looks_like_dicom`.
        pixels: whether the pixels are read with the header.

    Returns:
        A pydicom Dataset, whose file meta information names a transfer syntax.

    Raises:
        UserError: it is damaged, or a deflated file that holds more than `MAX_INFLATED` bytes.
    """
    import pydicom
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    try:
        _refuse_bomb(path)
        dataset = pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:  # then it is what pydicom has guessed
            implicit, little = dataset.original_encoding
            explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    except UserError:
        raise
    except Exception:  # pydicom raises many kinds, and their texts quote the header
        raise UserError(f"{path} is damaged: its DICOM header ends too early.") from None
    return dataset


def first_item(dataset: Any, sequence: str) -> Any:
    """The first item of a sequence, None where there is none."""
    items = dataset.get(sequence) if dataset is not None and sequence else None
    return items[0] if items else None


def text(dataset: Any, tag: str) -> str:
    """What a tag says, "" where it is not there or cannot be read."""
    try:
        return str(dataset.get(tag) or "").strip()
    except Exception:  # pydicom converts a value when it is asked for, and raises many kinds
        return ""


@contextmanager
def quiet() -> Iterator[None]:
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


def _refuse_bomb(path: Path) -> None:
    """Inflate a deflated file piece by piece first: pydicom inflates it as a whole."""
    from pydicom.filereader import read_file_meta_info

    with path.open("rb") as file:
        if file.read(_MARK_AT + len(_MARK))[_MARK_AT:] != _MARK:
            return
    meta = read_file_meta_info(path)
    if text(meta, "TransferSyntaxUID") != _DEFLATED:
        return
    with path.open("rb") as file:
        # the preamble, the mark, and the group of file meta information after its own length
        file.seek(_MARK_AT + len(_MARK) + 12 + int(meta.FileMetaInformationGroupLength))
        inflate, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        pieces = iter(lambda: file.read(2**16), b"")
        for piece in pieces:
            while piece:
                size += len(inflate.decompress(piece, 2**20))
                piece = inflate.unconsumed_tail
                if size > MAX_INFLATED:
                    raise UserError(
                        f"{path} holds more than {MAX_INFLATED} bytes once it is inflated, which "
                        "are not read."
                    )
