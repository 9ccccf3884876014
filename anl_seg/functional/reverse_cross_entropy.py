"""Reverse cross entropy (Wang et al., ICCV 2019)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast

#: Stands for log 0 of the one-hot label: log 1e-4, the value of the authors' code.
LOG_ZERO = math.log(1e-4)
#: Lower clamp of the probabilities in the published code. It bounds the loss from below by
#: ``-LOG_ZERO (C - 1) 1e-7`` and makes the gradient zero through the classes below it.
PROB_CLAMP = 1e-7


@without_autocast
def reverse_cross_entropy(logits: Tensor, target: Tensor, *, ignore_index: int = 255) -> Tensor:
    """``-log(1e-4)`` times the sum over k != y of max(p_k, 1e-7), per pixel.

    Cross entropy with prediction and label exchanged; about 9.21 times the mean absolute error, and
    symmetric like it.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, 9.2104], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, or shapes that do not fit.
    """
    px = Pixels(logits, target, ignore_index)
    probs = px.log_probs().exp().clamp(min=PROB_CLAMP)
    return px.masked(-LOG_ZERO * px.without_label(probs).sum(dim=1))
