"""Every metric that an independent library has, against it; the others against plain formulas."""

import numpy as np
import pytest

from emma_fusion import metrics
from references import REFERENCES


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda r: f"{r.metric}, {r.by}")
def test_values_of_others_are_met(reference, large_scene):
    side = reference.side or 1000
    scene = [np.ascontiguousarray(x[:side, :side]) for x in large_scene]
    metric = metrics.METRICS[reference.metric]
    value = metric.function(*scene[: metric.sources + 1], **reference.settings)
    expected = reference.value(*(x.astype(np.float64) for x in scene))
    assert value == pytest.approx(expected, rel=reference.tolerance)


def test_every_metric_has_a_reference():
    """`Qcb` and `Qcv` are held against VIFB's values, `pattern` against examples."""
    compared = {reference.metric for reference in REFERENCES}
    assert set(metrics.METRICS) - compared == {"Qcb", "Qcv", "pattern"}


def test_mutual_information_in_bits(large_scene):
    nats = metrics.mutual_information(*large_scene)
    assert metrics.mutual_information(*large_scene, unit="bits") == pytest.approx(nats / np.log(2))
