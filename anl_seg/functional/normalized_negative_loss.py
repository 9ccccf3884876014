"""A loss flipped, normalized and applied to the complementary labels (Ye et al., NeurIPS 2023)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._per_pixel import INSIDE_0_1, ClassForm, per_pixel
from anl_seg.functional._pixels import Pixels, check_min_prob


@per_pixel(min_prob=INSIDE_0_1)
def normalized_negative_loss(px: Pixels, *, base: ClassForm, min_prob: float = 1e-7) -> Tensor:
    """``1 - (A - L_y) / sum_k (A - L_k)`` per pixel, in [0, 1]; A = L at min_prob.

    L_k is the base loss with label k. The construction of the active negative loss for any base that
    falls with p_k and depends on p_k alone: flipped vertically at ``min_prob``, normalized, and summed over
    the complementary labels. Its sum over all labels is C - 1. Cross entropy gives
    :func:`normalized_negative_cross_entropy`, focal loss :func:`normalized_negative_focal_loss`.
    Probabilities are clamped to [min_prob, 1]; a class below the clamp passes no gradient. The terms A -
    L_k are summed one by one: C A - sum_k L_k would lose two digits in float32.

    Args:
        base: loss of every class as the label, log p (N, C, *) -> (N, C, *): one of
            ``anl_seg.functional.class_forms.POINTWISE``, or a function of the same kind.
        min_prob: the flip point, in (0, 1) and below 1 / C.
    """
    return flipped(px, base, min_prob)


def flipped(
    px: Pixels, base: ClassForm, min_prob: float, top: float | Tensor | None = None
) -> Tensor:
    """1 - (A - L_y) / sum_k (A - L_k), (N, *).

    Args:
        top: A, where it is known to more digits than ``base`` gives.
    """
    check_min_prob(min_prob, px.num_classes)
    log_min = math.log(min_prob)
    log_p = px.log_probs().clamp(min=log_min)
    if top is None:
        top = base(log_p.new_full((1,), log_min))
    heights = top - base(log_p)
    return 1.0 - px.of_label(heights) / heights.sum(dim=1)
