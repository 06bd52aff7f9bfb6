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

import torch
from torch import Tensor

from emma_fusion.equivariance import fidelity
from emma_fusion.equivariance.loss import Network

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
