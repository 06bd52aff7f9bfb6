"""The worked example of docs/metrics.md, and that the page knows every metric."""

import doctest
from pathlib import Path

from emma_fusion import metrics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def test_the_example_gives_what_the_page_says():
    # A fence that ends a block would count as expected output.
    text = PAGE.read_text(encoding="utf-8").replace("\n\n```\n", "\n\n")
    example = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    failed, tried = doctest.DocTestRunner().run(example)
    assert tried > 8
    assert failed == 0


def test_every_metric_and_convention_is_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    for name, metric in metrics.METRICS.items():
        function = getattr(metric.function, "func", metric.function)
        assert f"`{function.__name__}`" in text, name
    assert all(f"`{name}`" in text for name in metrics.CONVENTIONS)
