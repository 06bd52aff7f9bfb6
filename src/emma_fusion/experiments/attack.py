"""How far EMMA's loss falls under changes that no eye sees, beside what a better image does.

A loss that is passed through A_i and A_v is of use as far as its gradient leads to better images.
An attack measures the rest: f is changed by at most e a pixel, by the steps of signed gradients
that make the loss smallest (A. Madry et al., Towards deep learning models resistant to adversarial
attacks, ICLR 2018). Where that lowers the loss more than an image that is better to the eye does,
training follows the attack.

    fall(e) = 1 - min over |u| ≤ e of L(f + u) / L(f),   L(f) = ℓ(A_i(f), i) + ℓ(A_v(f), v)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from emma_fusion import models
from emma_fusion.equivariance import fidelity
from emma_fusion.equivariance.loss import Network
from emma_fusion.errors import UserError
from emma_fusion.images.raster import read_pair
from emma_fusion.networks.weights import load_sensing
from emma_fusion.values.arrays import FloatArray

RADII = (2, 4, 8)
"""In 1/255."""
STEPS = 10


def sensing_loss(
    sense: tuple[Network, Network], fused: Tensor, infrared: Tensor, visible: Tensor
) -> Tensor:
    """L(f), EMMA's loss without equivariance, mean over a batch of ``(B, 1, H, W)``."""
    return fidelity(sense[0](fused), infrared) + fidelity(sense[1](fused), visible)


def attack(
    sense: tuple[Network, Network],
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    radius: float,
    steps: int = STEPS,
) -> Tensor:
    """The image within ``radius`` of the fused one, a pixel at a time, that the loss likes best.

    Args:
        sense: A_i and A_v, in eval mode; their weights get no gradients where they are frozen.
        fused: f, ``(B, 1, H, W)`` in [0, 1], H and W multiples of 16.
        infrared: i, the same shape.
        visible: v, the same shape.
        radius: In units of 1.
        steps: Gradient steps, together 2.5 radii long.

    Returns:
        The same shape, in [0, 1].
    """
    change = torch.zeros_like(fused)
    for _ in range(steps):
        moved = (fused + change).clamp(0, 1).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(sensing_loss(sense, moved, infrared, visible), moved)
        change = (change - 2.5 * radius / steps * gradient.sign()).clamp(-radius, radius)
    return (fused + change).clamp(0, 1).detach()


def falls(
    sense: tuple[Network, Network],
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    better: Tensor | None = None,
    radii: Sequence[float] = RADII,
) -> dict[str, float]:
    """How far the loss falls, as a share of what it is.

    Args:
        sense: As in `attack`, like the next three.
        fused: f.
        infrared: i.
        visible: v.
        better: An image of the same pair that an eye prefers to f.
        radii: In 1/255.

    Returns:
        Each radius, as in "2/255", and "better" if it is given → the share; negative where the
        loss is larger.
    """
    with torch.no_grad():
        before = sensing_loss(sense, fused, infrared, visible)
    images = {
        f"{radius:g}/255": attack(sense, fused, infrared, visible, radius / 255) for radius in radii
    }
    if better is not None:
        images["better"] = better
    with torch.no_grad():
        return {
            name: float(1 - sensing_loss(sense, image, infrared, visible) / before)
            for name, image in images.items()
        }


def attack_files(
    model: str | Path, images: Sequence[tuple[Path, Path, Path]], better: dict[str, Path]
) -> dict[str, float]:
    """`falls` of a model's sensing networks, the mean over image files.

    Images are cut at the right and below to multiples of 16.

    Args:
        model: See `emma_fusion.models.find`.
        images: Fused image, infrared and visible of each pair.
        better: Of a fused image's stem, the better image; for none or for all.

    Raises:
        UserError: A file or the model cannot be read, sizes differ, or a better image is missing.
    """
    infrared_net, visible_net = (
        load_sensing(models.find(model, name)).eval().requires_grad_(False)
        for name in (models.SENSING_INFRARED, models.SENSING_VISIBLE)
    )
    found = []
    for fused, infrared, visible in images:
        pair = read_pair(infrared, visible, colour="none")
        planes = [_plane(fused), pair.infrared, pair.visible]
        if better:
            if fused.stem not in better:
                raise UserError(f"There is no better image of {fused.name}.")
            planes.append(_plane(better[fused.stem]))
        if any(plane.shape != planes[0].shape for plane in planes):
            raise UserError(f"{fused.name}, its sources and its better image differ in size.")
        height, width = (size // 16 * 16 for size in planes[0].shape)
        if not height or not width:
            raise UserError(f"{fused.name} is smaller than 16 pixels.")
        f, i, v, *best = (
            torch.from_numpy(plane[:height, :width].copy())[None, None] for plane in planes
        )
        found.append(falls((infrared_net, visible_net), f, i, v, best[0] if best else None))
    return {name: fmean(one[name] for one in found) for name in found[0]}


def _plane(path: Path) -> FloatArray:
    """The luminance of an image file, ``(H, W)`` in [0, 1]."""
    return read_pair(path, path, colour="none").visible
