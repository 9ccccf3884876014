"""Logits of bounded norm (Wei et al., ICML 2023, LogitClip)."""

from __future__ import annotations

import math

from torch import Tensor

from anl_seg.functional._pixels import full_logits
from anl_seg.functional._precision import without_autocast

#: What an infinite logit is taken for: as far as float32 can square.
_FAR = 1e15


def check_logit_clip(logit_clip: float | None) -> None:
    """Raise ValueError unless ``logit_clip`` is None or a finite number above 0."""
    if logit_clip is not None and not 0.0 < logit_clip < math.inf:
        raise ValueError(f"logit_clip must be a positive number or None; got {logit_clip}.")


@without_autocast
def clip_logits(logits: Tensor, max_norm: float) -> Tensor:
    """Each pixel's logits less their mean, scaled down to the norm ``max_norm`` where it is larger.

    The softmax of the result is the softmax of the logits where nothing is scaled, keeps their order
    everywhere, and stays away from 0 and 1: every class has at least
    1 / (1 + (C - 1) exp(sqrt(2) max_norm)), and none more than
    1 / (1 + (C - 1) exp(-max_norm sqrt(C / (C - 1)))). A loss whose gradient dies with p_y therefore
    stays alive; and as it is a function of the softmax, a symmetric loss stays symmetric. The paper
    clips the logits as they are; less their mean, adding a number to all of them changes nothing. The
    gradient is that of the scaled logits, so it has no part along them where they are scaled.

    Args:
        logits: (N, C, *), any real; one channel z is a binary head, [0, z].
        max_norm: positive.

    Returns:
        (N, max(C, 2), *), float32, or float64 for float64 logits.

    Raises:
        ValueError: ``max_norm`` not positive.
    """
    check_logit_clip(max_norm)
    # An infinite logit has a direction too, if no square of it is infinite.
    logits = full_logits(logits).nan_to_num(nan=math.nan, posinf=_FAR, neginf=-_FAR)
    centred = logits - logits.mean(dim=1, keepdim=True)
    # The clamp comes before the root, whose slope at 0 is infinite.
    norm = centred.square().sum(dim=1, keepdim=True).clamp(min=max_norm**2).sqrt()
    return centred * (max_norm / norm)
