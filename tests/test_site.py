"""The handbook's site: it builds without a warning, and fetches nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import emma_fusion

HERE = Path(__file__).resolve().parents[1]
# What a browser fetches by itself; an <a href> is only a link.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>"
    r"|(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_is_there(site):
    for page in (HERE / "docs").glob("*.md"):
        assert (site / page.with_suffix(".html").name).is_file()


def test_nothing_is_fetched_from_elsewhere(site):
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        found = FETCHED.search(path.read_text(encoding="utf-8"))
        assert not found, (path.relative_to(site), found[0])


def test_what_would_be_fetched_is_noticed():
    assert FETCHED.search('<link rel="stylesheet" href="https://example.org/font.css">')
    assert FETCHED.search('<script src="//example.org/a.js"></script>')
    assert FETCHED.search("src: url(https://example.org/a.woff2)")
    assert not FETCHED.search('<a href="https://example.org/">')


def test_docstrings_are_shown_with_their_examples_as_code(site):
    text = (site / "api.html").read_text(encoding="utf-8")
    assert "from_pretrained" in text
    assert "&gt;&gt;&gt; </span>" in text  # a prompt, highlighted
    for page in [site / "api.html", *site.glob("python-*.html")]:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<blockquote>\s*<blockquote>", text), page.name
        assert "doc-heading" in text, page.name


def test_every_page_says_the_version_and_its_images_enlarge(site):
    text = (site / "index.html").read_text(encoding="utf-8")
    assert f"emma-fusion {emma_fusion.__version__}" in text
    assert re.search(r'<a href="(images/[^"]+)"><img [^>]*src="\1"', text)


def test_the_reports_are_in_it(site):
    for report in (HERE / "reports").glob("*.md"):
        name = "index" if report.stem == "README" else report.stem
        assert (site / "project" / "reports" / f"{name}.html").is_file(), name


def test_the_files_that_pages_link_to_are_in_it(site):
    training = (site / "training.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(project/[^"]+)"', training)
    assert links
    assert all((site / link.split("#")[0]).is_file() for link in links)


def test_long_code_may_be_broken_and_sentences_in_tables_are_not_squeezed(site):
    """By the classes that docs/style.css gives a width."""
    text = (site / "formats.html").read_text(encoding="utf-8")
    assert re.search(r'<td class="text">grey, RGB and CMYK of 8 bit', text)
    assert "<td>nothing</td>" in text
    text = (site / "project" / "reports" / "video.html").read_text(encoding="utf-8")
    assert re.search(r'<code class="long">python benchmarks/steadiness\.py [^<]{30}', text)
    assert "<code>fast</code>" in text
    style = (site / "style.css").read_text(encoding="utf-8")
    assert "td.text" in style
    assert ":not(.long)" in style


def test_a_reader_sees_why_code_is_not_run(site):
    """As many times as the pages say it; each stands before its block."""
    for page in (HERE / "docs").glob("*.md"):
        said = re.findall(r"^<!-- not run: (.+?) -->$", page.read_text("utf-8"), re.MULTILINE)
        text = (site / page.with_suffix(".html").name).read_text(encoding="utf-8")
        assert text.count("<small>Not run by the tests: ") == len(said), page.name
    install = (site / "install.html").read_text(encoding="utf-8")
    assert re.search(r"Not run by the tests: it is the shell's own\.</small></p>\s*<div", install)
