"""Label smoothing, positive or negative (Lukasik et al., ICML 2020; Wei et al., ICML 2022)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._per_pixel import INSIDE_0_1, Allowed, per_pixel
from anl_seg.functional._pixels import Pixels

_BELOW_1 = Allowed(
    "be a finite number below 1 (negative allowed)", lambda value: -math.inf < value < 1.0
)


@per_pixel(smoothing=_BELOW_1, min_prob=INSIDE_0_1)
def label_smoothing_cross_entropy(
    px: Pixels, *, smoothing: float = 0.1, min_prob: float = 1e-7
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
        smoothing: below 1; 0 is cross entropy (unclamped). In [0, 1) the loss is 0 or more.
        min_prob: lower clamp of the probabilities where ``smoothing`` is negative, in (0, 1).
    """
    log_p = px.log_probs()
    if smoothing < 0.0:
        log_p = log_p.clamp(min=math.log(min_prob))
    return -(1.0 - smoothing) * px.of_label(log_p) - smoothing * log_p.mean(dim=1)
