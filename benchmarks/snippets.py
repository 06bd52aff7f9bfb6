"""What the pages of the handbook show as code, and how it differs from what may simply be run.

Every block fenced as `sh` or `python` is run by tests/test_handbook.py, page by page and from top
to bottom, unless a comment on the line before it says otherwise:

    <!-- not run: trains for hours -->      commands are only parsed, Python is only compiled
    <!-- refused: align them first -->      each ends as a user's mistake, with these words
"""

from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
README = HERE / "README.md"
PAGES = [
    README,
    *sorted((HERE / "docs").glob("*.md")),
    *sorted((HERE / "reports").glob("*.md")),
    *sorted(HERE.glob("src/**/README.md")),
]

_BLOCK = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<marker>not run|refused): (?P<words>.+?) -->\n(?P=indent))?"
    r"```(?P<language>sh|python)\b.*\n(?P<code>(?:.*\n)*?)(?P=indent)```$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        place: page and line, for messages.
        language: "sh" or "python".
        code: the text, without its indentation.
        marker: "" (it is run), "not run" or "refused".
        words: why it is not run, or what it is refused with.
    """

    place: str
    language: str
    code: str
    marker: str
    words: str

    @property
    def commands(self) -> list[list[str]]:
        """The command lines, as lists of words: continued lines as one, without settings."""
        lines = self.code.replace("\\\n", " ").splitlines() if self.language == "sh" else []
        found = (shlex.split(line, comments=True) for line in lines)
        plain = ([word for word in words if not re.match(r"[A-Z_]+=", word)] for words in found)
        return [words for words in plain if words]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            f"{page.relative_to(HERE)}, line {text[: found.start('language')].count(chr(10)) + 1}",
            found["language"],
            textwrap.dedent(found["code"]),
            found["marker"] or "",
            found["words"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]
