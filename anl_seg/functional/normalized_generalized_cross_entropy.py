"""Normalized generalized cross entropy (Ma et al., ICML 2020)."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from anl_seg.functional._per_pixel import per_pixel
from anl_seg.functional._pixels import Pixels
from anl_seg.functional.generalized_cross_entropy import EXPONENT, generalized_cross_entropy
from anl_seg.functional.normalized_loss import normalized


@per_pixel(q=EXPONENT)
def normalized_generalized_cross_entropy(px: Pixels, *, q: float = 0.7) -> Tensor:
    """``(1 - p_y^q) / (C - sum_k p_k^q)`` per pixel, in [0, 1], probabilities clamped at 1e-7.

    Its sum over all labels is 1; q -> 0 is normalized cross entropy.

    Args:
        q: in (0, 1].
    """
    return normalized(px, partial(generalized_cross_entropy.form, q=q))
