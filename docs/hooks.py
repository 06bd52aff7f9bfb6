"""For mkdocs: the version, images that enlarge, what no test runs, and files from outside docs/.

What pages link to outside docs/ becomes part of the site, under project/.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = "project"  # where the files of the project lie that are not in docs/
_VERSION = re.compile(r'^__version__ = "(.+)"', re.MULTILINE)
_IMAGE = re.compile(r'<img\b[^>]*\bsrc="([^"]+)"[^>]*>')
_LONG_CODE = re.compile(r"<code>(?=[^<]{60})")  # may be wider than the page
_CELL = re.compile(r"<td>(.*?)</td>", re.DOTALL)
# Before a block of code that no test runs, a comment says why.
_NOT_RUN = re.compile(r"^<!-- not run: (.+?) -->$", re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)#\s]+)")


def _in_project(uri: str) -> str:
    """A page of the site as a path from the project's root."""
    inside = uri.removeprefix(f"{OUTSIDE}/")
    return inside if inside != uri else f"docs/{uri}"


def _in_site(path: str) -> str:
    """The other way round."""
    inside = path.removeprefix("docs/")
    return inside if inside != path else f"{OUTSIDE}/{path}"


def _targets(path: str) -> list[str]:
    """What a Markdown file links to, as paths from the project's root."""
    text = (ROOT / path).read_text(encoding="utf-8") if path.endswith(".md") else ""
    here = posixpath.dirname(path)
    return [posixpath.normpath(posixpath.join(here, link)) for link in _LINK.findall(text)]


def on_config(config: Any) -> Any:
    """Say the version at the foot of every page."""
    source = (ROOT / "src" / "emma_fusion" / "__init__.py").read_text(encoding="utf-8")
    version = _VERSION.search(source)
    config.copyright = f"emma-fusion {version[1] if version else ''}"
    return config


def _text_cell(cell: re.Match[str]) -> str:
    """A cell of a table; one that holds a sentence is marked, so that it is not squeezed."""
    words = re.sub(r"<[^>]+>", "", cell[1])
    return f'<td class="text">{cell[1]}</td>' if len(words) > 40 else cell[0]


def on_page_content(html: str, **_: Any) -> str:
    """Let an image be opened by itself, in its full size; mark long code and cells."""
    html = _CELL.sub(_text_cell, html)
    html = _LONG_CODE.sub('<code class="long">', html)
    return _IMAGE.sub(lambda image: f'<a href="{image[1]}">{image[0]}</a>', html)


def on_files(files: Files, config: Any) -> Files:
    """Add the files outside docs/ that pages link to, and those that these link to."""
    todo = [_in_project(file.src_uri) for file in files.documentation_pages()]
    while todo:
        for path in _targets(todo.pop()):
            uri = _in_site(path)
            if path.startswith("docs/") or files.get_file_from_path(uri) is not None:
                continue
            if (ROOT / path).is_file():
                source = str(ROOT / path)
                outside = InclusionLevel.NOT_IN_NAV
                files.append(File.generated(config, uri, abs_src_path=source, inclusion=outside))
                todo.append(path)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let the links lead to where the files are in the site; show why code is not run by a test."""
    markdown = _NOT_RUN.sub(r"<small>Not run by the tests: \1.</small>\n", markdown)
    uri = page.file.src_uri
    here, below = posixpath.dirname(_in_project(uri)), posixpath.dirname(uri)

    def moved(link: re.Match[str]) -> str:
        target = _in_site(posixpath.normpath(posixpath.join(here, link[0])))
        return posixpath.relpath(target, below or ".")

    return _LINK.sub(moved, markdown)
