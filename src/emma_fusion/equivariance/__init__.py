"""The prior: the group of transforms a scene may undergo, and the loss it gives."""

from emma_fusion.equivariance.loss import (
    EmmaTerms,
    direct_terms,
    emma_terms,
    fidelity,
    sobel,
)
from emma_fusion.equivariance.transforms import (
    Params,
    Reflection,
    Rotation,
    Shift,
    Transform,
    Zoom,
    take,
)

__all__ = [
    "EmmaTerms",
    "Params",
    "Reflection",
    "Rotation",
    "Shift",
    "Transform",
    "Zoom",
    "direct_terms",
    "emma_terms",
    "fidelity",
    "sobel",
    "take",
]
