"""EMMA's loss (CVPR 2024, section 3.3): sensing both pictures back, and equivariance.

    L = ℓ(A_i(f), i) + ℓ(A_v(f), v) + α · ℓ(T_g f, F(A_i(T_g f), A_v(T_g f))),   f = F(i, v)
    ℓ(x, y) = mean |x - y| + mean |∇x - ∇y|,   ∇ the Sobel gradient, both directions

F is the U-Fuser, A_i and A_v the frozen sensing networks, T_g a transform of the group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from emma_fusion.equivariance.transforms import Params, Transform

Network = Callable[..., Tensor]


class EmmaTerms(NamedTuple):
    """The three terms of the loss apart, each a scalar tensor, and what they were made from."""

    infrared: Tensor
    visible: Tensor
    equivariance: Tensor
    fused: Tensor
    """f, ``(B, 1, H, W)``."""

    def total(self, alpha: float) -> Tensor:
        """L for the weight ``alpha`` of the equivariance term."""
        return self.infrared + self.visible + alpha * self.equivariance


def sobel(x: Tensor) -> Tensor:
    """Sobel gradients, border reflected: ``(B, 1, H, W)`` → ``(B, 2, H, W)``, x then y.

    >>> import torch
    >>> ramp = torch.arange(5.0).expand(1, 1, 5, 5)
    >>> sobel(ramp)[0, :, 2, 2]
    tensor([8., 0.])
    """
    x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    kernel_x = x.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = kernel_x.new_empty(2, 1, 3, 3)
    kernels[0, 0], kernels[1, 0] = kernel_x, kernel_x.T
    # Autocast would round small gradients to eight bits.
    with torch.autocast(x.device.type, enabled=False):
        return functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="reflect"), kernels)


def fidelity(x: Tensor, y: Tensor, mask: Tensor | None = None) -> Tensor:
    """ℓ(x, y), each sample's mean over its valid pixels, then the mean over samples.

    Averaging sample by sample makes the loss of a batch the mean of the losses of its parts, so
    that several processes that share a batch sum up to the gradient of one.

    Args:
        x: ``(B, 1, H, W)``.
        y: The same shape.
        mask: bool ``(B, 1, H, W)``, the valid pixels; gradients count where all nine pixels of
            their stencil are valid. None: all are.

    Returns:
        A scalar, 0 where nothing is valid.
    """
    difference = x - y
    # The Sobel filter is linear: one pass over the difference instead of one over each.
    gradients = sobel(difference).abs().sum(1, keepdim=True) / 2
    if mask is None:
        return difference.abs().mean() + gradients.mean()
    inner = functional.max_pool2d((~mask).to(x.dtype), 3, stride=1, padding=1) == 0
    return _masked_mean(difference.abs(), mask) + _masked_mean(gradients, inner)


def _masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    weights = mask.to(x.dtype)
    each = (x * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3)).clamp_min(1)
    return each.mean()


def emma_terms(
    fuser: Network,
    sense_infrared: Network,
    sense_visible: Network,
    infrared: Tensor,
    visible: Tensor,
    transform: Transform | None,
    params: Params,
) -> EmmaTerms:
    """Runs the loop fuse → sense → transform → sense → fuse once, and measures its three errors.

    Args:
        fuser: F, ``(B, 1, H, W)`` twice → ``(B, 1, H, W)``.
        sense_infrared: A_i, ``(B, 1, H, W)`` → ``(B, 1, H, W)``; frozen by the caller.
        sense_visible: A_v, likewise.
        infrared: i, ``(B, 1, H, W)`` in [0, 1].
        visible: v, the same shape.
        transform: T_g; None leaves the equivariance term out, as 0.
        params: What ``transform.draw`` gave for B samples.

    Returns:
        The terms, the equivariance term over valid pixels only.
    """
    fused = fuser(infrared, visible)
    if transform is None:
        sensed_i, sensed_v = sense_infrared(fused), sense_visible(fused)
        equivariance = fused.new_zeros(())
    else:
        batch = len(fused)
        turned, mask = transform.apply(fused, params)
        both = torch.cat((fused, turned))
        all_i, all_v = sense_infrared(both), sense_visible(both)
        sensed_i, sensed_v = all_i[:batch], all_v[:batch]
        equivariance = fidelity(turned, fuser(all_i[batch:], all_v[batch:]), mask)
    return EmmaTerms(fidelity(sensed_i, infrared), fidelity(sensed_v, visible), equivariance, fused)


def direct_terms(
    fuser: Network, infrared: Tensor, visible: Tensor, transform: Transform | None, params: Params
) -> EmmaTerms:
    """The same terms without sensing, for its ablation: the fused picture itself is compared.

        L = ℓ(f, i) + ℓ(f, v) + α · ℓ(T_g f, F(T_g i, T_g v))

    Where EMMA turns what A_i and A_v see, the sources themselves are turned.

    Args:
        fuser: As in `emma_terms`, like the other arguments.
        infrared: i.
        visible: v.
        transform: T_g, or None.
        params: What ``transform.draw`` gave.
    """
    fused = fuser(infrared, visible)
    equivariance = fused.new_zeros(())
    if transform is not None:
        turned, mask = transform.apply(fused, params)
        sources = (transform.apply(source, params)[0] for source in (infrared, visible))
        equivariance = fidelity(turned, fuser(*sources), mask)
    return EmmaTerms(fidelity(fused, infrared), fidelity(fused, visible), equivariance, fused)
