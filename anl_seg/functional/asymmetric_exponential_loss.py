"""Asymmetric exponential loss (Zhou et al., ICML 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from anl_seg.functional._per_pixel import POSITIVE, pointwise


@pointwise(a=POSITIVE)
def asymmetric_exponential_loss(log_p: Tensor, *, a: float = 3.0) -> Tensor:
    """``exp(-p_y / a)`` per pixel, in [exp(-1 / a), 1].

    Asymmetric: the minimizer under noise is that of clean data where the true label is the most
    frequent one by a factor of at least exp(1 / a).

    Nearly linear, 1 - p_y / a, for a large a. A perfect prediction costs exp(-1 / a), not 0.

    Args:
        a: above 0.
    """
    return torch.exp(-log_p.exp() / a)
