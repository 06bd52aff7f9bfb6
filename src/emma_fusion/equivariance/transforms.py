"""The group of transforms T_g under which a scene stays a scene (EMMA, section 3.2).

A scene may shift, turn or mirror; a sensor and a fusion method should see it shifted, turned or
mirrored. With f = F(i, v) and f_t = T_g f, equivariance asks for F(A_i(f_t), A_v(f_t)) = f_t.

    shift       (T f)(r, c) = f((r - dr) mod H, (c - dc) mod W)
    rotation    (T f)(p) = f(R(-angle) (p - m) + m),  m the centre, bilinear between pixels
    reflection  (T f)(r, c) = f(H - 1 - r, c), f(r, W - 1 - c) or f(H - 1 - r, W - 1 - c)

What is random is drawn apart from what is done, so an image, its mask and its inverse can share
one draw:

    >>> generator = torch.Generator().manual_seed(0)
    >>> transform = Shift() * Rotation() | Reflection()
    >>> x = torch.rand(4, 1, 32, 32)
    >>> params = transform.draw(4, 32, 32, generator)
    >>> y, mask = transform.apply(x, params)
    >>> y.shape, mask.shape, mask.dtype
    (torch.Size([4, 1, 32, 32]), torch.Size([4, 1, 32, 32]), torch.bool)

``a * b`` does b, then a. ``a | b`` does one of them, drawn for each sample. ``a + b`` does both,
side by side: the batch comes out twice as long. ``t.copies(n)`` is t + t + ... + t.

Zhao, Bai, Zhang, Zhang, Zhang, Xu, Chen, Timofte, Van Gool, "Equivariant Multi-Modality Image
Fusion", CVPR 2024. Drawing apart from applying, and the three operators, are an idea of the
deepinv library (https://deepinv.github.io).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as nnf
from torch import Tensor

Params: TypeAlias = dict[str, Any]
"""Tensors on the CPU, one entry a sample along their first dimension, or dicts of such."""

# Pixels. A turn by 90 degrees lands on the image's edge but for rounding; it is still inside.
_ON_THE_EDGE = 1e-3


class Transform(ABC):
    """A random transform of images: parameters are drawn first, then applied."""

    factor: int = 1
    """How many images come out for each one that goes in."""

    @abstractmethod
    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Params:
        """Draw the parameters of one transform for each sample.

        Args:
            batch: number of samples B.
            height: H of the images, in pixels.
            width: W of the images, in pixels.
            generator: a generator on the CPU, so that no result depends on the device.
        """

    @abstractmethod
    def apply(self, x: Tensor, params: Params, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Transform a batch; deterministic, differentiable in ``x``.

        Args:
            x: images (B, C, H, W), any floating dtype, any device.
            params: what `draw` gave for B samples.
            mask: bool (B, 1, H, W), which pixels of ``x`` are valid; None says all.

        Returns:
            Images (factor * B, C, H, W) of the dtype of ``x``, and the bool mask
            (factor * B, 1, H, W) of those pixels that were made from valid pixels only. A loss
            with a stencil, such as a gradient, must shrink the mask by the stencil's radius.
        """

    @abstractmethod
    def inverse(
        self, x: Tensor, params: Params, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Undo `apply`; the same call, from (factor * B, C, H, W) to the same shape."""

    def copies(self, n: int) -> Transform:
        """The same transform n times, each with its own draw: the batch comes out n-fold."""
        return Sum((self,) * n)

    def __mul__(self, other: Transform) -> Transform:
        """First ``other``, then this one."""
        return Composition(self, other)

    def __or__(self, other: Transform) -> Transform:
        """One of the two for each sample; ``a | b | c`` gives each a third."""
        return Choice((*_parts(self, Choice), *_parts(other, Choice)))

    def __add__(self, other: Transform) -> Transform:
        """Both, one after the other along the batch."""
        return Sum((*_parts(self, Sum), *_parts(other, Sum)))


@dataclass(frozen=True)
class Shift(Transform):
    """Cyclic shift by whole pixels; what leaves on one side comes in on the other.

    Args:
        limit: the largest shift in pixels along each axis; None draws from the whole circle.
        moved: never by 0, and one draw for the whole batch, as in the paper's experiments.
    """

    limit: int | None = None
    moved: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 0:
            raise ValueError(f"the limit of a shift is {self.limit}; give 0 or more pixels")
        if self.moved and self.limit is not None:
            raise ValueError("a shift that always moves is drawn from the whole circle: no limit")

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Params:
        """Whole numbers ``rows`` and ``columns``, uniform."""
        if self.moved:
            return {
                name: torch.randint(1, size, (1,), generator=generator).expand(batch)
                for name, size in (("rows", height), ("columns", width))
            }
        return {
            name: torch.randint(
                0 if self.limit is None else -self.limit,
                size if self.limit is None else self.limit + 1,
                (batch,),
                generator=generator,
            )
            for name, size in (("rows", height), ("columns", width))
        }

    def apply(self, x: Tensor, params: Params, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Roll each sample; every pixel stays valid."""
        _check(x, params["rows"])
        shifts = list(zip(params["rows"].tolist(), params["columns"].tolist(), strict=True))
        return _roll(x, shifts), _all_valid(x) if mask is None else _roll(mask, shifts)

    def inverse(
        self, x: Tensor, params: Params, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Roll back, exactly."""
        return self.apply(x, {name: -shift for name, shift in params.items()}, mask)


@dataclass(frozen=True)
class Rotation(Transform):
    """Rotation about the centre, counter-clockwise, bilinear; the frame keeps its size.

    Args:
        limits: the angles, in degrees, between which a draw is uniform.
        angles: draw from these angles instead (the paper: 10, 130 and 250 degrees).
        padding: what fills the empty corners. They are outside the mask whatever fills them;
            a network that looks at the whole image sees them all the same.
    """

    limits: tuple[float, float] = (0.0, 360.0)
    angles: Sequence[float] | None = None
    padding: Literal["zeros", "border", "reflection"] = "zeros"

    def __post_init__(self) -> None:
        if self.angles is not None and len(self.angles) == 0:
            raise ValueError("a rotation was given an empty list of angles; name one at least")
        if self.limits[0] > self.limits[1]:
            raise ValueError(f"the limits of a rotation, {self.limits}, are in the wrong order")
        _check_padding(self.padding)

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Params:
        """Angles ``degrees``, (B,) float64."""
        if self.angles is not None:
            choice = torch.randint(len(self.angles), (batch,), generator=generator)
            return {"degrees": torch.tensor(self.angles, dtype=torch.float64)[choice]}
        return {"degrees": _uniform(self.limits, batch, generator)}

    def apply(self, x: Tensor, params: Params, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Turn each sample; valid where every pixel read lies in the image (and its mask)."""
        _check(x, params["degrees"])
        grid, inside = _rotation_grid(params["degrees"], x)
        return _resample(x, grid, inside, self.padding, mask)

    def inverse(
        self, x: Tensor, params: Params, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Turn back; what left the frame is lost, and resampling twice blurs a little."""
        return self.apply(x, {"degrees": -params["degrees"]}, mask)


@dataclass(frozen=True)
class Zoom(Transform):
    """Enlargement about the centre, bilinear; the frame keeps its size. The paper has none.

    Args:
        limits: the factors between which a draw is uniform; above 1 the image is enlarged.
        padding: what fills the frame around a shrunk image, which is outside the mask.
    """

    limits: tuple[float, float] = (0.8, 1.25)
    padding: Literal["zeros", "border", "reflection"] = "zeros"

    def __post_init__(self) -> None:
        if not 0 < self.limits[0] <= self.limits[1]:
            raise ValueError(f"the limits of a zoom, {self.limits}, are not above 0 and in order")
        _check_padding(self.padding)

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Params:
        """Factors ``factor``, (B,) float64."""
        return {"factor": _uniform(self.limits, batch, generator)}

    def apply(self, x: Tensor, params: Params, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Enlarge each sample; valid where every pixel read lies in the image (and its mask)."""
        _check(x, params["factor"])
        rows, columns = _from_centre(x)
        factor = params["factor"].to(rows)[:, None, None]
        across = (columns / factor).expand(-1, x.shape[-2], -1)
        down = (rows / factor).expand(-1, -1, x.shape[-1])
        grid, inside = _reading(across, down, x)
        return _resample(x, grid, inside, self.padding, mask)

    def inverse(
        self, x: Tensor, params: Params, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Shrink back; what left the frame is lost, and resampling twice blurs a little."""
        return self.apply(x, {"factor": 1 / params["factor"]}, mask)


@dataclass(frozen=True)
class Reflection(Transform):
    """Mirror left to right, top to bottom, or both.

    Args:
        kinds: from which a draw chooses: "horizontal" (left and right change places),
            "vertical" (top and bottom do), "both".
    """

    kinds: Sequence[Literal["horizontal", "vertical", "both"]] = ("horizontal", "vertical", "both")

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in ("horizontal", "vertical", "both")]
        if unknown or not self.kinds:
            raise ValueError(
                f"kinds of reflection are 'horizontal', 'vertical' and 'both', not {self.kinds!r}"
            )

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Params:
        """Bools ``horizontal`` and ``vertical``, (B,)."""
        choice = torch.randint(len(self.kinds), (batch,), generator=generator)
        return {
            axis: torch.tensor([kind in (axis, "both") for kind in self.kinds])[choice]
            for axis in ("horizontal", "vertical")
        }

    def apply(self, x: Tensor, params: Params, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Flip each sample; every pixel stays valid."""
        _check(x, params["horizontal"])
        return _flip(x, params), _all_valid(x) if mask is None else _flip(mask, params)

    def inverse(
        self, x: Tensor, params: Params, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A reflection undoes itself, exactly."""
        return self.apply(x, params, mask)


@dataclass(frozen=True)
class Composition(Transform):
    """``second * first``: the right one is done first, as functions compose."""

    second: Transform
    first: Transform

    @property
    def factor(self) -> int:  # type: ignore[override]
        """The product of both."""
        return self.first.factor * self.second.factor

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Params:
        """The parameters of both, the first one's drawn first."""
        return {
            "first": self.first.draw(batch, height, width, generator),
            "second": self.second.draw(batch * self.first.factor, height, width, generator),
        }

    def apply(self, x: Tensor, params: Params, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The first, then the second on its image and mask."""
        y, mask = self.first.apply(x, params["first"], mask)
        return self.second.apply(y, params["second"], mask)

    def inverse(
        self, x: Tensor, params: Params, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Undo the second, then the first."""
        if self.second.factor != 1:
            raise ValueError("a composition whose left part is a sum has no inverse")
        y, mask = self.second.inverse(x, params["second"], mask)
        return self.first.inverse(y, params["first"], mask)


@dataclass(frozen=True)
class Choice(Transform):
    """``a | b``: each sample draws one of the options, all equally likely."""

    options: tuple[Transform, ...]

    def __post_init__(self) -> None:
        if any(option.factor != 1 for option in self.options):
            raise ValueError("a choice between sums is not defined; add choices instead")

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Params:
        """Which option for each sample, and parameters of every option for every sample."""
        return {
            "option": torch.randint(len(self.options), (batch,), generator=generator),
            "params": [option.draw(batch, height, width, generator) for option in self.options],
        }

    def apply(self, x: Tensor, params: Params, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Each option on the samples that drew it."""
        return self._each("apply", x, params, mask)

    def inverse(
        self, x: Tensor, params: Params, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Each option's inverse on the samples that drew it."""
        return self._each("inverse", x, params, mask)

    def _each(
        self, call: str, x: Tensor, params: Params, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        _check(x, params["option"])
        places, images, masks = [], [], []
        for k, (option, of_option) in enumerate(zip(self.options, params["params"], strict=True)):
            here = (params["option"] == k).nonzero()[:, 0]
            if len(here) == 0:
                continue
            there = here.to(x.device)
            some = None if mask is None else mask[there]
            y, valid = getattr(option, call)(x[there], take(of_option, here), some)
            places.append(here)
            images.append(y)
            masks.append(valid)
        order = torch.cat(places).argsort().to(x.device)
        return torch.cat(images)[order], torch.cat(masks)[order]


@dataclass(frozen=True)
class Sum(Transform):
    """``a + b``: all of them; the outputs are concatenated along the batch, a's B first."""

    parts: tuple[Transform, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a sum of no transforms gives no images; add one at least")

    @property
    def factor(self) -> int:  # type: ignore[override]
        """The sum of all."""
        return sum(part.factor for part in self.parts)

    def draw(self, batch: int, height: int, width: int, generator: torch.Generator) -> Params:
        """The parameters of all, each with its own draw."""
        return {"params": [part.draw(batch, height, width, generator) for part in self.parts]}

    def apply(self, x: Tensor, params: Params, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All of them on the same images: (B, ...) to (factor * B, ...)."""
        done = [
            part.apply(x, of_part, mask)
            for part, of_part in zip(self.parts, params["params"], strict=True)
        ]
        return torch.cat([y for y, _ in done]), torch.cat([valid for _, valid in done])

    def inverse(
        self, x: Tensor, params: Params, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Each undoes its own stretch of the batch; (factor * B, ...) stays so long."""
        if len(x) % self.factor:
            raise ValueError(f"a batch of {len(x)} is no multiple of the sum's {self.factor}")
        sizes = [part.factor * (len(x) // self.factor) for part in self.parts]
        masks = [None] * len(sizes) if mask is None else torch.split(mask, sizes)
        done = [
            part.inverse(y, of_part, valid)
            for part, y, of_part, valid in zip(
                self.parts, torch.split(x, sizes), params["params"], masks, strict=True
            )
        ]
        return torch.cat([y for y, _ in done]), torch.cat([valid for _, valid in done])


def _parts(transform: Transform, kind: type[Choice] | type[Sum]) -> tuple[Transform, ...]:
    """What a choice or sum is made of, so that ``a | b | c`` is one choice of three."""
    if isinstance(transform, kind):
        return transform.options if isinstance(transform, Choice) else transform.parts
    return (transform,)


def take(params: Any, index: Tensor) -> Any:
    """The parameters of some of the samples."""
    if isinstance(params, Tensor):
        return params[index]
    if isinstance(params, list):
        return [take(value, index) for value in params]
    return {name: take(value, index) for name, value in params.items()}


def _check(x: Tensor, drawn: Tensor) -> None:
    if x.ndim != 4 or len(x) != len(drawn):
        raise ValueError(
            f"images of shape {tuple(x.shape)} do not fit parameters drawn for a batch of "
            f"{len(drawn)}; (B, C, H, W) is needed"
        )


def _all_valid(x: Tensor) -> Tensor:
    return torch.ones((len(x), 1, *x.shape[-2:]), dtype=torch.bool, device=x.device)


def _roll(x: Tensor, shifts: list[tuple[int, int]]) -> Tensor:
    rolled = [torch.roll(one, shift, (-2, -1)) for one, shift in zip(x, shifts, strict=True)]
    return torch.stack(rolled)


def _flip(x: Tensor, params: Params) -> Tensor:
    for axis, dim in (("horizontal", -1), ("vertical", -2)):
        x = torch.where(params[axis].to(x.device)[:, None, None, None], x.flip(dim), x)
    return x


def _uniform(limits: tuple[float, float], batch: int, generator: torch.Generator) -> Tensor:
    """Numbers between two limits, (B,) float64."""
    low, high = limits
    return low + (high - low) * torch.rand(batch, generator=generator, dtype=torch.float64)


def _rotation_grid(degrees: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Where each output pixel reads, (B, H, W, 2) for grid_sample, and which read inside."""
    # float64 and on the CPU first: the cosine of 90 degrees is then 0 on every device.
    angle = torch.deg2rad(degrees.double())[:, None, None]
    rows, columns = _from_centre(x)
    cos, sin = (part.to(rows) for part in (angle.cos(), angle.sin()))
    # Rows run downwards, hence the signs of a clockwise rotation for reading.
    across, down = cos * columns - sin * rows, sin * columns + cos * rows
    return _reading(across, down, x)


def _from_centre(x: Tensor) -> tuple[Tensor, Tensor]:
    """How far rows (H, 1) and columns (W,) are from the centre, in pixels."""
    height, width = x.shape[-2:]
    # Coordinates in 16 bits would be off by a pixel: half types are resampled in float32.
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    rows = torch.arange(height, device=x.device, dtype=dtype)[:, None] - (height - 1) / 2
    return rows, torch.arange(width, device=x.device, dtype=dtype) - (width - 1) / 2


def _reading(across: Tensor, down: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """From pixels off the centre, (B, H, W): the grid for grid_sample, and which read inside."""
    height, width = x.shape[-2:]
    inside = (across.abs() <= (width - 1) / 2 + _ON_THE_EDGE) & (
        down.abs() <= (height - 1) / 2 + _ON_THE_EDGE
    )
    return torch.stack((2 * across / width, 2 * down / height), -1), inside[:, None]


def _resample(
    x: Tensor, grid: Tensor, inside: Tensor, padding: str, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Read a batch at a grid; valid where what is read lies inside, and is valid by the mask."""
    dtype = grid.dtype
    # Reading the nearest edge pixel, never an invented zero, keeps what is inside exact.
    fill = "reflection" if padding == "reflection" else "border"
    y = nnf.grid_sample(x.to(dtype), grid, "bilinear", fill, align_corners=False)
    if padding == "zeros":
        y = y * inside
    if mask is not None:
        invalid = nnf.grid_sample((~mask).to(dtype), grid, "bilinear", "border", False)
        inside = inside & (invalid == 0)
    return y.to(x.dtype), inside


def _check_padding(padding: str) -> None:
    if padding not in ("zeros", "border", "reflection"):
        raise ValueError(f"{padding!r} is no padding; choose 'zeros', 'border' or 'reflection'")
