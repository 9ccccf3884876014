"""A loss flipped, normalised and applied to the complementary labels (Ye et al., NeurIPS 2023)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._pixels import Pixels, check_min_prob
from anl_seg.functional._precision import without_autocast
from anl_seg.functional.class_forms import ClassForm


@without_autocast
def normalized_negative_loss(
    logits: Tensor,
    target: Tensor,
    *,
    base: ClassForm,
    min_prob: float = 1e-7,
    ignore_index: int = 255,
) -> Tensor:
    """``1 - (A - L_y) / sum_k (A - L_k)`` per pixel, L_k the base loss with label k, A = L at min_prob.

    The construction of the active negative loss for any base that falls with p_k and depends on p_k
    alone: flipped vertically at ``min_prob``, normalised, and summed over the complementary labels. Its
    sum over all labels is C - 1. Cross entropy gives :func:`normalized_negative_cross_entropy`, focal
    loss :func:`normalized_negative_focal_loss`. Probabilities are clamped to [min_prob, 1]; a class
    below the clamp passes no gradient. The terms A - L_k are summed one by one, for the digits.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        base: loss of every class as the label, log p (N, C, *) -> (N, C, *): one of
            ``anl_seg.functional.class_forms.POINTWISE``, or a function of the same kind.
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
    log_p = px.log_probs().clamp(min=log_min)
    flipped = base(log_p.new_full((1,), log_min)) - base(log_p)
    return px.masked(1.0 - px.of_label(flipped) / flipped.sum(dim=1))
