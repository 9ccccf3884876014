"""Normalized negative cross entropy (Ye et al., NeurIPS 2023)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._per_pixel import INSIDE_0_1, RELATIVE, per_pixel
from anl_seg.functional._pixels import Pixels, flip_point
from anl_seg.functional.cross_entropy import cross_entropy
from anl_seg.functional.normalized_negative_loss import flipped


@per_pixel(min_prob=INSIDE_0_1, relative_min_prob=RELATIVE)
def normalized_negative_cross_entropy(
    px: Pixels, *, min_prob: float = 1e-7, relative_min_prob: float | None = None
) -> Tensor:
    """``1 - (A + log p_y) / sum_k (A + log p_k)`` per pixel, in [0, 1]; A = -log min_prob.

    Cross entropy flipped vertically at ``min_prob``, normalized, and applied to the complementary
    labels (Ye et al. 2023, eq. 11). Its sum over all labels is C - 1. Probabilities are clamped to
    [min_prob, 1]; a class below the clamp passes no gradient.

    Args:
        min_prob: the flip point, in (0, 1) and below 1 / C.
        relative_min_prob: the flip point as a share of 1 / C, in (0, 1), in place of ``min_prob``.
    """
    min_prob = flip_point(min_prob, relative_min_prob, px.num_classes)
    return flipped(px, cross_entropy.form, min_prob, top=-math.log(min_prob))
