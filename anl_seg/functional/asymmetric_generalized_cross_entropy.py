"""Asymmetric generalized cross entropy (Zhou et al., ICML 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from anl_seg.functional._per_pixel import POSITIVE, pointwise


@pointwise(a=POSITIVE, q=POSITIVE)
def asymmetric_generalized_cross_entropy(
    log_p: Tensor, *, a: float = 1.0, q: float = 2.0
) -> Tensor:
    """``((a + 1)^q - (a + p_y)^q) / q`` per pixel, in [0, ((a + 1)^q - a^q) / q].

    Asymmetric: the minimizer under noise is that of clean data where the true label is the most
    frequent one, by a factor of at least ((a + 1) / a)^(1 - q) if q < 1. a -> 0 is generalized cross
    entropy.

    Args:
        a: above 0; the larger, the nearer the loss is to a linear one.
        q: above 0; above 1 the gradient grows with p_y, below 1 it falls.
    """
    # (a + 1)^q is taken out, which leaves expm1 of log1p: the difference of two large powers would lose
    # the digits of a small loss.
    rest = -torch.expm1(log_p)  # 1 - p_y
    return -((a + 1.0) ** q) * torch.expm1(q * torch.log1p(-rest / (a + 1.0))) / q
