"""Normalised generalised cross entropy (Ma et al., ICML 2020)."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from anl_seg.functional import class_forms
from anl_seg.functional._precision import without_autocast
from anl_seg.functional.generalized_cross_entropy import check_q
from anl_seg.functional.normalized_loss import normalized_loss


@without_autocast
def normalized_generalized_cross_entropy(
    logits: Tensor, target: Tensor, *, q: float = 0.7, ignore_index: int = 255
) -> Tensor:
    """``(1 - p_y^q) / (C - sum_k p_k^q)`` per pixel, probabilities clamped at 1e-7.

    Its sum over all labels is 1; q -> 0 is normalised cross entropy.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        q: in (0, 1].
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, 1], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or q outside (0, 1].
    """
    check_q(q)
    form = partial(class_forms.generalized_cross_entropy, q=q)
    return normalized_loss(logits, target, base=form, ignore_index=ignore_index)
