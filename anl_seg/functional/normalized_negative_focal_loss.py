"""Normalized negative focal loss (Ye et al., NeurIPS 2023)."""

from __future__ import annotations

import math
from functools import partial

from torch import Tensor

from anl_seg.functional._per_pixel import (
    INSIDE_0_1,
    NOT_NEGATIVE,
    RELATIVE,
    per_pixel,
)
from anl_seg.functional._pixels import Pixels, flip_point
from anl_seg.functional.focal_loss import focal_loss
from anl_seg.functional.normalized_negative_loss import flipped


@per_pixel(gamma=NOT_NEGATIVE, min_prob=INSIDE_0_1, relative_min_prob=RELATIVE)
def normalized_negative_focal_loss(
    px: Pixels,
    *,
    gamma: float = 0.5,
    min_prob: float = 1e-7,
    relative_min_prob: float | None = None,
) -> Tensor:
    """``1 - (A - FL_y) / sum_k (A - FL_k)`` per pixel, in [0, 1]; A = FL at min_prob.

    FL_k = -(1 - p_k)^gamma log p_k with log p_k clamped at log min_prob; the factors (1 - p)^gamma
    are held constant in the gradient. gamma = 0 is normalized negative cross entropy.

    Args:
        gamma: focusing exponent, 0 or more.
        min_prob: the flip point, in (0, 1) and below 1 / C.
        relative_min_prob: the flip point as a share of 1 / C, in (0, 1), in place of ``min_prob``.
    """
    min_prob = flip_point(min_prob, relative_min_prob, px.num_classes)
    top = -((1.0 - min_prob) ** gamma) * math.log(min_prob)
    return flipped(px, partial(focal_loss.form, gamma=gamma), min_prob, top)
