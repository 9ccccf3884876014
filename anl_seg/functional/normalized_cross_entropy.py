"""Normalized cross entropy (Ma et al., ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._per_pixel import per_pixel
from anl_seg.functional._pixels import Pixels
from anl_seg.functional.cross_entropy import cross_entropy
from anl_seg.functional.normalized_loss import normalized


@per_pixel()
def normalized_cross_entropy(px: Pixels) -> Tensor:
    """``log p_y / sum_k log p_k`` per pixel, in [0, 1].

    Its sum over all labels is 1: symmetric, and active (only p_y is asked to grow). Trains slowly on
    its own; made to be joined with a passive or negative loss.
    """
    return normalized(px, cross_entropy.form)
