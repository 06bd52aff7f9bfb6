"""The record of how a fused image was made, kept inside the file or in a file beside it.

PNG, JPEG and WebP carry it as XMP (ISO 16684-1), where it is the JSON text of one property. For
TIFF and BMP, into which OpenCV writes no XMP, it is a file beside the image: `NAME.EXT.json`.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from emma_fusion.errors import UserError
from emma_fusion.images.xmp import RECORD, wrap

INSIDE = (".png", ".jpg", ".jpeg", ".webp")
_DESCRIPTION = (
    f'<rdf:Description rdf:about="" xmlns:emma="{RECORD}"><emma:record>{{}}</emma:record>\n'
    "</rdf:Description>"
)
_RECORD = re.compile(rb"<emma:record>(.*?)</emma:record>", re.DOTALL)


def to_xmp(record: dict[str, Any] | None, kept: str = "") -> bytes:
    """The XMP packet that holds a record, and what is kept of the visible image's.

    Args:
        record: how an image was made, or None.
        kept: see `xmp.find_kept`.

    Returns:
        The packet; nothing where there is nothing to say.
    """
    if record is not None:
        kept = _DESCRIPTION.format(html.escape(_to_text(record), quote=False)) + kept
    return wrap(kept) if kept else b""


def to_json(record: dict[str, Any]) -> bytes:
    """The text of the file beside an image."""
    return (_to_text(record, indent=2) + "\n").encode()


def _to_text(record: dict[str, Any], indent: int | None = None) -> str:
    r"""The record as JSON; bytes of a file's name that are no UTF-8 become their \udcXX escapes."""
    text = json.dumps(record, ensure_ascii=False, indent=indent)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def beside(path: Path) -> Path:
    """Where the record of a TIFF or BMP is.

    >>> beside(Path("fused/001.tif")).name
    '001.tif.json'
    """
    return path.with_name(path.name + ".json")


def read_record(path: Path | str) -> dict[str, Any] | None:
    """Read the record of a fused image, or None where it has none."""
    path = Path(path)
    if path.suffix.lower() in INSIDE:
        found = _RECORD.search(path.read_bytes())
        text = html.unescape(found.group(1).decode()) if found else None
    else:
        text = beside(path).read_text("utf-8") if beside(path).is_file() else None
    record: dict[str, Any] | None = json.loads(text) if text else None
    return record


def check_beside(path: Path) -> None:
    """Check that the record of an image would take the place of nothing but another record.

    Raises:
        UserError: a file of another kind is where the record of a TIFF or BMP goes.
    """
    file = beside(path)
    if path.suffix.lower() in INSIDE or not file.exists():
        return
    try:
        held = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        held = None
    if not (isinstance(held, dict) and str(held.get("software")).startswith("emma-fusion")):
        raise UserError(
            f"{file} exists and is no record of a fused image: write to another file, or "
            "replace it with --overwrite."
        )
