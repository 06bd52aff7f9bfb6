"""Copies of a caller's network for inference, which leave the caller's own as it is."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)

_OWN = ("torch.nn.modules.", "emma_fusion.networks.")


def inference_copy(network: Network) -> Network:
    """A copy in eval mode without gradients, with the very hooks of the network."""
    # What a hook is bound to, such as an object that records, is not to be copied with it.
    hooks = [hook for module in network.modules() for hook in _hooks(module)]
    copied = copy.deepcopy(network, {id(hook): hook for hook in hooks})
    return copied.eval().requires_grad_(False)


def is_unchanged(network: nn.Module) -> bool:
    """Whether a network is of a class of this package itself, with nothing changed or hooked in.

    Only such a network may be computed in another form: a subclass, a forward hook or a part of
    another class, such as a parametrised one, may do what the other form would leave out.
    """
    return type(network).__module__.startswith(_OWN[1]) and all(
        type(module).__module__.startswith(_OWN)
        and "forward" not in vars(module)
        and not _hooks(module)
        for module in network.modules()
    )


def _hooks(module: nn.Module) -> list[object]:
    """What is called before and after the forward pass of a module itself."""
    return [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
