"""Names from outside: what may be shown of them, and what may be written into a zip."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

_LONGEST = 100
# Windows gives these to devices, with any suffix.
_PORTS = {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
_DEVICES = {"con", "prn", "aux", "nul"} | _PORTS


def shown_name(name: str) -> str:
    r"""The last part of a name, without control characters, to be shown and never opened.

    >>> shown_name("C:\\Users\\a\0b\u202e.png"), shown_name("")
    ('ab.png', 'unnamed')
    """
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    if len(kept) > _LONGEST:
        kept = f"{kept[: _LONGEST - 20]}…{kept[-19:]}"
    return kept or "unnamed"


def stem(name: str) -> str:
    """A name's last part without its suffix.

    >>> stem("a/b.c.png"), stem(".png")
    ('b.c', '.png')
    """
    last = re.split(r"[/\\]", name)[-1]
    head, dot, _ = last.rpartition(".")
    return head if dot and head else last


def safe_stem(name: str, taken: Collection[str] = ()) -> str:
    """A stem that every file system takes, of letters, digits and `_ . - ( )`.

    Args:
        name: Anything.
        taken: Stems that are used already, in small letters; a number tells the next one apart.

    >>> safe_stem("../../etc/pass wd"), safe_stem("CON"), safe_stem("straße 1"), safe_stem("..")
    ('pass_wd', '_CON', 'straße_1', 'image')
    >>> safe_stem("A", {"a", "a_2"})
    'A_3'
    """
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    safe = re.sub(r"[^\w.()-]+", "_", name).strip("._ ")[:_LONGEST].rstrip(".") or "image"
    if safe.split(".")[0].lower() in _DEVICES:
        safe = f"_{safe}"
    number, unique = 2, safe
    while unique.lower() in taken:
        number, unique = number + 1, f"{safe}_{number}"
    return unique
