"""Normalized reverse cross entropy (Ma et al., ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._per_pixel import per_pixel
from anl_seg.functional._pixels import Pixels
from anl_seg.functional.reverse_cross_entropy import clamped_probs


@per_pixel()
def normalized_reverse_cross_entropy(px: Pixels) -> Tensor:
    """``RCE_y / sum_k RCE_k`` per pixel, in [0, 1 / (C - 1)]; about (1 - p_y) / (C - 1).

    The constant log 1e-4 cancels. Its sum over all labels is 1. The gradient is C - 1 times smaller than that
    of the mean absolute error. (The authors' code multiplies by (C - 1) / 4 instead; the paper's
    definition is followed here.)
    """
    probs = clamped_probs(px.log_probs())
    others = px.without_label(probs).sum(dim=1)
    return others / ((px.num_classes - 1) * probs.sum(dim=1))
