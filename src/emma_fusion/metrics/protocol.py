"""What is done to a fused image before it is scored."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emma_fusion.errors import UserError

Protocol = Literal["direct", "paper"]
PROTOCOLS: tuple[Protocol, ...] = ("direct", "paper")


def prepare(fused: NDArray[Any], protocol: str) -> NDArray[Any]:
    """Bring the luminance of a fused image into the form that a protocol scores.

    "direct" scores it as it is. "paper" (EMMA, CVPR 2024, and its authors' other methods)
    stretches it to its own minimum and maximum and rounds it to 8 bit first, which
    raises EN, SD, SF and AG; a constant image has nothing to stretch and is only rounded.

    Args:
        fused: (H, W), uint8, uint16, or floats in [0, 1].
        protocol: "direct" or "paper".

    Returns:
        (H, W), of the same dtype for "direct" and uint8 for "paper".

    Raises:
        UserError: The protocol is unknown.

    >>> prepare(np.array([[10, 20, 30]], np.uint8), "paper")
    array([[  0, 128, 255]], dtype=uint8)
    """
    if protocol not in PROTOCOLS:
        raise UserError(
            f"There is no protocol named {protocol!r}; choose one of {', '.join(PROTOCOLS)}."
        )
    if protocol == "direct":
        return fused
    plane = fused.astype(np.float64)
    low, high = plane.min(), plane.max()
    if low < high:
        plane = (plane - low) / (high - low)
    elif fused.dtype.kind == "u":
        plane = plane / np.iinfo(fused.dtype).max
    return np.rint(plane * 255).astype(np.uint8)
