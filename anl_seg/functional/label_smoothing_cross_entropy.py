"""Label smoothing, positive or negative (Lukasik et al., ICML 2020; Wei et al., ICML 2022)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._pixels import Pixels, check_min_prob
from anl_seg.functional._precision import without_autocast


def check_smoothing(smoothing: float) -> None:
    """Raise ValueError unless smoothing is a finite number below 1."""
    if not -math.inf < smoothing < 1.0:
        raise ValueError(
            f"smoothing must be a finite number below 1 (negative allowed); got {smoothing}."
        )


@without_autocast
def label_smoothing_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    smoothing: float = 0.1,
    min_prob: float = 1e-7,
    ignore_index: int = 255,
) -> Tensor:
    """``(1 - s) l_y + (s / C) sum_k l_k`` per pixel, l_k = -log p_k, s = ``smoothing``.

    Cross entropy with the label mixed with the uniform distribution over all C classes, its own
    included (Lukasik et al. 2020): symmetric, as no class is preferred.

    Negative s (Wei et al. 2022) is backward correction for symmetric noise of rate r when
    s = -c / (1 - c), c = r C / (C - 1). Then the classes other than the label have negative weights
    and the loss falls without bound as their p_k go to 0. So with s < 0, and only then,
    l_k = -log max(p_k, min_prob), as in backward correction; a class below the clamp passes no
    gradient. Wei et al. begin with a warm-up by cross entropy; here that is up to the schedule.

    Args:
        logits: (N, C, *), any real; one channel is a binary head.
        target: (N, *), integers in [0, C) or ``ignore_index``.
        smoothing: below 1; 0 is cross entropy (unclamped).
        min_prob: lower clamp of the probabilities where ``smoothing`` is negative, in (0, 1).
        ignore_index: label of pixels that do not count.

    Returns:
        Loss (N, *), 0 or more with smoothing in [0, 1), any real with negative smoothing, 0 where
        ignored; float32, or float64 for float64 logits.

    Raises:
        ValueError: a label out of range, shapes that do not fit, or a parameter out of range.
    """
    check_smoothing(smoothing)
    check_min_prob(min_prob)
    px = Pixels(logits, target, ignore_index)
    log_p = px.log_probs()
    if smoothing < 0.0:
        log_p = log_p.clamp(min=math.log(min_prob))
    return px.masked(-(1.0 - smoothing) * px.of_label(log_p) - smoothing * log_p.mean(dim=1))
