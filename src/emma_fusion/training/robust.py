"""Robust sensing: A_i and A_v learn from the worst images near each teacher's.

EMMA's loss reaches the U-Fuser through the gradient of the frozen A_i and A_v. Networks that are
trained plainly have gradients along directions that no eye sees (I. Goodfellow et al., Explaining
and harnessing adversarial examples, ICLR 2015), and a loss that is passed back through them hides
signals there (C. Chu et al., CycleGAN, a master of steganography, 2017; D. Bashkirova et al.,
Adversarial self-defense for cycle-consistent GANs, NeurIPS 2019). Networks that are trained
adversarially (A. Madry et al., Towards deep learning models resistant to adversarial attacks,
ICLR 2018) have gradients that mean something to an eye (S. Santurkar et al., Image synthesis with
a single (robust) classifier, NeurIPS 2019). The paper trains A_i and A_v plainly.

    x   = f + σ n + u,                   n ~ N(0, 1),  u ~ U(-e, e) for each pixel
    x'  = clip(x + 1.25 e/k · sign ∇_x (mse(A_i(x), i) + mse(A_v(x), v))),   k times

clipped to the box of ±e around f + σ n, with e drawn for each image up to ``radius`` / 255.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STRIDE = 1.25
"""All steps together, in radii: long enough to reach the box's side from most starts."""


def perturb(
    fused: Tensor,
    error: Callable[[Tensor], Tensor],
    radius: float,
    steps: int,
    generator: torch.Generator,
) -> Tensor:
    """The image near each fused one from which its sources are sensed worst.

    Args:
        fused: ``(B, 1, H, W)`` in about [0, 1].
        error: What is to be made large: from images of this shape to a scalar, the sum or the
            mean over the batch.
        radius: The largest change of a pixel, in units of 1; each image's is drawn up to it.
        steps: Gradient steps.
        generator: On the CPU.

    Returns:
        Images of the same shape, without gradients; ``fused`` itself where ``radius`` is 0.
    """
    if radius == 0:
        return fused
    box = torch.rand(len(fused), 1, 1, 1, generator=generator) * radius
    start = (2 * torch.rand(fused.shape, generator=generator) - 1) * box
    box, change = box.to(fused.device), start.to(fused.device)
    for _ in range(steps):
        moved = (fused + change).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(error(moved), moved)
        change = change + STRIDE / steps * box * gradient.sign()
        change = torch.maximum(torch.minimum(change, box), -box)
    return (fused + change).detach()
