"""The prior: the group of transforms a scene may undergo, and the loss it gives."""

from emma_fusion.equivariance.transforms import (
    Params,
    Reflection,
    Rotation,
    Shift,
    Transform,
)

__all__ = ["Params", "Reflection", "Rotation", "Shift", "Transform"]
