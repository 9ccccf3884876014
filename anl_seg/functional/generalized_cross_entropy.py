"""Generalized cross entropy (Zhang & Sabuncu, NeurIPS 2018)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anl_seg.functional._per_pixel import Allowed, pointwise

#: Lower clamp of the probabilities. The gradient is zero through a class below it.
PROB_CLAMP = 1e-7
#: What q may be.
EXPONENT = Allowed("lie in (0, 1]", lambda q: 0.0 < q <= 1.0)


@pointwise(q=EXPONENT)
def generalized_cross_entropy(log_p: Tensor, *, q: float = 0.7) -> Tensor:
    """``(1 - p_y^q) / q`` per pixel, in [0, 1 / q]: cross entropy as q -> 0, mean absolute error at q = 1.

    Args:
        q: in (0, 1]; the larger, the more tolerant and the slower to learn.
    """
    return -torch.expm1(q * log_p.clamp(min=math.log(PROB_CLAMP))) / q
