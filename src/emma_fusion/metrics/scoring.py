"""Many metrics of one fused picture, under one convention."""

from collections.abc import Iterable
from typing import Any, overload

import torch
from numpy.typing import NDArray
from torch import Tensor

from emma_fusion.errors import UserError
from emma_fusion.metrics.conventions import find_convention
from emma_fusion.metrics.levels import Levels, as_levels, to_float64

Image = NDArray[Any] | Tensor


def score(
    fused: Image,
    infrared: Image,
    visible: Image,
    convention: str = "ours",
    metrics: Iterable[str] | None = None,
) -> dict[str, float]:
    """Score a fused picture against its two sources.

    Args:
        fused: (H, W) or (H, W, 3) RGB, array or tensor; uint8, uint16, or floats in [0, 1].
        infrared: As `fused`, of the same height and width.
        visible: As `fused`, of the same height and width.
        convention: A key of `CONVENTIONS`.
        metrics: Names of metrics that the convention has; its default ones where None.

    Returns:
        Name of the metric -> value, in the order asked for.

    Raises:
        UserError: An unknown name, sizes that differ, a picture that cannot be scored or is too
            small for a metric.

    >>> import numpy as np
    >>> picture = np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16
    >>> values = score(picture, picture, picture, metrics=["SCD", "VIF", "SSIM"])
    >>> {name: round(value, 6) for name, value in values.items()}
    {'SCD': 0.0, 'VIF': 2.0, 'SSIM': 2.0}
    """
    chosen = find_convention(convention)
    names = chosen.default if metrics is None else tuple(metrics)
    for name in names:
        if name not in chosen.metrics:
            raise UserError(
                f"The convention {convention!r} has no metric {name!r}; "
                f"it has {', '.join(chosen.metrics)}."
            )
    pictures = {"fused": fused, "infrared": infrared, "visible": visible}
    if chosen.colour == "channels" and fused.ndim == 3:
        planes = [_channels(picture, which) for which, picture in pictures.items()]
    else:
        planes = [
            as_levels(luminance(picture, which), f"{which} picture")
            for which, picture in pictures.items()
        ]
    # Of channels there are as many values, of which the mean is taken.
    values = {name: chosen.metrics[name](*planes) for name in names}
    return {name: v if isinstance(v, float) else float(v.mean()) for name, v in values.items()}


def _channels(picture: Image, which: str) -> Levels:
    """Return the (3, H, W) channels of a picture; a grey one has three equal ones."""
    if picture.ndim == 2:
        levels = as_levels(picture, f"{which} picture").planes
        return Levels(levels.expand(3, *levels.shape))
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise UserError(_shape_sentence(picture, which))
    return Levels(as_levels(picture, f"{which} picture").planes.movedim(-1, 0).contiguous())


def _shape_sentence(picture: Image, which: str) -> str:
    return f"The {which} picture must be (H, W) or (H, W, 3), not {tuple(picture.shape)}."


@overload
def luminance(picture: NDArray[Any], which: str = ...) -> NDArray[Any]: ...
@overload
def luminance(picture: Tensor, which: str = ...) -> Tensor: ...
def luminance(picture: Image, which: str = "picture") -> Image:
    """Return the BT.601 luminance of a picture, in its own dtype: whole levels stay whole.

    Args:
        picture: (H, W), which is returned as it is, or (H, W, 3) RGB.
        which: What the error message calls it.

    Returns:
        (H, W).

    Raises:
        UserError: The picture has another shape.

    >>> import numpy as np
    >>> luminance(np.array([[[0, 255, 0]]], np.uint8))
    array([[150]], dtype=uint8)
    """
    if picture.ndim == 2:
        return picture
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise UserError(_shape_sentence(picture, which))
    planes = torch.as_tensor(picture)
    red, green, blue = to_float64(planes).unbind(-1)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    grey = (grey if planes.is_floating_point() else grey.round()).to(planes.device, planes.dtype)
    return grey if isinstance(picture, Tensor) else grey.numpy()
