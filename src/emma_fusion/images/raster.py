"""Image files in and out: what the other rooms use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emma_fusion.images import record as records
from emma_fusion.images.encoding import (
    ALPHA_SUFFIXES,
    DEEP_SUFFIXES,
    check_format,
    encode_image,
    encode_pages,
)
from emma_fusion.images.files import write_whole
from emma_fusion.images.formats import MAX_PIXELS
from emma_fusion.images.geotiff import Tag
from emma_fusion.images.metadata import Metadata
from emma_fusion.images.pairing import read_pair
from emma_fusion.images.reading import (
    count_pages,
    decode_image,
    open_pages,
    read_decoded,
    read_image,
    read_pages,
)

__all__ = [
    "ALPHA_SUFFIXES",
    "DEEP_SUFFIXES",
    "MAX_PIXELS",
    "check_format",
    "count_pages",
    "decode_image",
    "encode_image",
    "encode_pages",
    "open_pages",
    "read_decoded",
    "read_image",
    "read_pages",
    "read_pair",
    "write_image",
    "write_whole",
]


def write_image(
    path: Path | str,
    image: npt.NDArray[Any],
    record: dict[str, Any] | None = None,
    georeference: Sequence[Tag] = (),
    metadata: Metadata | None = None,
    valid: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Write an image, and how it was made.

    The file appears whole or not at all: it is written under another name beside it and then
    renamed. An existing one is replaced. JPEG is written with quality 95, WebP without loss, TIFF
    compressed by Deflate.

    Args:
        path: its suffix decides the format; see `SUFFIXES`.
        image: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA; uint8, uint16 for png and tif, or float32
            without alpha for tif.
        record: see `records`; nothing where None.
        georeference: for tif, where the image lies; see `geotiff`.
        metadata: EXIF, colour profile and resolution, as far as the format holds them; see
            `metadata.read_metadata`.
        valid: (H, W), which pixels hold data, for tif, which gets a mask; None for all.

    Raises:
        UserError: the format is unknown or cannot hold the image, or writing failed.
    """
    path = Path(path)
    files = {path: encode_image(path.name, image, record, georeference, metadata, valid)}
    if record is not None and path.suffix.lower() not in records.INSIDE:
        # The record takes its place first: an image that is there, and would be skipped by
        # another run, is never without it.
        files = {records.beside(path): records.to_json(record)} | files
    write_whole(files)
