"""The worked examples of the pages on metrics, and that they know every metric."""

import doctest
from pathlib import Path

import pytest

from emma_fusion import metrics

DOCS = Path(__file__).resolve().parents[2] / "docs"
METRICS, CONVENTIONS = DOCS / "metrics.md", DOCS / "conventions.md"


@pytest.mark.parametrize("page", [METRICS, CONVENTIONS], ids=lambda page: page.stem)
def test_the_example_gives_what_the_page_says(page):
    # A fence that ends a block would count as expected output.
    text = page.read_text(encoding="utf-8").replace("\n\n```\n", "\n\n")
    example = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    failed, tried = doctest.DocTestRunner().run(example)
    assert tried >= 8
    assert failed == 0


def test_every_metric_and_convention_is_on_the_page():
    text = METRICS.read_text(encoding="utf-8")
    for name, metric in metrics.METRICS.items():
        function = getattr(metric.function, "func", metric.function)
        assert f"`{function.__name__}`" in text, name
    text = CONVENTIONS.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in metrics.CONVENTIONS)
