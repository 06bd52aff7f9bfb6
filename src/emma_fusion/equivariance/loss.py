"""EMMA's loss (CVPR 2024, section 3.3): sensing both images back, and equivariance.

    L = ℓ(A_i(f), i) + ℓ(A_v(f), v) + α · ℓ(T_g f, F(A_i(T_g f), A_v(T_g f))),   f = F(i, v)
    ℓ(x, y) = mean |x - y| + mean |∇x - ∇y|,   ∇ the Sobel gradient over 8, both directions

F is the U-Fuser, A_i and A_v the frozen sensing networks, T_g a transform of the group. The paper's
set of transforms holds the identity too: the first of its copies of f is f itself.
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

    def total(self, alpha: float, infrared: float = 1.0, visible: float = 1.0) -> Tensor:
        """L for the weight ``alpha`` of the equivariance term, and weights of the others."""
        return infrared * self.infrared + visible * self.visible + alpha * self.equivariance


def sobel(x: Tensor) -> Tensor:
    """Sobel gradients over 8, border replicated: ``(B, 1, H, W)`` → ``(B, 2, H, W)``, x then y.

    The absolute values of each kernel sum to 1, as in the paper's experiments: a ramp that rises
    by 1 a pixel has the gradient 1.

    >>> import torch
    >>> ramp = torch.arange(5.0).expand(1, 1, 5, 5)
    >>> sobel(ramp)[0, :, 2, 2]
    tensor([1., 0.])
    """
    x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    kernel_x = x.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    kernels = kernel_x.new_empty(2, 1, 3, 3)
    kernels[0, 0], kernels[1, 0] = kernel_x, kernel_x.T
    # Autocast would round small gradients to eight bits.
    with torch.autocast(x.device.type, enabled=False):
        return functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), kernels)


def fidelity(x: Tensor, y: Tensor, mask: Tensor | None = None, gradient: float = 1.0) -> Tensor:
    """ℓ(x, y), each sample's mean over its valid pixels, then the mean over samples.

    Averaging sample by sample makes the loss of a batch the mean of the losses of its parts, so
    that several processes that share a batch sum up to the gradient of one.

    Args:
        x: ``(B, 1, H, W)``.
        y: The same shape.
        mask: bool ``(B, 1, H, W)``, the valid pixels; gradients count where all nine pixels of
            their stencil are valid. None: all are.
        gradient: The weight of the gradients' part; 1 in the paper.

    Returns:
        A scalar, 0 where nothing is valid.
    """
    difference = x - y
    # The Sobel filter is linear: one pass over the difference instead of one over each.
    gradients = sobel(difference).abs().sum(1, keepdim=True) / 2
    if mask is None:
        return difference.abs().mean() + gradient * gradients.mean()
    inner = functional.max_pool2d((~mask).to(x.dtype), 3, stride=1, padding=1) == 0
    return _masked_mean(difference.abs(), mask) + gradient * _masked_mean(gradients, inner)


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
    *,
    itself: bool = False,
    gradient: float = 1.0,
    noise: Callable[[Tensor], Tensor] | None = None,
) -> EmmaTerms:
    """Runs the loop fuse → sense → transform → sense → fuse once, and measures its three errors.

    Args:
        fuser: F, ``(B, 1, H, W)`` twice → ``(B, 1, H, W)``.
        sense_infrared: A_i, ``(B, 1, H, W)`` → ``(B, 1, H, W)``; frozen by the caller.
        sense_visible: A_v, likewise.
        infrared: i, ``(B, 1, H, W)`` in [0, 1].
        visible: v, the same shape.
        transform: T_g; None for no transformed copies.
        params: What ``transform.draw`` gave for B samples.
        itself: Whether f itself is the first of the copies, as in the paper's experiments.
        gradient: See `fidelity`.
        noise: What A_i and A_v see in place of f and its copies: the same images with noise, so
            that a faint pattern does not reach them. The copies themselves stay without. None: as
            they are.

    Returns:
        The terms, the equivariance term over valid pixels only; 0 where there are no copies.
    """
    fused = fuser(infrared, visible)
    batch = len(fused)
    copies, masks = fused[:0], torch.ones_like(fused[:0], dtype=torch.bool)
    if transform is not None:
        copies, masks = transform.apply(fused, params)
    both = torch.cat((fused, copies))
    seen = both if noise is None else noise(both)
    all_i, all_v = sense_infrared(seen), sense_visible(seen)
    first = 0 if itself else batch
    equivariance = fused.new_zeros(())
    if len(both) > first:
        again = fuser(all_i[first:], all_v[first:])
        whole = torch.ones_like(both[first:batch], dtype=torch.bool)
        equivariance = fidelity(both[first:], again, torch.cat((whole, masks)), gradient)
    return EmmaTerms(
        fidelity(all_i[:batch], infrared, gradient=gradient),
        fidelity(all_v[:batch], visible, gradient=gradient),
        equivariance,
        fused,
    )


def direct_terms(
    fuser: Network,
    infrared: Tensor,
    visible: Tensor,
    transform: Transform | None,
    params: Params,
    *,
    gradient: float = 1.0,
) -> EmmaTerms:
    """The same terms without sensing, for its ablation: the fused image itself is compared.

        L = ℓ(f, i) + ℓ(f, v) + α · ℓ(T_g f, F(T_g i, T_g v))

    Where EMMA turns what A_i and A_v see, the sources themselves are turned.

    Args:
        fuser: As in `emma_terms`, like the other arguments.
        infrared: i.
        visible: v.
        transform: T_g, or None.
        params: What ``transform.draw`` gave.
        gradient: See `fidelity`.
    """
    fused = fuser(infrared, visible)
    equivariance = fused.new_zeros(())
    if transform is not None:
        turned, mask = transform.apply(fused, params)
        sources = (transform.apply(source, params)[0] for source in (infrared, visible))
        equivariance = fidelity(turned, fuser(*sources), mask, gradient)
    return EmmaTerms(
        fidelity(fused, infrared, gradient=gradient),
        fidelity(fused, visible, gradient=gradient),
        equivariance,
        fused,
    )
