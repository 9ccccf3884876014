"""Which form of a loss runs: fused where there is one, else the functional form."""

from __future__ import annotations

import os
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

#: ``auto``: fused where it can be. ``reference``: the functional form. ``fused``: fused, or an error.
CHOICES = ("auto", "reference", "fused")
VARIABLE = "ANL_SEG_KERNELS"


def check_choice(choice: str, where: str) -> str:
    """Return ``choice`` or raise ValueError naming the allowed values."""
    if choice not in CHOICES:
        raise ValueError(f"{where} must be one of {', '.join(CHOICES)}; got {choice!r}.")
    return choice


#: The first release of triton whose kernels take tuples of constants.
TRITON = (3, 4)


@lru_cache(maxsize=1)
def triton_available() -> bool:
    """Whether triton is installed, new enough, and imports."""
    try:
        import triton
    except ImportError:
        return False
    return tuple(int(part) for part in triton.__version__.split(".")[:2]) >= TRITON


def transforms_active() -> bool:
    """Whether a transform of ``torch.func`` (grad, vmap, jvp, ...) is at work."""
    return torch._C._are_functorch_transforms_active()


def needs_torch(logits: Tensor) -> str | None:
    """Why a function of these logits must be made of torch's own operations; None if it need not."""
    if torch.compiler.is_compiling():
        return "the graph is being compiled, and the compiler fuses the functional form itself"
    if torch.jit.is_tracing():
        return "the graph is being traced, and no kernel would be seen there"
    if transforms_active():
        return "a transform of torch.func (grad, vmap, jvp, ...) sees through torch's own operations only"
    if forward_ad.unpack_dual(logits).tangent is not None:
        return "it has no forward-mode derivative, and the logits carry a tangent"
    if type(logits) not in (Tensor, nn.Parameter):
        return f"it needs a plain tensor, and the logits are a {type(logits).__name__}"
    if logits.device.type == "meta":
        return "there is no fused kernel for meta, a device of tensors without values"
    return None


def obstacle(logits: Tensor) -> str | None:
    """Why these logits cannot go through a fused kernel; None if they can."""
    reason = needs_torch(logits)
    if reason is not None:
        return reason
    if logits.device.type == "cpu":
        return None
    if logits.device.type != "cuda":
        return f"there is no fused kernel for {logits.device.type}"
    return (
        None if triton_available() else "on CUDA it needs triton 3.4 or later, not installed here"
    )


def use_fused(logits: Tensor, choice: str = "auto") -> bool:
    """Whether a loss that has a fused form should take it.

    The environment variable ``ANL_SEG_KERNELS`` (``reference`` or ``fused``) overrides ``choice``.

    Args:
        logits: what the loss is called with.
        choice: one of :data:`CHOICES`.

    Raises:
        ValueError: an unknown choice.
        RuntimeError: ``fused`` is asked for and cannot be had for these logits.
    """
    choice = check_choice(os.environ.get(VARIABLE) or choice, VARIABLE)
    if choice == "reference":
        return False
    reason = obstacle(logits)
    if reason is not None and choice == "fused":
        raise RuntimeError(
            f"the fused form of a loss was asked for, but {reason}. "
            "kernels='reference' takes the functional form, and 'auto' does where it must."
        )
    return reason is None
