"""Normalised cross entropy (Ma et al., ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast


@without_autocast
def normalized_cross_entropy(logits: Tensor, target: Tensor, *, ignore_index: int = 255) -> Tensor:
    """``log p_y / sum_k log p_k`` per pixel.

    Its sum over all labels is 1: symmetric, and active (only p_y is asked to grow). Trains slowly on
    its own; made to be joined with a passive or negative loss.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, 1], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, or shapes that do not fit.
    """
    px = Pixels(logits, target, ignore_index)
    log_p = px.finite_log_probs()
    return px.masked(px.of_label(log_p) / log_p.sum(dim=1))
