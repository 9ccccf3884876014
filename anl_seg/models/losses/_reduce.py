"""Masking, weighting and reduction of a per-pixel loss, once for all losses."""

from __future__ import annotations

import torch
from torch import Tensor

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction: str) -> str:
    """Return ``reduction`` or raise ValueError naming the allowed values."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}; got {reduction!r}.")
    return reduction


def reduce_pixel_loss(
    loss: Tensor, weight: Tensor, reduction: str, avg_factor: float | Tensor | None = None
) -> Tensor:
    """Weight and reduce a per-pixel loss.

    Args:
        loss: (N, *), 0 at pixels that do not count.
        weight: (N, *), 0 at pixels that do not count, else the pixel's weight.
        reduction: ``none``, ``sum`` or ``mean`` = sum of weighted losses / sum of weights, or
            / ``avg_factor`` where given.
        avg_factor: denominator for ``mean``; refused for ``sum``, without effect for ``none``.

    Returns:
        A scalar, or (N, *) for ``none``.
    """
    weighted = loss * weight
    if reduction == "none":
        return weighted
    if reduction == "sum":
        if avg_factor is not None:
            raise ValueError("avg_factor goes with reduction='mean'; got reduction='sum'.")
        return weighted.sum()
    if avg_factor is None:
        total = weight.sum()
    elif isinstance(avg_factor, Tensor):
        total = avg_factor.to(loss)
    else:
        total = loss.new_full((), float(avg_factor))
    # No valid pixel, or all weights 0: the numerator is 0 too, and so is the mean.
    return weighted.sum() / torch.where(total > 0, total, 1.0)
