"""Normalized focal loss (Ma et al., ICML 2020)."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from anl_seg.functional._per_pixel import NOT_NEGATIVE, per_pixel
from anl_seg.functional._pixels import Pixels
from anl_seg.functional.focal_loss import focal_loss
from anl_seg.functional.normalized_loss import normalized


@per_pixel(gamma=NOT_NEGATIVE)
def normalized_focal_loss(px: Pixels, *, gamma: float = 0.5) -> Tensor:
    """``FL_y / sum_k FL_k`` per pixel, in [0, 1], FL_k = -(1 - p_k)^gamma log p_k.

    The factors (1 - p)^gamma are held constant in the gradient. Its sum over all labels is 1; gamma
    = 0 is normalized cross entropy.

    Args:
        gamma: focusing exponent, 0 or more.
    """
    return normalized(px, partial(focal_loss.form, gamma=gamma))
