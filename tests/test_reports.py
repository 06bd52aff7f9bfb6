"""Every report names the command that made it and its date, and the list of reports has it."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1]
REPORTS = sorted(p for p in (HERE / "reports").glob("*.md") if p.name != "README.md")


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.stem)
def test_a_report_says_how_and_when_it_was_made(report):
    text = report.read_text(encoding="utf-8")
    scripts = re.findall(r"benchmarks/\w+\.py", text)
    assert scripts, "no command of benchmarks/"
    assert all((HERE / script).is_file() for script in scripts), scripts
    assert re.search(r"\b20\d\d-\d\d-\d\d\b|\b\d\d? [A-Z][a-z]+ 20\d\d\b", text), "no date"


def test_the_list_has_every_report():
    text = (HERE / "reports" / "README.md").read_text(encoding="utf-8")
    assert all(f"]({report.name})" in text for report in REPORTS)
    assert set(re.findall(r"\]\((\w+\.md)\)", text)) == {report.name for report in REPORTS}
