"""Normalised reverse cross entropy (Ma et al., ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast
from anl_seg.functional.reverse_cross_entropy import PROB_CLAMP


@without_autocast
def normalized_reverse_cross_entropy(
    logits: Tensor, target: Tensor, *, ignore_index: int = 255
) -> Tensor:
    """``RCE_y / sum_k RCE_k`` per pixel, which is about (1 - p_y) / (C - 1).

    The constant log 1e-4 cancels. Its sum over all labels is 1. The gradient is C - 1 times smaller than that
    of the mean absolute error. (The authors' code multiplies by (C - 1) / 4 instead; the paper's
    definition is followed here.)

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, 1 / (C - 1)], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, or shapes that do not fit.
    """
    px = Pixels(logits, target, ignore_index)
    probs = px.log_probs().exp().clamp(min=PROB_CLAMP)
    others = px.without_label(probs).sum(dim=1)
    return px.masked(others / ((px.num_classes - 1) * probs.sum(dim=1)))
