"""Images of any kind as planes of grey levels on 0..255: where every metric begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emma_fusion.errors import UserError

P = ParamSpec("P")

#: Floats this close to a whole level are that level: x / 255 * 255 is then x again.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Levels:
    """An image that is already on 0..255; metrics take it without converting it again.

    Attributes:
        planes: (..., H, W) float64 on 0..255.
    """

    planes: Tensor


Image = NDArray[Any] | Tensor | Levels


def as_levels(image: Image, which: str = "image") -> Levels:
    """Bring an image to float64 levels on 0..255, on the device where it is.

    Args:
        image: (..., H, W), array or tensor; uint8 on 0..255, uint16 on 0..65535 or
            floating in [0, 1].
        which: What the error message calls it.

    Returns:
        The image's levels.

    Raises:
        UserError: The image has another type, no pixels, fewer than two dimensions, values
            that are not finite or floats outside [0, 1].

    >>> as_levels(np.array([[0, 255]], np.uint8)).planes
    tensor([[  0., 255.]], dtype=torch.float64)
    >>> as_levels(np.array([[0.0, 0.2]], np.float32)).planes
    tensor([[ 0., 51.]], dtype=torch.float64)
    """
    if isinstance(image, Levels):
        return image
    if isinstance(image, np.ndarray) and image.dtype in _ARRAY_TYPES:
        image = torch.from_numpy(np.ascontiguousarray(image))
    if not isinstance(image, Tensor) or image.dtype not in _TENSOR_TYPES:
        kind = getattr(image, "dtype", type(image).__name__)
        raise UserError(
            f"A {which} to score must be uint8, uint16 or floating in [0, 1], not {kind}."
        )
    if image.ndim < 2 or image.numel() == 0:
        raise UserError(
            f"A {which} to score must be (H, W) or (..., H, W) with pixels in it, "
            f"not {tuple(image.shape)}."
        )
    planes = to_float64(image)
    if image.dtype == torch.uint16:
        planes = planes / 257
    elif image.is_floating_point():
        low, high = torch.aminmax(planes)
        if not (torch.isfinite(low) and torch.isfinite(high)):
            raise UserError(f"The {which} holds values that are not finite; it cannot be scored.")
        if low < -1e-6 or high > 1 + 1e-6:
            raise UserError(
                f"A floating {which} must lie in [0, 1], but this one spans "
                f"{low.item():.4g} to {high.item():.4g}; divide it by its range, "
                "or give 8-bit levels as uint8."
            )
        planes = (planes * 255).clamp(0, 255)
        whole = planes.round()
        planes = torch.where((planes - whole).abs() < ROUNDING, whole, planes)
    return Levels(planes)


_ARRAY_TYPES = (np.uint8, np.uint16, np.float16, np.float32, np.float64)
_TENSOR_TYPES = (
    torch.uint8,
    torch.uint16,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
)


class TooSmallError(UserError):
    """An image has too few pixels for a metric.

    Attributes:
        smallest: Pixels that either side must have.
    """

    def __init__(self, name: str, smallest: int, shape: Sequence[int]) -> None:
        super().__init__(
            f"The metric {name} needs images of at least {smallest}x{smallest} pixels, "
            f"not {shape[-2]}x{shape[-1]}."
        )
        self.smallest = smallest


def of_one_image(
    smallest: int = 1,
) -> Callable[[Callable[Concatenate[Tensor, P], Tensor]], Callable[..., Any]]:
    """Make a metric of a function of the levels of one (H, W) plane.

    The metric takes whatever `as_levels` takes: of (H, W) it gives a float, of (..., H, W)
    an array or tensor (...) of values, as the image is one or the other.

    Args:
        smallest: Pixels that either side must have.
    """

    def decorate(
        core: Callable[Concatenate[Tensor, P], Tensor],
    ) -> Callable[..., Any]:
        @wraps(core)
        def metric(fused: Image, *args: P.args, **kwargs: P.kwargs) -> Any:
            return _over_batch(
                lambda plane: core(plane, *args, **kwargs), core.__name__, smallest, fused=fused
            )

        return metric

    return decorate


def of_three_images(
    smallest: int = 1,
) -> Callable[
    [Callable[Concatenate[Tensor, Tensor, Tensor, P], Tensor]],
    Callable[..., Any],
]:
    """Make a metric of a function of the levels of a fused plane and its two sources.

    As `of_one_image`; all three must have one shape.

    Args:
        smallest: Pixels that either side must have.
    """

    def decorate(
        core: Callable[Concatenate[Tensor, Tensor, Tensor, P], Tensor],
    ) -> Callable[..., Any]:
        @wraps(core)
        def metric(
            fused: Image, infrared: Image, visible: Image, *args: P.args, **kwargs: P.kwargs
        ) -> Any:
            return _over_batch(
                lambda f, a, b: core(f, a, b, *args, **kwargs),
                core.__name__,
                smallest,
                fused=fused,
                infrared=infrared,
                visible=visible,
            )

        return metric

    return decorate


def _over_batch(
    core: Callable[..., Tensor], name: str, smallest: int, **images: Image
) -> float | NDArray[np.float64] | Tensor:
    planes = [as_levels(p, f"{which} image").planes for which, p in images.items()]
    shape = planes[0].shape
    if any(p.shape != shape for p in planes):
        sizes = ", ".join(
            f"{which} is {tuple(p.shape)}" for which, p in zip(images, planes, strict=True)
        )
        raise UserError(f"Images that are scored together must have one size: {sizes}.")
    if min(shape[-2:]) < smallest:
        raise TooSmallError(name, smallest, shape)
    if len(shape) == 2:
        return float(core(*planes))
    rows = zip(*(p.reshape(-1, *shape[-2:]) for p in planes), strict=True)
    values = torch.stack([core(*row) for row in rows]).reshape(shape[:-2])
    return values.numpy() if isinstance(images["fused"], np.ndarray) else values


def to_float64(x: Tensor) -> Tensor:
    """A tensor in float64, on the CPU where its device has none, as Apple's GPUs (MPS) have not.

    >>> to_float64(torch.tensor([1, 2], dtype=torch.uint8))
    tensor([1., 2.], dtype=torch.float64)
    """
    return (x.cpu() if x.device.type == "mps" else x).to(torch.float64)
