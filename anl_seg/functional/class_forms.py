"""Losses of every class as if it were the label: log p (N, C, *) -> (N, C, *).

What the constructions :func:`normalized_loss` and :func:`normalized_negative_loss` are applied to. A
form has the name and the parameters of its per-pixel loss, and equals that loss for each label. Bind
parameters with ``functools.partial``. The forms check nothing; the per-pixel losses do.
"""

from __future__ import annotations

import math
from typing import Callable

import torch
from torch import Tensor

from anl_seg.functional._pixels import focal_weight
from anl_seg.functional.generalized_cross_entropy import PROB_CLAMP as GCE_CLAMP
from anl_seg.functional.reverse_cross_entropy import LOG_ZERO
from anl_seg.functional.reverse_cross_entropy import PROB_CLAMP as RCE_CLAMP

#: log p (N, C, *) -> loss of each class as the label (N, C, *).
ClassForm = Callable[[Tensor], Tensor]

#: Lower clamp of the probabilities in the published code of the asymmetric norm loss: below p = 1 the
#: slope of x^p has no bound at 0. The gradient is zero through a class below it.
NORM_CLAMP = 1e-5


def cross_entropy(log_p: Tensor) -> Tensor:
    """-log p_k."""
    return -log_p


def focal_loss(log_p: Tensor, *, gamma: float = 2.0) -> Tensor:
    """-(1 - p_k)^gamma log p_k, the factor held constant in the gradient."""
    return -focal_weight(log_p, gamma) * log_p


def mean_absolute_error(log_p: Tensor) -> Tensor:
    """1 - p_k."""
    return -torch.expm1(log_p)


def generalized_cross_entropy(log_p: Tensor, *, q: float = 0.7) -> Tensor:
    """(1 - p_k^q) / q, p_k clamped at 1e-7."""
    return -torch.expm1(q * log_p.clamp(min=math.log(GCE_CLAMP))) / q


def asymmetric_generalized_cross_entropy(
    log_p: Tensor, *, a: float = 1.0, q: float = 2.0
) -> Tensor:
    """((a + 1)^q - (a + p_k)^q) / q.

    (a + 1)^q is taken out, which leaves expm1 of log1p: the difference of two large powers would lose
    the digits of a small loss.
    """
    rest = -torch.expm1(log_p)  # 1 - p_k
    return -((a + 1.0) ** q) * torch.expm1(q * torch.log1p(-rest / (a + 1.0))) / q


def asymmetric_unhinged_loss(log_p: Tensor, *, a: float = 1.5, q: float = 0.9) -> Tensor:
    """((a - p_k)^q - (a - 1)^q) / q, (a - 1)^q taken out as in the form above."""
    rest = -torch.expm1(log_p)  # 1 - p_k
    return (a - 1.0) ** q * torch.expm1(q * torch.log1p(rest / (a - 1.0))) / q


def asymmetric_exponential_loss(log_p: Tensor, *, a: float = 3.0) -> Tensor:
    """exp(-p_k / a)."""
    return torch.exp(-log_p.exp() / a)


def reverse_cross_entropy(log_p: Tensor) -> Tensor:
    """-log(1e-4) times the sum over j != k of max(p_j, 1e-7)."""
    probs = log_p.exp().clamp(min=RCE_CLAMP)
    return -LOG_ZERO * (probs.sum(dim=1, keepdim=True) - probs)


def symmetric_cross_entropy(log_p: Tensor, *, alpha: float = 0.1, beta: float = 1.0) -> Tensor:
    """alpha cross entropy + beta reverse cross entropy."""
    return alpha * cross_entropy(log_p) + beta * reverse_cross_entropy(log_p)


def asymmetric_norm_loss(log_p: Tensor, *, a: float = 1.5, p: float = 0.9) -> Tensor:
    """((a - p_k)^p + sum over j != k of p_j^p - (a - 1)^p) / p, probabilities clamped at 1e-5."""
    probs = log_p.exp().clamp(min=NORM_CLAMP)
    powers = probs**p
    own = (a - 1.0) ** p * torch.expm1(p * torch.log1p((1.0 - probs) / (a - 1.0)))
    return (own + powers.sum(dim=1, keepdim=True) - powers) / p


#: Forms in which the loss of class k depends on p_k alone: what the flip of the negative losses needs.
POINTWISE: dict[str, Callable[..., Tensor]] = {
    form.__name__: form
    for form in (
        cross_entropy,
        focal_loss,
        mean_absolute_error,
        generalized_cross_entropy,
        asymmetric_generalized_cross_entropy,
        asymmetric_unhinged_loss,
        asymmetric_exponential_loss,
    )
}
#: All forms, by the name of their per-pixel loss.
CLASS_FORMS: dict[str, Callable[..., Tensor]] = {
    **POINTWISE,
    **{
        form.__name__: form
        for form in (reverse_cross_entropy, symmetric_cross_entropy, asymmetric_norm_loss)
    },
}
