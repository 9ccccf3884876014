"""Asymmetric norm loss (Zhou et al., ICML 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from anl_seg.functional._per_pixel import ABOVE_1, POSITIVE, per_pixel
from anl_seg.functional._pixels import Pixels

#: Lower clamp of the probabilities in the authors' code: below p = 1 the slope of x^p has no bound at
#: 0. The gradient is zero through a class below it.
PROB_CLAMP = 1e-5


@per_pixel(a=ABOVE_1, p=POSITIVE)
def asymmetric_norm_loss(px: Pixels, *, a: float = 1.5, p: float = 0.9) -> Tensor:
    """``((a - p_y)^p + sum_{k != y} p_k^p - (a - 1)^p) / p`` per pixel, 0 or more.

    Asymmetric for p <= 1: the minimizer under noise is that of clean data where the true label is the
    most frequent one.

    The distance of the prediction to a times the one-hot label, in the p-norm to the power of p.
    Probabilities are clamped at 1e-5: a class below passes no gradient. p = 1 is twice the mean
    absolute error.

    Args:
        a: above 1, the length of the label.
        p: above 0, the exponent of the norm.
    """
    return px.of_label(class_form(px.log_probs(), a=a, p=p))


def class_form(log_p: Tensor, *, a: float = 1.5, p: float = 0.9) -> Tensor:
    """The loss of each class as the label, (N, C, *) -> (N, C, *)."""
    probs = log_p.exp().clamp(min=PROB_CLAMP)
    powers = probs**p
    own = (a - 1.0) ** p * torch.expm1(p * torch.log1p((1.0 - probs) / (a - 1.0)))
    return (own + powers.sum(dim=1, keepdim=True) - powers) / p
