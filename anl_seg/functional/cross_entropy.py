"""Cross entropy."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast


@without_autocast
def cross_entropy(logits: Tensor, target: Tensor, *, ignore_index: int = 255) -> Tensor:
    """``-log p_y`` per pixel. Not noise tolerant: the sum over all labels is unbounded.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, inf), 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, or shapes that do not fit.
    """
    px = Pixels(logits, target, ignore_index)
    return px.masked(-px.label_log_prob())
