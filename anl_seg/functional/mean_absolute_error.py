"""Mean absolute error (Ghosh et al., AAAI 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from anl_seg.functional._pixels import Pixels
from anl_seg.functional._precision import without_autocast


@without_autocast
def mean_absolute_error(logits: Tensor, target: Tensor, *, ignore_index: int = 255) -> Tensor:
    """``1 - p_y`` per pixel: half the L1 distance of the prediction to the one-hot label.

    Symmetric (the sum over all labels is C - 1), so tolerant of symmetric noise. Some papers use
    twice this value.

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
    return px.masked(-torch.expm1(px.label_log_prob()))
