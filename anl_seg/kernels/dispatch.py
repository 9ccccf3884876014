"""Which form of a loss runs: fused where there is one, else the functional form."""

from __future__ import annotations

import os
from functools import lru_cache

import torch
from torch import Tensor

#: ``auto``: fused where it can be. ``reference``: the functional form. ``fused``: fused, or an error.
CHOICES = ("auto", "reference", "fused")
VARIABLE = "ANL_SEG_KERNELS"


def check_choice(choice: str, where: str) -> str:
    """Return ``choice`` or raise ValueError naming the allowed values."""
    if choice not in CHOICES:
        raise ValueError(f"{where} must be one of {', '.join(CHOICES)}; got {choice!r}.")
    return choice


@lru_cache(maxsize=1)
def _has_triton() -> bool:
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True


def _obstacle(logits: Tensor) -> str | None:
    """Why these logits cannot go through a fused kernel; None if they can."""
    if torch.compiler.is_compiling():
        return "the graph is being compiled, and the compiler fuses the functional form itself"
    if logits.device.type == "cpu":
        return None
    if logits.device.type != "cuda":
        return f"there is no fused kernel for {logits.device.type}"
    return None if _has_triton() else "on CUDA it needs triton, which is not installed"


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
    obstacle = _obstacle(logits)
    if obstacle is not None and choice == "fused":
        raise RuntimeError(f"the fused form of a loss was asked for, but {obstacle}.")
    return obstacle is None
