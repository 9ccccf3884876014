"""Reverse cross entropy (Wang et al., ICCV 2019)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._per_pixel import per_pixel
from anl_seg.functional._pixels import Pixels

#: Stands for log 0 of the one-hot label: log 1e-4, the value of the authors' code.
LOG_ZERO = math.log(1e-4)
#: Lower clamp of the probabilities in the published code. It bounds the loss from below by
#: ``-LOG_ZERO (C - 1) 1e-7`` and makes the gradient zero through the classes below it.
PROB_CLAMP = 1e-7


@per_pixel()
def reverse_cross_entropy(px: Pixels) -> Tensor:
    """``-log(1e-4)`` times the sum over k != y of max(p_k, 1e-7), per pixel, in [0, 9.2104].

    Cross entropy with prediction and label exchanged; about 9.21 times the mean absolute error, and
    symmetric like it.
    """
    return -LOG_ZERO * px.without_label(clamped_probs(px.log_probs())).sum(dim=1)


def class_form(log_p: Tensor) -> Tensor:
    """The loss of each class as the label, (N, C, *) -> (N, C, *); a small one has fewer digits here."""
    probs = clamped_probs(log_p)
    return -LOG_ZERO * (probs.sum(dim=1, keepdim=True) - probs)


def clamped_probs(log_p: Tensor) -> Tensor:
    """max(p, 1e-7)."""
    return log_p.exp().clamp(min=PROB_CLAMP)
