"""Many metrics of one fused image, under one convention."""

from collections.abc import Iterable
from typing import Any, overload

import torch
from numpy.typing import NDArray
from torch import Tensor

from emma_fusion.errors import UserError
from emma_fusion.metrics.conventions import find_convention
from emma_fusion.metrics.levels import Levels, TooSmallError, as_levels, to_float64

Image = NDArray[Any] | Tensor


def score(
    fused: Image,
    infrared: Image,
    visible: Image,
    convention: str = "ours",
    metrics: Iterable[str] | None = None,
) -> dict[str, float]:
    """Score a fused image against its two sources.

    Args:
        fused: (H, W) or (H, W, 3) RGB, array or tensor; uint8, uint16, or floats in [0, 1].
        infrared: As `fused`, of the same height and width.
        visible: As `fused`, of the same height and width.
        convention: A key of `CONVENTIONS`.
        metrics: Names of metrics that the convention has; its default ones where None.

    Returns:
        Name of the metric -> value, in the order asked for.

    Raises:
        UserError: An unknown name, sizes that differ, an image that cannot be scored or is too
            small for a metric.

    >>> import numpy as np
    >>> image = np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16
    >>> values = score(image, image, image, metrics=["SCD", "VIF", "SSIM"])
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
    # A score is a number: nothing of it goes back into a network that made the image.
    images = {
        which: image.detach() if isinstance(image, Tensor) else image
        for which, image in {"fused": fused, "infrared": infrared, "visible": visible}.items()
    }
    if chosen.colour == "channels" and fused.ndim == 3:
        planes = [_channels(image, which) for which, image in images.items()]
    else:
        planes = [
            as_levels(luminance(image, which), f"{which} image") for which, image in images.items()
        ]
    # Of channels there are as many values, of which the mean is taken.
    values: dict[str, Any] = {}
    too_small: dict[str, int] = {}
    for name in names:
        try:
            values[name] = chosen.metrics[name](*planes)
        except TooSmallError as error:
            too_small[name] = error.smallest
    if too_small:
        needs = ", ".join(f"{name} ({least}x{least})" for name, least in too_small.items())
        rest = f" Score the others: --metrics {','.join(values)}." if values else ""
        raise UserError(
            f"The images have {fused.shape[0]}x{fused.shape[1]} pixels, too few for {needs}.{rest}"
        )
    return {name: v if isinstance(v, float) else float(v.mean()) for name, v in values.items()}


def _channels(image: Image, which: str) -> Levels:
    """Return the (3, H, W) channels of an image; a grey one has three equal ones."""
    if image.ndim == 2:
        levels = as_levels(image, f"{which} image").planes
        return Levels(levels.expand(3, *levels.shape))
    if image.ndim != 3 or image.shape[2] != 3:
        raise UserError(_shape_sentence(image, which))
    return Levels(as_levels(image, f"{which} image").planes.movedim(-1, 0).contiguous())


def _shape_sentence(image: Image, which: str) -> str:
    return f"The {which} image must be (H, W) or (H, W, 3), not {tuple(image.shape)}."


@overload
def luminance(image: NDArray[Any], which: str = ...) -> NDArray[Any]: ...
@overload
def luminance(image: Tensor, which: str = ...) -> Tensor: ...
def luminance(image: Image, which: str = "image") -> Image:
    """Return the BT.601 luminance of an image, in its own dtype: whole levels stay whole.

    Args:
        image: (H, W), which is returned as it is, or (H, W, 3) RGB.
        which: What the error message calls it.

    Returns:
        (H, W).

    Raises:
        UserError: The image has another shape.

    >>> import numpy as np
    >>> luminance(np.array([[[0, 255, 0]]], np.uint8))
    array([[150]], dtype=uint8)
    """
    if image.ndim == 2:
        return image
    if image.ndim != 3 or image.shape[2] != 3:
        raise UserError(_shape_sentence(image, which))
    planes = torch.as_tensor(image)
    red, green, blue = to_float64(planes).unbind(-1)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    grey = (grey if planes.is_floating_point() else grey.round()).to(planes.device, planes.dtype)
    return grey if isinstance(image, Tensor) else grey.numpy()
