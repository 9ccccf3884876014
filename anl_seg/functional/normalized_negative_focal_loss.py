"""Normalised negative focal loss (Ye et al., NeurIPS 2023)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._pixels import Pixels, check_gamma, check_min_prob, focal_weight
from anl_seg.functional._precision import without_autocast


@without_autocast
def normalized_negative_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 0.5,
    min_prob: float = 1e-7,
    ignore_index: int = 255,
) -> Tensor:
    """``1 - (A - FL_y) / sum_k (A - FL_k)`` per pixel, A = -(1 - min_prob)^gamma log min_prob.

    FL_k = -(1 - p_k)^gamma log p_k with log p_k clamped at log min_prob; the factors (1 - p)^gamma
    are held constant in the gradient. gamma = 0 is normalised negative cross entropy. The terms
    A - FL_k are summed one by one: C A - sum_k FL_k would lose two digits in float32.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        gamma: focusing exponent, 0 or more.
        min_prob: the flip point, in (0, 1) and below 1 / C.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, 1], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a parameter out of range.
    """
    check_gamma(gamma)
    px = Pixels(logits, target, ignore_index)
    check_min_prob(min_prob, px.num_classes)
    log_min = math.log(min_prob)
    top = -((1.0 - min_prob) ** gamma) * log_min
    log_p = px.log_probs().clamp(min=log_min)
    flipped = top + focal_weight(log_p, gamma) * log_p
    return px.masked(1.0 - px.of_label(flipped) / flipped.sum(dim=1))
