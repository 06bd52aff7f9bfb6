"""No speed is printed of what is wrong."""

import numpy as np
import pytest

import inference


@pytest.mark.parametrize(
    ("name", "apart", "right"),
    [
        ("engine fp32", 5e-5, True),
        ("engine fp32", 5e-4, False),
        ("engine bf16", 2 / 255, True),
        ("engine bf16", 4 / 255, False),
        ("engine bf16", float("nan"), False),
        ("openvino bf16", float("inf"), False),
        (inference.PLAIN, 0.1, True),
    ],
)
def test_wrong_values_end_the_benchmark(name, apart, right):
    differences = np.array([0.0, -apart])
    if right:
        inference.check(name, differences)
    else:
        with pytest.raises(SystemExit, match="its values are wrong"):
            inference.check(name, differences)
