"""Shares of what judges chose."""

import pytest

from ranked_blind import shares


def test_a_tie_counts_half_and_the_rest_by_order():
    found = shares(["a > b = c", "b > a > c", "c = a > b"])
    assert found["a", "b"] == pytest.approx(2 / 3)
    assert found["b", "c"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["a", "c"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert all(found[a, b] + found[b, a] == pytest.approx(1) for a, b in found)
