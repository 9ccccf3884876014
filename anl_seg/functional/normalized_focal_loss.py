"""Normalised focal loss (Ma et al., ICML 2020)."""

from __future__ import annotations

from torch import Tensor

from anl_seg.functional._pixels import Pixels, check_gamma, focal_weight
from anl_seg.functional._precision import without_autocast


@without_autocast
def normalized_focal_loss(
    logits: Tensor, target: Tensor, *, gamma: float = 0.5, ignore_index: int = 255
) -> Tensor:
    """``FL_y / sum_k FL_k`` per pixel, FL_k = -(1 - p_k)^gamma log p_k.

    The factors (1 - p)^gamma are held constant in the gradient. Its sum over all labels is 1; gamma
    = 0 is normalised cross entropy.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        gamma: focusing exponent, 0 or more.
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), in [0, 1], 0 where ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or gamma below 0.
    """
    check_gamma(gamma)
    px = Pixels(logits, target, ignore_index)
    log_p = px.finite_log_probs()
    focal = focal_weight(log_p, gamma) * log_p
    return px.masked(px.of_label(focal) / focal.sum(dim=1))
