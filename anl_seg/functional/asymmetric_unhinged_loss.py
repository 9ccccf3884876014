"""Asymmetric unhinged loss (Zhou et al., ICML 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from anl_seg.functional._per_pixel import ABOVE_1, POSITIVE, pointwise


@pointwise(a=ABOVE_1, q=POSITIVE)
def asymmetric_unhinged_loss(log_p: Tensor, *, a: float = 1.5, q: float = 0.9) -> Tensor:
    """``((a - p_y)^q - (a - 1)^q) / q`` per pixel, from 0 to (a^q - (a - 1)^q) / q.

    Called AUL in the paper, AUE in its code; q = 1 is the mean absolute error. Asymmetric: the minimizer
    under noise is that of clean data where the true label is the most frequent one, by a factor of at
    least (a / (a - 1))^(q - 1) if q > 1.

    Args:
        a: above 1; at 1 the slope at p_y = 1 has no bound for q < 1.
        q: above 0; below 1 the gradient grows with p_y, above 1 it falls.
    """
    rest = -torch.expm1(log_p)  # 1 - p_y; (a - 1)^q is taken out, for the digits of a small loss
    return (a - 1.0) ** q * torch.expm1(q * torch.log1p(rest / (a - 1.0))) / q
