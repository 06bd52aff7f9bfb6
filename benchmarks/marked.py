"""Parts of a Markdown page that commands make, each between `<!-- NAME -->` and `<!-- end -->`.

Several commands may write to one page: each replaces its own part and leaves the rest alone.
"""

import os
import re
from datetime import date
from pathlib import Path

END = "<!-- end -->"


def made_by(command: str) -> str:
    """The sentence that ends every measurement: its command and its date."""
    return f"Made by `{command}` on {date.today().isoformat()}."


def put(page: Path, name: str, block: str, title: str | None = None) -> None:
    """Write a part of a page, in the place of what was between its markers.

    Args:
        page: The file.
        name: Of the part, as its first marker has it.
        block: Markdown, without markers.
        title: Of the page, where a missing page may be made and a missing part added at its end.

    Raises:
        SystemExit: There is no place for the part, and no title was given.
        ValueError: The block holds the marker that would end it.
    """
    if END in block:
        raise ValueError(f"The part {name} of {page.name} holds {END}.")
    start = f"<!-- {name} -->"
    part = f"{start}\n{block.strip()}\n{END}"
    new = f"# {title}\n" if title else ""
    text = page.read_text(encoding="utf-8") if page.exists() else new
    place = re.compile(f"{re.escape(start)}\n.*?{re.escape(END)}", re.DOTALL)
    text, found = place.subn(lambda _: part, text)
    if not found:
        if title is None:
            raise SystemExit(f"{page} has no place for {name}: {start} ... {END}")
        text = f"{text.rstrip()}\n\n{part}\n"
    temporary = page.with_name(f".{page.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, page)


def get(page: Path, name: str) -> str:
    """A part of a page, without its markers.

    Raises:
        KeyError: The page has no such part.
    """
    found = re.search(
        rf"<!-- {re.escape(name)} -->\n(.*?)\n?{END}", page.read_text(encoding="utf-8"), re.DOTALL
    )
    if not found:
        raise KeyError(f"{page} has no part {name}")
    return found[1]
