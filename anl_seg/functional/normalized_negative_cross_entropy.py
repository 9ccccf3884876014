"""Normalised negative cross entropy (Ye et al., NeurIPS 2023)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._pixels import Pixels, check_min_prob
from anl_seg.functional._precision import without_autocast


@without_autocast
def normalized_negative_cross_entropy(
    logits: Tensor, target: Tensor, *, min_prob: float = 1e-7, ignore_index: int = 255
) -> Tensor:
    """``1 - (A + log p_y) / sum_k (A + log p_k)`` per pixel, A = -log min_prob.

    Cross entropy flipped vertically at ``min_prob``, normalised, and applied to the complementary
    labels (Ye et al. 2023, eq. 11). Its sum over all labels is C - 1. Probabilities are clamped to
    [min_prob, 1]; a class below the clamp passes no gradient.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        min_prob: the flip point, in (0, 1) and below 1 / C.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, 1], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or min_prob out of range.
    """
    px = Pixels(logits, target, ignore_index)
    check_min_prob(min_prob, px.num_classes)
    log_min = math.log(min_prob)
    flipped = px.log_probs().clamp(min=log_min) - log_min
    return px.masked(1.0 - px.of_label(flipped) / flipped.sum(dim=1))
